/** Header fields as undici gives them. */
import type { Dispatcher } from 'undici'
import type { HeaderList } from '../runtime.ts'

/** Field values are bytes; latin1 keeps each of them, and is what Node writes them as. */
export function decodeFields(raw: Dispatcher.DispatchController['rawHeaders']): HeaderList {
  const headers: [string, string][] = []
  if (!Array.isArray(raw)) return raw == null ? headers : decodeObject(raw)
  for (let index = 0; index + 1 < raw.length; index += 2) {
    headers.push([text(raw[index]), text(raw[index + 1])])
  }
  return headers
}

/** HTTP/2 fields, as Node gives them. */
function decodeObject(fields: object): HeaderList {
  return Object.entries(fields)
    .filter(([name]) => !name.startsWith(':'))
    .flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)] as const))
}

function text(value: Buffer | string | undefined): string {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '')
}
