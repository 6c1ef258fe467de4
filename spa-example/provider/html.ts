/** HTML by template literal: everything that is put in is escaped, unless it is `Html` already. */

export interface Html {
  readonly html: string
}

type Value = string | number | undefined | false | Html | readonly Html[]

export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  let out = strings[0] ?? ''
  values.forEach((value, index) => {
    out += render(value) + (strings[index + 1] ?? '')
  })
  return { html: out }
}

/** HTML that somebody else has made: only for what oidc-provider hands over. */
export function trustedHtml(markup: string): Html {
  return { html: markup }
}

function render(value: Value): string {
  if (value === undefined || value === false) return ''
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value))
  if ('html' in value) return value.html
  return value.map((part) => part.html).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}
