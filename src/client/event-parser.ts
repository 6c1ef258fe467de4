/** The `text/event-stream` format (WHATWG HTML, "Interpreting an event stream"). */

export interface ServerEvent {
  /** `message` where the stream names none. */
  readonly type: string
  readonly data: string
  /** The last id that the stream has sent, with this event or before it; `''` if none. */
  readonly lastEventId: string
}

export interface EventParser {
  /** Takes decoded text in pieces cut anywhere. */
  push(text: string): void
  lastEventId(): string
}

export interface EventParserOptions {
  readonly lastEventId: string
  onEvent(event: ServerEvent): void
  /** The stream asks to wait so long before a reconnect. */
  onRetry(ms: number): void
}

/** One event held in memory; a stream that sends no end of line is broken or hostile. */
const longestEventChars = 4 * 1024 * 1024

/** Throws an Error from `push` when an event is too long. */
export function createEventParser({ lastEventId: initialId, onEvent, onRetry }: EventParserOptions): EventParser {
  let rest = ''
  let endsInCarriageReturn = false
  let type = ''
  let data: string[] = []
  let dataChars = 0
  let pendingId = initialId
  let lastEventId = initialId

  const dispatch = () => {
    // The id counts also where there is no data to dispatch.
    lastEventId = pendingId
    const event = { type: type || 'message', data: data.join('\n'), lastEventId }
    const hasData = data.length > 0
    type = ''
    data = []
    dataChars = 0
    if (hasData) onEvent(event)
  }

  const takeField = (name: string, value: string) => {
    if (name === 'event') type = value
    else if (name === 'data') {
      data.push(value)
      dataChars += value.length
    } else if (name === 'id' && !value.includes('\0')) pendingId = value
    else if (name === 'retry' && /^[0-9]+$/.test(value)) onRetry(Number(value))
  }

  const takeLine = (line: string) => {
    if (line === '') return dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return
    if (colon < 0) return takeField(line, '')
    takeField(line.slice(0, colon), line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1))
  }

  return {
    push(text) {
      // A CR at the end of one piece and an LF at the start of the next are one end of line.
      const piece = endsInCarriageReturn && text.startsWith('\n') ? text.slice(1) : text
      if (text !== '') endsInCarriageReturn = text.endsWith('\r')
      const lines = (rest + piece).split(/\r\n|\n|\r/)
      rest = lines.pop() ?? ''
      for (const line of lines) takeLine(line)
      if (rest.length + dataChars > longestEventChars) throw new Error('An event of the stream is too long')
    },
    lastEventId: () => lastEventId,
  }
}
