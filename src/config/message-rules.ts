/** What a route changes of the messages that pass: header fields, and the query. */
import * as v from 'valibot'
import { list, text, withDefault } from './fields.ts'
import { isNeverForwarded } from './header-names.ts'
import { type Field, type Issues, join, mistake, readObject, wanted } from './read-object.ts'
import { isAboutOurOrigin, isChallenge, isForPagesOnly, isHopByHop, isRateLimitField } from './response-header-names.ts'
import type { FieldRules, QueryRules, ResponseFieldRules, Route } from './types.ts'

const nothing: FieldRules = { set: [], add: [], remove: new Set() }
const nothingOfAnswers: ResponseFieldRules = { ...nothing, allow: undefined }
const parameter = text('write the name of a parameter, such as page')
const parameters = list(parameter, 'write a list of names')
/** Servers spell a part in too many ways (`a.b`, `a[b]`, `a[b][]`) to take one out and leave the others. */
const wholeParameters = list(
  v.pipe(
    parameter,
    v.regex(
      /^[^[\].]*$/,
      mistake('is a part of a parameter', 'write the name of the whole: what is below it goes too'),
    ),
  ),
  'write a list of names',
)

/** RFC 9110 §5.6.2 token, without what CGI-like servers could mistake for another name. */
const plainName = /^[A-Za-z0-9-]+$/
const writtenByUs: ReadonlySet<string> = new Set(['content-length', 'content-location', 'location', 'pragma'])
/** RFC 9110 §5.5, in ASCII. */
const fieldValue = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/

const nameOfValue = v.pipe(
  v.string(),
  v.regex(plainName, mistake('is not the name of a header field', 'write a name such as x-api-version')),
)

const value = v.pipe(
  v.string(wanted('a string', 'write the value')),
  v.regex(fieldValue, mistake('is no value of a header field', 'use printable ASCII, without spaces around it')),
)
const changes = { set: values(value), add: values(value), remove: withDefault(names(), []) }

/** What of a route decides which fields its answers may have. */
export interface AnswerContext {
  readonly auth: Route['auth']
  readonly content: Route['content']
  readonly cache: Route['cache']
  /** Its own, or those for all routes. */
  readonly hasRateLimits: boolean
}

export function readHeaderRules(
  input: unknown,
  path: string,
  issues: Issues,
  context: AnswerContext,
): Route['headers'] {
  if (input === undefined) return { request: nothing, response: nothingOfAnswers }
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
  const response = readResponseRules(partial.response, join(path, 'response'), issues)
  // They pass the same filter as what the upstream sends, and would be lost in it.
  const named: [string, readonly string[]][] = [
    ['sets', [...response.set, ...response.add].map(([name]) => name)],
    ['allows', [...(response.allow ?? [])]],
  ]
  for (const [verb, names] of named) {
    for (const name of names) {
      const lost = whyLost(name, context, verb === 'sets')
      if (lost) issues.push({ path: join(path, 'response'), problem: `${verb} ${name}, ${lost[0]}`, cure: lost[1] })
    }
  }
  return { request, response }
}

/** Why an answer of the route never has this field, or has ours, and what to do about it. */
function whyLost(name: string, route: AnswerContext, isSet: boolean): [problem: string, cure: string] | undefined {
  if (isAboutOurOrigin(name) || isHopByHop(name) || (isSet && writtenByUs.has(name))) {
    return ['which no route may', 'leave it out: it speaks to the browser about our whole origin, or is written by us']
  }
  if (route.content === 'data' && isForPagesOnly(name)) {
    return [
      'which means something for a document only, and answers of this route are data under a policy of ours',
      "leave it out, or write content: 'page' if the route serves documents",
    ]
  }
  if (route.auth !== 'none' && isChallenge(name)) {
    return [
      'which asks for a credential, and that is between the API and us here',
      "leave it out; only a route with auth: 'none' passes it on",
    ]
  }
  if (isRateLimitField(name) && route.hasRateLimits) {
    return ['which tells of the limits of this route, and is written by us', 'leave it out']
  }
  if (isSet && route.auth !== 'none' && route.cache === 'no-store' && ['cache-control', 'expires'].includes(name)) {
    return [
      'and the answers of this route are kept nowhere',
      "leave it out, or write cache: 'private' to let the browser keep them",
    ]
  }
  return undefined
}

export function readQueryRules(input: unknown, path: string, issues: Issues): QueryRules | undefined {
  if (input === undefined) return undefined
  const fields = {
    allow: v.optional(parameters),
    remove: withDefault(wholeParameters, []),
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
  const { complete } = readObject(changes, input, path, issues)
  return complete ? inLowerCase(complete) : nothing
}

function readResponseRules(input: unknown, path: string, issues: Issues): ResponseFieldRules {
  if (input === undefined) return nothingOfAnswers
  const { complete } = readObject({ ...changes, allow: v.optional(names()) }, input, path, issues)
  if (!complete) return nothingOfAnswers
  const { allow } = complete
  return { ...inLowerCase(complete), allow: allow && new Set(allow.map((name) => name.toLowerCase())) }
}

interface Changes {
  readonly set: Readonly<Record<string, string>>
  readonly add: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

function inLowerCase({ set, add, remove }: Changes): FieldRules {
  const entries = (fields: Readonly<Record<string, string>>) =>
    Object.entries(fields).map(([name, content]) => [name.toLowerCase(), content] as const)
  return { set: entries(set), add: entries(add), remove: new Set(remove.map((name) => name.toLowerCase())) }
}

function names(): Field<readonly string[]> {
  const cure = 'write a name such as x-api-version'
  const name = v.pipe(
    v.string(wanted('a string', cure)),
    v.regex(plainName, mistake('is not the name of a header field', cure)),
  )
  return list(name, 'write a list of names')
}

/** Names and their values; of header fields where `value` is one. */
function values(value: Field<string>): Field<Record<string, string>> {
  return withDefault(v.record(nameOfValue, value, wanted('an object', "write { name: 'value' }")), {})
}
