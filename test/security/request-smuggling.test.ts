/**
 * Request smuggling towards us: bytes of which two readers could make different requests. Each is followed by one more
 * request, so that a message that ends elsewhere than it seems to shows itself. What is refused ends the connection, and
 * nothing of it reaches the API; what is taken is one request, and the next one is the next one.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Attacked, answerTo, connectTo, startAttacked, statusesOf } from './attacked.ts'

describe.each([
  ['our own server', 'own'],
  ['another server, with our runtime', 'other'],
] as const)('under %s', (_whose, server) => {
  let attacked: Attacked
  beforeAll(async () => {
    attacked = await startAttacked({ server })
  })
  afterAll(() => attacked.stop())
  beforeEach(() => attacked.upstream.reset())

  const smuggled = 'GET /open/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  const lastRequest = () => `GET /open/last HTTP/1.1\r\nHost: ${attacked.host}\r\nConnection: close\r\n\r\n`

  const head = (line: string, fields: readonly string[]) =>
    `${[line, `Host: ${attacked.host}`, ...fields].join('\r\n')}\r\n\r\n`
  const post = (fields: readonly string[], body: string) => head('POST /open/x HTTP/1.1', fields) + body
  const coded = (coding: string) => post([`Transfer-Encoding:${coding}`], '0\r\n\r\n')
  const chunked = (body: string) => post(['Transfer-Encoding: chunked'], body)
  const sized = (length: string) => post([`Content-Length:${length}`], 'abcde')

  type Attack = readonly [name: string, bytes: () => string]

  async function expectRefused(bytes: string): Promise<void> {
    const answer = await answerTo(attacked.port, bytes + smuggled + lastRequest())
    const statuses = statusesOf(answer)
    expect(statuses, answer).toHaveLength(1)
    expect([400, 413, 431, 501, 505]).toContain(statuses[0])
    expect(attacked.upstream.bytes()).toBe('')
  }

  describe('two framings', () => {
    it.each<Attack>([
      ['CL.TE', () => post(['Content-Length: 6', 'Transfer-Encoding: chunked'], '0\r\n\r\nG')],
      ['TE.CL', () => post(['Transfer-Encoding: chunked', 'Content-Length: 3'], '0\r\n\r\n')],
      ['TE.CL, the coding in capitals', () => post(['TRANSFER-ENCODING: Chunked', 'Content-Length: 3'], '0\r\n\r\n')],
      [
        'a length of nothing beside chunks',
        () => post(['Content-Length: 0', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
      ],
      [
        'chunks, and what is no coding',
        () => post(['Transfer-Encoding: chunked', 'Transfer-Encoding: x'], '0\r\n\r\n'),
      ],
      ['TE.TE', () => post(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n')],
      ['TE.TE, turned round', () => post(['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'], '0\r\n\r\n')],
      ['TE.TE, twice the same', () => post(['Transfer-Encoding: chunked', 'transfer-encoding: chunked'], '0\r\n\r\n')],
      ['two lengths', () => post(['Content-Length: 5', 'Content-Length: 6'], 'abcdef')],
      ['two lengths, twice the same', () => post(['Content-Length: 5', 'content-length: 5'], 'abcde')],
    ])('%s is refused', (_name, bytes) => expectRefused(bytes()))
  })

  describe('a coding that is not just chunked', () => {
    it.each([
      ...[' xchunked', ' chunked, chunked', ' chunked, identity', ' identity', ' identity, chunked', ' chunked;x=1'],
      ...[
        ' "chunked"',
        ' \x0bchunked',
        ' \x0cchunked',
        ' chunked\0',
        ' chunk ed',
        ' gzip',
        ' gzip, chunked',
        ' chunked,',
      ],
      ...[
        ' ,chunked',
        ' , chunked',
        '',
        ' ',
        ' chunked\x0b',
        ' \xa0chunked',
        ' ch\xfcnked',
        ' cow',
        ' deflate;chunked',
      ],
      ...['\r\n chunked', '\r\n\tchunked', ' chunked\r\n '],
    ])('%j is refused', (coding) => expectRefused(coded(coding)))
  })

  describe('a length that is not just digits', () => {
    it.each([
      ...[
        ' +5',
        ' -5',
        ' 5, 5',
        ' 5,5',
        ' 5, 6',
        ' 0x5',
        ' 5;',
        ' 5 5',
        ' 5.0',
        ' 5e0',
        ' 05_',
        '',
        ' ',
        ' \x0b5',
        ' 5\x0b',
      ],
      ...[
        ' 99999999999999999999',
        ' 18446744073709551621',
        ' 4294967301 0',
        ' \u00b2',
        ' five',
        ' 5\0',
        ' NaN',
        ' "5"',
      ],
    ])('%j is refused', (length) => expectRefused(sized(length)))
  })

  describe('chunks', () => {
    it.each([
      ...[
        '0x5\r\nabcde\r\n',
        '+5\r\nabcde\r\n',
        '-5\r\nabcde\r\n',
        ' 5\r\nabcde\r\n',
        '5 \r\nabcde\r\n',
        '5_\r\nabcde\r\n',
      ],
      ...['FFFFFFFFFFFFFFFFF\r\nabcde\r\n', '10000000000000005\r\nabcde\r\n', '\r\nabcde\r\n', 'g\r\nabcde\r\n'],
      // Line ends.
      ...[
        '5\nabcde\r\n',
        '5\r\nabcde\n',
        '5\rabcde\r\n',
        '5\r\r\nabcde\r\n',
        '5\r\nabcde',
        '5\r\nabcdeXX',
        '5\r\nabc\r\n',
      ],
      // Extensions (the first two: a line end in one, which some take for the end of the line).
      ...['5;x\nabcde\r\n', '5;x\rabcde\r\n', '5;\r\nabcde\r\n', '5;x="\r\n"\r\nabcde\r\n', '5;\x01\r\nabcde\r\n'],
      `5;${'x'.repeat(20_000)}\r\nabcde\r\n`,
    ])('%j is no chunk', (chunk) => expectRefused(chunked(`${chunk}0\r\n\r\n`)))

    it.each([
      ...[
        '0\n\n',
        '0\r\n\n',
        '0\n\r\n',
        '0\r\n folded\r\n\r\n',
        '0\r\nX\x01: y\r\n\r\n',
        '0\r\nX y\r\n\r\n',
        '0\r\nX : y\r\n\r\n',
      ],
      ...['0\r\nContent-Length: 9\r\n\r\n', '0\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n'],
      `0\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
    ])('%j is no end of them', (end) => expectRefused(chunked(`5\r\nabcde\r\n${end.slice(0, 130_000)}`)))
  })

  describe('lines and fields', () => {
    const framed = ['Content-Length: 5']
    it.each<Attack>([
      ['a bare LF after the request line', () => `POST /open/x HTTP/1.1\nHost: ${attacked.host}\r\n\r\n`],
      ['bare LFs alone', () => `POST /open/x HTTP/1.1\nHost: ${attacked.host}\n\n`],
      ['a bare LF at the end', () => `POST /open/x HTTP/1.1\r\nHost: ${attacked.host}\r\n\n`],
      ['a bare CR after the request line', () => `POST /open/x HTTP/1.1\rHost: ${attacked.host}\r\r`],
      ['a bare LF in a value', () => post(['X: a\nTransfer-Encoding: chunked', ...framed], 'abcde')],
      ['a bare CR in a value', () => post(['X: a\rTransfer-Encoding: chunked', ...framed], 'abcde')],
      ['a CR before the end of a line', () => post(['X: a\r', ...framed], 'abcde')],
      ['NUL in a value', () => post(['X: a\0b', ...framed], 'abcde')],
      ['a space before the colon (CVE-2021-22959)', () => post(['Transfer-Encoding : chunked', ...framed], 'abcde')],
      ['a tab before the colon', () => post(['Transfer-Encoding\t: chunked', ...framed], 'abcde')],
      ['a control before a name', () => post(['\x0bTransfer-Encoding: chunked', ...framed], 'abcde')],
      ['a space before the first name', () => `POST /open/x HTTP/1.1\r\n Host: ${attacked.host}\r\n\r\n`],
      ['a folded line', () => post(['X: a\r\n b', ...framed], 'abcde')],
      ['a folded line with a field in it', () => post(['X: a\r\n Transfer-Encoding: chunked', ...framed], 'abcde')],
      ['no name', () => post([': x', ...framed], 'abcde')],
      ['no colon', () => post(['x', ...framed], 'abcde')],
      ['a name that is no token', () => post(['X(y): z', ...framed], 'abcde')],
      ['a name beyond ASCII', () => post(['Transfer\u00adEncoding: chunked', ...framed], 'abcde')],
    ])('%s is refused', (_name, bytes) => expectRefused(bytes()))
  })

  describe('request lines and versions', () => {
    it.each<Attack>([
      ['no version', () => 'GET /open/x\r\n\r\n'],
      ['HTTP/0.9', () => head('GET /open/x HTTP/0.9', [])],
      ['HTTP/1.2', () => head('GET /open/x HTTP/1.2', [])],
      ['HTTP/2.0, which is no line of HTTP/1', () => head('GET /open/x HTTP/2.0', [])],
      ['HTTP/11', () => head('GET /open/x HTTP/11', [])],
      ['another protocol', () => head('GET /open/x RTSP/1.0', [])],
      ['small letters', () => head('GET /open/x http/1.1', [])],
      ['a small method', () => head('get /open/x HTTP/1.1', [])],
      ['tabs', () => head('GET\t/open/x\tHTTP/1.1', [])],
      ['a space at the end', () => head('GET /open/x HTTP/1.1 ', [])],
      ['a space in the target', () => head('GET /open/x y HTTP/1.1', [])],
      ['a version in the target', () => head('GET /open/x HTTP/1.1 HTTP/1.1', [])],
      [
        'HTTP/1.0 with chunks, which it does not have',
        () => `${head('POST /open/x HTTP/1.0', ['Transfer-Encoding: chunked', 'Connection: keep-alive'])}0\r\n\r\n`,
      ],
    ])('%s is refused', (_name, bytes) => expectRefused(bytes()))
  })

  describe('what is one request for every reader', () => {
    it.each<readonly [name: string, bytes: () => string, body: string]>([
      ['a length', () => post(['Content-Length: 5'], 'abcde'), 'abcde'],
      ['a length with spaces around', () => post(['Content-Length: \t 5 '], 'abcde'), 'abcde'],
      ['a length with zeros', () => post(['Content-Length: 0005'], 'abcde'), 'abcde'],
      ['chunks', () => chunked('5\r\nabcde\r\n0\r\n\r\n'), 'abcde'],
      ['chunks in capitals', () => coded(' CHUNKED'), ''],
      ['chunks with zeros and capitals', () => chunked('000A\r\nabcdefghij\r\n000\r\n\r\n'), 'abcdefghij'],
      ['a chunk extension', () => chunked('5;a=b;c="d"\r\nabcde\r\n0;x=y\r\n\r\n'), 'abcde'],
      ['a body that reads like a request', () => post([`Content-Length: ${smuggled.length}`], smuggled), smuggled],
      ['a chunk that reads like the last one', () => chunked('7\r\n0\r\n\r\nGE\r\n0\r\n\r\n'), '0\r\n\r\nGE'],
      ['a length in another field', () => post(['Content_Length: 2', 'Content-Length: 5'], 'abcde'), 'abcde'],
      ['a coding in another field', () => post(['Transfer_Encoding: chunked', 'Content-Length: 5'], 'abcde'), 'abcde'],
      ['empty lines before', () => `\r\n\r\n${post(['Content-Length: 5'], 'abcde')}`, 'abcde'],
    ])('%s is taken once, and the next request is the next', async (_name, bytes, body) => {
      const answer = await answerTo(attacked.port, bytes() + lastRequest())
      expect(statusesOf(answer)).toEqual([200, 200])
      // Their order at the API is by connection.
      const [first, ...others] = attacked.upstream
        .requests()
        .sort((one, other) => other.target.localeCompare(one.target))
      expect(first).toMatchObject({ method: 'POST', target: '/open/x', body })
      expect(others).toMatchObject([{ method: 'GET', target: '/open/last', body: '' }])
      expect(attacked.upstream.garbage()).toEqual([])
    })

    it('fields of a trailer are none of the request', async () => {
      const trailer = 'Authorization: Bearer x\r\nCookie: a=b\r\nHost: evil.example\r\nX-Forwarded-For: 1.1.1.1\r\n'
      const answer = await answerTo(attacked.port, chunked(`5\r\nabcde\r\n0\r\n${trailer}\r\n`) + lastRequest())
      expect(statusesOf(answer).at(-1)).toBe(200)
      expect(attacked.upstream.bytes()).not.toMatch(/bearer|evil|1\.1\.1\.1|a=b/i)
    })

    it('HTTP/1.0 is served, and its connection ends', async () => {
      const answer = await answerTo(attacked.port, `GET /open/x HTTP/1.0\r\nHost: ${attacked.host}\r\n\r\n`)
      expect(statusesOf(answer)).toEqual([200])
      expect(attacked.upstream.requests()).toHaveLength(1)
    })

    it('pipelined requests are answered each by its own answer, in their order', async () => {
      attacked.upstream.answerWith((socket, { target }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`)
      })
      const targets = ['/open/1', '/open/22', '/open/333', '/open/4444']
      const answer = await answerTo(
        attacked.port,
        targets.map((target) => head(`GET ${target} HTTP/1.1`, [])).join('') + lastRequest(),
      )
      expect([...answer.matchAll(/\r\n\r\n(\/open\/(?:\d+|last))/g)].map(([, body]) => body)).toEqual([
        ...targets,
        '/open/last',
      ])
    })

    it('after Connection: close nothing more is answered', async () => {
      const answer = await answerTo(attacked.port, lastRequest() + head('GET /open/x HTTP/1.1', []))
      expect(statusesOf(answer)).not.toEqual([200, 200])
      expect(attacked.upstream.requests().map(({ target }) => target)).toEqual(['/open/last'])
    })
  })

  describe('content where there should be none', () => {
    it.each(['GET', 'HEAD'])(
      'of a %s is refused: an API that does not read it would take it for the next request',
      async (method) => {
        for (const [fields, body] of [
          [[`Content-Length: ${smuggled.length}`], smuggled],
          [['Transfer-Encoding: chunked'], `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`],
        ] as const) {
          attacked.upstream.reset()
          const answer = await answerTo(
            attacked.port,
            head(`${method} /open/x HTTP/1.1`, fields) + body + lastRequest(),
          )
          expect(statusesOf(answer)[0]).toBe(400)
          expect(attacked.upstream.bytes()).not.toContain('smuggled')
          expect(statusesOf(answer).length).toBeLessThanOrEqual(2)
        }
      },
    )
  })

  describe('a body that came before it was asked for', () => {
    it.each([
      ['taken', 'POST /open/x HTTP/1.1', 200],
      ['refused for who calls', 'POST /api/x HTTP/1.1', 403],
      ['refused for its route', 'POST /nowhere HTTP/1.1', 404],
      ['refused for its target', 'POST /open//x HTTP/1.1', 400],
    ])('of a call that is %s is not read as the next request', async (_how, line, status) => {
      const fields = ['Expect: 100-continue', `Content-Length: ${smuggled.length}`]
      const answer = await answerTo(attacked.port, head(line, fields) + smuggled + lastRequest())
      expect(statusesOf(answer).filter((code) => code !== 100)[0]).toBe(status)
      expect(attacked.upstream.requests().map(({ target }) => target)).not.toContain('/open/smuggled')
    })
  })

  describe('a body that breaks off on its way', () => {
    it.each(['zz\r\n', '5\nabcde', '', '3;\x01\r\n'])('by %j is no whole request to the API', async (broken) => {
      const { socket, closed } = connectTo(attacked.port, chunked('5\r\nabcde\r\n'))
      await expect.poll(() => attacked.upstream.bytes()).toContain('abcde')
      if (broken === '') socket.destroy()
      else socket.write(broken, 'latin1')
      await closed
      // The next request has a connection of its own, so what comes after the broken one is not read as a part of it.
      expect(statusesOf(await answerTo(attacked.port, lastRequest()))).toEqual([200])
      expect(attacked.upstream.requests().map(({ target }) => target)).toEqual(['/open/last'])
      expect(attacked.upstream.garbage()).toEqual([])
    })
  })
})
