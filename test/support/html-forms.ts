/** Reads the forms of a page as a browser would submit them. Enough HTML for pages that we know. */

export interface FormButton {
  readonly name: string
  readonly value: string
  readonly text: string
}

export interface Form {
  readonly id: string
  readonly method: 'GET' | 'POST'
  readonly action: URL
  /** Names and values of the fields, as the page came. */
  readonly fields: ReadonlyMap<string, string>
  /** Submit buttons, those outside that name the form included. */
  readonly buttons: readonly FormButton[]
}

/** The forms of a page, in order. */
export function readForms(markup: string, pageUrl: string | URL): Form[] {
  const source = markup.replace(/<!--[\s\S]*?-->|<(script|style|noscript)\b[\s\S]*?<\/\1>/gi, '')
  const outside = source.replace(/<form\b[\s\S]*?<\/form>/gi, '')
  return [...source.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, opening = '', content = '']) => {
    const attributes = readAttributes(opening)
    const id = attributes.get('id') ?? ''
    const associated = readButtons(outside).filter((button) => id !== '' && button.formId === id)
    return {
      id,
      method: attributes.get('method')?.toLowerCase() === 'post' ? 'POST' : 'GET',
      action: new URL(attributes.get('action') ?? '', pageUrl),
      fields: readFields(content),
      buttons: [...readButtons(content), ...associated].map(({ name, value, text }) => ({ name, value, text })),
    }
  })
}

function readFields(content: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const [, opening = ''] of content.matchAll(/<input\b([^>]*)>/gi)) {
    const attributes = readAttributes(opening)
    const name = attributes.get('name')
    const type = attributes.get('type')?.toLowerCase() ?? 'text'
    const isSkipped = type === 'submit' || ((type === 'checkbox' || type === 'radio') && !attributes.has('checked'))
    if (name !== undefined && !isSkipped) fields.set(name, attributes.get('value') ?? '')
  }
  return fields
}

function readButtons(content: string): (FormButton & { formId: string })[] {
  return [...content.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/gi)]
    .map(([, opening = '', inner = '']) => ({ attributes: readAttributes(opening), inner }))
    .filter(({ attributes }) => (attributes.get('type') ?? 'submit').toLowerCase() === 'submit')
    .map(({ attributes, inner }) => ({
      name: attributes.get('name') ?? '',
      value: attributes.get('value') ?? '',
      text: decodeEntities(inner.replace(/<[^>]*>/g, '')).trim(),
      formId: attributes.get('form') ?? '',
    }))
}

function readAttributes(opening: string): Map<string, string> {
  const attributes = new Map<string, string>()
  const pattern = /([^\s=/"'>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g
  for (const [, name = '', double, single, bare] of opening.matchAll(pattern)) {
    attributes.set(name.toLowerCase(), decodeEntities(double ?? single ?? bare ?? ''))
  }
  return attributes
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' }

function decodeEntities(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    return named[name] ?? whole
  })
}
