/**
 * `Headers` over a list of fields. Node's own copies and validates each field when it is made, and sorts all of them when
 * it is read; of an answer that passes through, the fields are valid, and go out as the list that they are.
 */
import { inspect } from 'node:util'
import { isFieldValue, isToken } from '../gateway/fields.ts'
import { remembered } from '../gateway/remembered.ts'
import type { HeaderList } from '../runtime.ts'

type Field = readonly [name: string, value: string]

/**
 * As Fetch has it (§5.1), but for two things: a value with a control character other than a tab is refused here already,
 * and who goes through the fields gets those that there were when they began, whatever is changed meanwhile.
 */
export class FieldHeaders implements Headers {
  #fields: Field[]

  /** @param fields are not looked at: the names are in lower case, and no value holds what would end its line */
  constructor(fields: Field[]) {
    this.#fields = fields
  }

  /** One for each line, in the order in which they came. */
  get fields(): HeaderList {
    return this.#fields
  }

  append(name: string, value: string): void {
    this.#fields.push([lowerName(name), checkedValue(value)])
  }

  delete(name: string): void {
    const wanted = lowerName(name)
    this.#fields = this.#fields.filter((field) => field[0] !== wanted)
  }

  get(name: string): string | null {
    const wanted = lowerName(name)
    let line: string | null = null
    for (const [other, value] of this.#fields) {
      if (other === wanted) line = line === null ? value : `${line}, ${value}`
    }
    return line
  }

  getSetCookie(): string[] {
    return this.#fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value)
  }

  has(name: string): boolean {
    const wanted = lowerName(name)
    return this.#fields.some((field) => field[0] === wanted)
  }

  set(name: string, value: string): void {
    const wanted = lowerName(name)
    const field: Field = [wanted, checkedValue(value)]
    const index = this.#fields.findIndex(([other]) => other === wanted)
    if (index < 0) {
      this.#fields.push(field)
      return
    }
    this.#fields = this.#fields.filter(([other], at) => at <= index || other !== wanted)
    this.#fields[index] = field
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this.#sorted()) callback.call(thisArg, value, name, this)
  }

  entries() {
    return this.#sorted().values()
  }

  keys() {
    return this.#sorted()
      .map(([name]) => name)
      .values()
  }

  values() {
    return this.#sorted()
      .map(([, value]) => value)
      .values()
  }

  [Symbol.iterator]() {
    return this.entries()
  }

  /** The one of `Headers` looks for what Node's own has inside, and throws. */
  [inspect.custom](): string {
    return `Headers ${inspect([...this])}`
  }

  /** By name, with the lines of one field as one (RFC 9110 §5.3), cookies aside. */
  #sorted(): [string, string][] {
    const lines: [string, string][] = []
    for (const [name, value] of this.#fields.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))) {
      const last = lines.at(-1)
      if (last?.[0] === name && name !== 'set-cookie') last[1] += `, ${value}`
      else lines.push([name, value])
    }
    return lines
  }
}

// `instanceof` is how others know fields that they have not to copy. `extends` would make Node's own beside ours, for nothing.
Object.setPrototypeOf(FieldHeaders.prototype, Headers.prototype)

/** Of whatever Fetch makes a text of, once: an object may give another the next time. */
function lowerName(name: string): string {
  return lowerOf(String(name))
}

const lowerOf = remembered((name) => {
  if (!isToken(name)) throw new TypeError(`${JSON.stringify(name)} is not the name of a header field`)
  return name.toLowerCase()
})

function checkedValue(value: string): string {
  const trimmed = withoutSpacesAround(String(value))
  // The value may be secret.
  if (!isFieldValue(trimmed))
    throw new TypeError('a header field cannot hold a control character, nor one beyond U+00FF')
  return trimmed
}

/** And without line ends: so Fetch takes a value. */
function withoutSpacesAround(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && spaces.includes(value.charAt(start))) start++
  while (end > start && spaces.includes(value.charAt(end - 1))) end--
  return value.slice(start, end)
}

const spaces = '\t\n\r '
