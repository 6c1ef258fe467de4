/** The fields of the guard's answers in Express and Fastify, where those that are set belong to the call and not to an answer. */
import { fieldsOfBody, keptFields } from './answer-fields.ts'

/** As Node and Fastify keep them: names in small letters. */
export type NodeFields = Readonly<Record<string, number | string | string[] | undefined>>

/** What middleware in front of the guard has set: to be asked where nothing is known yet of what is asked for. */
export function fieldsInFront(set: NodeFields): NodeFields {
  const kept = Object.entries(set).filter(([name]) => !fieldsOfBody.test(name))
  // Copies: Node and Fastify put the next cookie into the list that they gave.
  return Object.fromEntries(kept.map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]))
}

/**
 * Those that the guard's answer goes out with.
 *
 * @param inFront those that were set in front of it
 * @param begun those of the answer in whose place it comes
 */
export function fieldsOf(
  answer: Response,
  inFront: NodeFields,
  begun: Iterable<readonly [string, string]>,
): Record<string, number | string | string[]> {
  const fields: Record<string, number | string | string[]> = {}
  for (const [name, value] of Object.entries(inFront)) if (value !== undefined) fields[name] = value
  const kept = new Map<string, string>()
  for (const [anyCase, value] of begun) {
    const name = anyCase.toLowerCase()
    if (keptFields.test(name)) kept.set(name, kept.has(name) ? `${kept.get(name)}, ${value}` : value)
  }
  return { ...fields, ...Object.fromEntries(kept), ...Object.fromEntries(answer.headers) }
}

/** One by one. */
export function* eachField(fields: Iterable<readonly [string, unknown]>): Iterable<readonly [string, string]> {
  for (const [name, value] of fields) {
    if (value !== undefined) for (const one of [value].flat()) yield [name, String(one)]
  }
}
