/** Schemas that several parts of the configuration use. */
import * as v from 'valibot'
import { parseDuration, spokenDuration } from './durations.ts'
import { nearest } from './nearest.ts'
import { type Field, mistake, wanted } from './read-object.ts'

/** A string that is not blank and has no white space around it. */
export function text(cure: string): Field<string> {
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      const value = dataset.value
      if (value.trim() === '') addIssue({ message: mistake('is empty', cure) })
      else if (value !== value.trim())
        addIssue({
          message: mistake(
            'begins or ends with white space',
            'remove it; a file that was read often ends with a line break',
          ),
        })
    }),
  )
}

/** A list without repetitions. */
export function list<Item>(item: Field<Item>, cure: string, minimum = 0): Field<readonly Item[]> {
  return v.pipe(
    v.array(item, wanted('a list', cure)),
    v.minLength(minimum, mistake('is empty', cure)),
    v.check((items) => new Set(items).size === items.length, mistake('names something twice', 'name it once')),
    v.readonly(),
  )
}

export function oneOf<const Option extends string>(options: readonly Option[]): Field<Option> {
  const all = options.map((option) => `'${option}'`).join(', ')
  return v.picklist(options, (issue) => {
    if (typeof issue.input !== 'string') return wanted('a string', `write one of ${all}`)(issue)
    const meant = nearest(issue.input, options)
    return mistake('is not known here', meant ? `write '${meant}'` : `write one of ${all}`)
  })
}

/** Gives seconds. */
export function duration(minimumSeconds: number, maximumSeconds: number): Field<number> {
  const example = "write a number with s, m, h or d, such as '30s', '15m', '12h' or '7d', or whole seconds"
  return v.pipe(
    v.union([v.string(), v.number()], wanted('a duration', example)),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const seconds = parseDuration(dataset.value)
      if (seconds === undefined) {
        addIssue({ message: mistake('is not a duration', example) })
        return NEVER
      }
      if (seconds < minimumSeconds || seconds > maximumSeconds) {
        const bounds = `between ${spokenDuration(minimumSeconds)} and ${spokenDuration(maximumSeconds)}`
        addIssue({ message: mistake('is out of bounds', `write a duration ${bounds}`) })
        return NEVER
      }
      return seconds
    }),
  )
}

export function wholeNumber(minimum: number, maximum: number): Field<number> {
  const cure = `write a whole number from ${minimum} to ${maximum}`
  return v.pipe(
    v.number(wanted('a number', cure)),
    v.check(
      (value) => Number.isSafeInteger(value) && value >= minimum && value <= maximum,
      mistake('is not a whole number in bounds', cure),
    ),
  )
}

/** One, or a list of them; gives the list. */
export function oneOrMore<Item>(item: Field<Item>, cure: string): Field<readonly Item[]> {
  return v.pipe(
    v.unknown(),
    v.transform((input) => (Array.isArray(input) ? input : [input])),
    list(item, cure, 1),
  )
}

export function flag(): Field<boolean> {
  return v.boolean(wanted('true or false'))
}

export function optional<Output>(schema: Field<Output>): Field<Output | undefined> {
  return v.optional(schema)
}

export function withDefault<Output>(schema: Field<Output>, value: Output): Field<Output> {
  return v.pipe(
    v.optional(schema),
    v.transform((output) => output ?? value),
  )
}

/** A field that another function reads. */
export function anything(): Field<unknown> {
  return v.unknown()
}

/** RFC 8707 §2: an absolute URI without a fragment. */
export function resourceIndicator(): Field<string> {
  const cure = 'write the absolute URI of the API, such as https://orders.example.com'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.check(
      (value) => /^[a-z][a-z0-9+.-]*:[^\s#]+$/i.test(value) && URL.canParse(value),
      mistake('is not an absolute URI without a fragment', cure),
    ),
  )
}
