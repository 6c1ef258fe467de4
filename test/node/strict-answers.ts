/** Reads what a server sent on a connection, as strictly as may be (RFC 9112 §6.3): an answer that runs over is an error. */

export interface Answer {
  readonly status: number
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly isWhole: boolean
}

type Head = Pick<Answer, 'status' | 'fields'>
type Body = Pick<Answer, 'body' | 'isWhole'> & { rest: string }

/** @param methods of the requests, in their order; there are fewer answers if one was cut off */
export function answersIn(received: string, methods: readonly string[]): Answer[] {
  const answers: Answer[] = []
  let left = received
  for (const method of methods) {
    if (left === '') break
    const end = left.indexOf('\r\n\r\n')
    if (end < 0) throw new Error(`no head: ${left}`)
    const head = headOf(left.slice(0, end).split('\r\n'))
    const { rest, ...body } = bodyOf(method, head, left.slice(end + 4))
    answers.push({ ...head, ...body })
    left = rest
  }
  if (left !== '') throw new Error(`more than was asked for: ${left}`)
  return answers
}

export function valuesOf({ fields }: Head, wanted: string): string[] {
  return fields.filter(([name]) => name === wanted).map(([, value]) => value)
}

function headOf([line = '', ...lines]: string[]): Head {
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d) /.exec(line)?.[1])
  if (Number.isNaN(status)) throw new Error(`no answer: ${line}`)
  const fields = lines.map((text) => {
    const [, name, value] = /^([!-9;-~]+): ?(.*)$/.exec(text) ?? []
    if (name === undefined || value === undefined) throw new Error(`no field: ${text}`)
    return [name.toLowerCase(), value] as const
  })
  return { status, fields }
}

function bodyOf(method: string, head: Head, text: string): Body {
  if (method === 'HEAD' || head.status === 204 || head.status === 304) return { body: '', isWhole: true, rest: text }
  const [length, ...more] = valuesOf(head, 'content-length')
  const isChunked = valuesOf(head, 'transfer-encoding').length > 0
  if (more.length > 0 || isChunked === (length !== undefined)) throw new Error('not exactly one length')
  if (isChunked) return chunksOf(text)
  const body = text.slice(0, Number(length))
  return { body, isWhole: body.length === Number(length), rest: text.slice(body.length) }
}

function chunksOf(text: string): Body {
  let body = ''
  let rest = text
  for (;;) {
    const [line, digits = ''] = /^([0-9a-f]+)\r\n/.exec(rest) ?? []
    const size = Number.parseInt(digits, 16)
    if (line === undefined) return { body, isWhole: false, rest: '' }
    if (size === 0) {
      const end = rest.indexOf('\r\n\r\n')
      return { body, isWhole: end >= 0, rest: end < 0 ? '' : rest.slice(end + 4) }
    }
    body += rest.slice(line.length, line.length + size)
    rest = rest.slice(line.length + size + 2)
  }
}
