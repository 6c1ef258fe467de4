import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEventParser, type ServerEvent } from '../../src/client/event-parser.ts'

function parse(pieces: readonly string[], lastEventId = '') {
  const events: ServerEvent[] = []
  const retries: number[] = []
  const parser = createEventParser({
    lastEventId,
    onEvent: (event) => events.push(event),
    onRetry: (ms) => retries.push(ms),
  })
  for (const piece of pieces) parser.push(piece)
  return { events, retries, lastEventId: parser.lastEventId() }
}

describe('an event stream', () => {
  it('has a type, data of several lines, and an id that holds for what follows', () => {
    const { events } = parse(['event: order\nid: 7\ndata: a\ndata:b\n\ndata: c\n\n'])
    expect(events).toEqual([
      { type: 'order', data: 'a\nb', lastEventId: '7' },
      { type: 'message', data: 'c', lastEventId: '7' },
    ])
  })

  it('means the same with every end of line, cut anywhere', () => {
    const text = ': hello\nretry: 250\nid: 1\nevent: a\ndata: x\n\ndata: y\ndata:  z\n\n'
    const whole = parse([text])
    fc.assert(
      fc.property(fc.constantFrom('\n', '\r', '\r\n'), fc.array(fc.nat(80), { maxLength: 12 }), (end, cuts) => {
        const written = text.replaceAll('\n', end)
        const places = [0, ...cuts.map((cut) => Math.min(cut, written.length)).sort((a, b) => a - b), written.length]
        const pieces = places.slice(1).map((place, index) => written.slice(places[index], place))
        // A CR at the very end may be half of an end of line; the next byte tells.
        expect(parse([...pieces, ': end'])).toEqual(whole)
      }),
    )
  })

  it('dispatches nothing without data, but keeps the id', () => {
    expect(parse(['id: 9\nevent: empty\n\n'])).toEqual({ events: [], retries: [], lastEventId: '9' })
  })

  it('drops an event that the end of the stream cut off, and its id', () => {
    expect(parse(['id: 1\ndata: a\n\nid: 2\ndata: b\n'])).toMatchObject({ events: [{ data: 'a' }], lastEventId: '1' })
  })

  it.each(['retry: soon', 'retry: -1', 'retry: 1.5', 'retry:'])('takes no time from “%s”', (line) => {
    expect(parse([`${line}\n\n`]).retries).toEqual([])
  })

  it('takes no id with a NUL in it, and an empty one as none', () => {
    expect(parse(['id: a\0b\ndata: x\n\n'], 'old').events[0]?.lastEventId).toBe('old')
    expect(parse(['id\ndata: x\n\n'], 'old').events[0]?.lastEventId).toBe('')
  })

  it('gives up on an event without end', () => {
    expect(() => parse([`data: ${'x'.repeat(5 * 1024 * 1024)}`])).toThrow(/too long/)
    const line = `data: ${'x'.repeat(1024 * 1024)}\n`
    expect(() => parse([line, line, line, line, line])).toThrow(/too long/)
  })
})
