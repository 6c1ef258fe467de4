/** What a route changes of the messages that pass: header fields, and the query. */
import * as v from 'valibot'
import { list, text, withDefault } from './fields.ts'
import { isNeverForwarded } from './header-names.ts'
import { type Field, type Issues, join, mistake, readObject, wanted } from './read-object.ts'
import { isAboutOurOrigin, isHopByHop } from './response-header-names.ts'
import type { FieldRules, QueryRules, Route } from './types.ts'

const nothing: FieldRules = { set: [], add: [], remove: new Set() }
const parameter = list(text('write the name of a parameter, such as page'), 'write a list of names')

/** RFC 9110 §5.6.2 token, without what CGI-like servers could mistake for another name. */
const plainName = /^[A-Za-z0-9-]+$/
const writtenByUs: ReadonlySet<string> = new Set(['content-length', 'content-location', 'location', 'pragma'])
/** RFC 9110 §5.5, in ASCII. */
const fieldValue = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/

export function readHeaderRules(input: unknown, path: string, issues: Issues): Route['headers'] {
  if (input === undefined) return { request: nothing, response: nothing }
  const { partial } = readObject({ request: v.unknown(), response: v.unknown() }, input, path, issues)
  const request = readFieldRules(partial.request, join(path, 'request'), issues)
  for (const [name] of [...request.set, ...request.add]) {
    if (!isNeverForwarded(name)) continue
    issues.push({
      path: join(path, 'request'),
      problem: `sets ${name}, which is ours to say or nobody's`,
      cure: 'leave it out; who calls is said by the access token alone',
    })
  }
  const response = readFieldRules(partial.response, join(path, 'response'), issues)
  // They pass the same filter as what the upstream sends, and would be lost in it.
  for (const [name] of [...response.set, ...response.add]) {
    if (!isAboutOurOrigin(name) && !isHopByHop(name) && !writtenByUs.has(name)) continue
    issues.push({
      path: join(path, 'response'),
      problem: `sets ${name}, which no route may`,
      cure: 'leave it out: it speaks to the browser about our whole origin, or is written by us',
    })
  }
  return { request, response }
}

export function readQueryRules(input: unknown, path: string, issues: Issues): QueryRules | undefined {
  if (input === undefined) return undefined
  const fields = {
    allow: v.optional(parameter),
    remove: withDefault(parameter, []),
    set: values(v.string(wanted('a string'))),
  }
  const { complete } = readObject(fields, input, path, issues)
  if (!complete) return undefined
  return {
    allow: complete.allow && new Set(complete.allow),
    remove: new Set(
      [...complete.remove, ...Object.keys(complete.set)].flatMap((name) => {
        const inLowerCase = name.toLowerCase()
        return [inLowerCase, withUnderscores(inLowerCase)]
      }),
    ),
    set: new URLSearchParams(complete.set).toString(),
  }
}

/** A parameter's name as PHP writes it. */
export function withUnderscores(name: string): string {
  return name.trim().replaceAll(/[\s.[]/g, '_')
}

function readFieldRules(input: unknown, path: string, issues: Issues): FieldRules {
  if (input === undefined) return nothing
  const value = v.pipe(
    v.string(wanted('a string', 'write the value')),
    v.regex(fieldValue, mistake('is no value of a header field', 'use printable ASCII, without spaces around it')),
  )
  const fields = {
    set: values(value),
    add: values(value),
    remove: withDefault(list(name(), 'write a list of names'), []),
  }
  const { complete } = readObject(fields, input, path, issues)
  if (!complete) return nothing
  const lowerCase = (entries: Record<string, string>) =>
    Object.entries(entries).map(([key, content]) => [key.toLowerCase(), content] as const)
  return {
    set: lowerCase(complete.set),
    add: lowerCase(complete.add),
    remove: new Set(complete.remove.map((one) => one.toLowerCase())),
  }
}

function name(): Field<string> {
  const cure = 'write a name such as x-api-version'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.regex(plainName, mistake('is not the name of a header field', cure)),
  )
}

const nameOfValue = v.pipe(
  v.string(),
  v.regex(plainName, mistake('is not the name of a header field', 'write a name such as x-api-version')),
)

/** Names and their values; of header fields where `value` is one. */
function values(value: Field<string>): Field<Record<string, string>> {
  return withDefault(v.record(nameOfValue, value, wanted('an object', "write { name: 'value' }")), {})
}
