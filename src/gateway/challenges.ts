/**
 * What an API asks of a caller who holds the token itself: challenges in `WWW-Authenticate` (RFC 9110 §11.6.1), read
 * strictly. A field that is long, repeats a parameter, or is no list of challenges says nothing.
 */
import type { HeaderList } from '../runtime.ts'
import { splitOutsideQuotes } from './fields.ts'

export interface Challenge {
  /** Lower case. */
  readonly scheme: string
  /** By lower-case name, as they are meant: without quotes and escapes. */
  readonly parameters: ReadonlyMap<string, string>
  /** As it was written. */
  readonly text: string
}

/** The members of a challenge that a caller can act on with another token. */
export interface NeededToken {
  readonly error: 'insufficient_scope' | 'insufficient_user_authentication'
  readonly scope: string | undefined
  readonly acrValues: string | undefined
  /** Seconds. */
  readonly maxAge: string | undefined
}

const longestField = 2048
const mostFields = 4
const longestValue = 512

/** Challenges of the scheme Bearer, in their order. */
export function bearerChallenges(headers: HeaderList): Challenge[] {
  const fields = headers.filter(([name]) => name === 'www-authenticate').slice(0, mostFields)
  return fields.flatMap(([, value]) => readChallenges(value) ?? []).filter(({ scheme }) => scheme === 'bearer')
}

/**
 * Which other token the API asks for: one with more scopes (RFC 6750 §3.1), or of a stronger or later authentication
 * (RFC 9470 §3). What has not the form that its specification gives it is left out.
 */
export function neededToken(challenges: readonly Challenge[]): NeededToken | undefined {
  for (const { parameters } of challenges) {
    const error = parameters.get('error')
    if (error !== 'insufficient_scope' && error !== 'insufficient_user_authentication') continue
    return {
      error,
      scope: wordsOf(parameters.get('scope')),
      acrValues: wordsOf(parameters.get('acr_values')),
      maxAge: /^\d{1,10}$/.test(parameters.get('max_age') ?? '') ? parameters.get('max_age') : undefined,
    }
  }
  return undefined
}

/** RFC 6749 §3.3: no character of it could end a quoted string. */
function wordsOf(value: string | undefined): string | undefined {
  if (value === undefined || value.length > longestValue) return undefined
  return /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(value) ? value : undefined
}

/** RFC 9110 §5.6.2 token, §11.2 token68 and auth-param, each read in one pass. */
const tokenForm = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const parameterForm = new RegExp(`^(${tokenForm})[ \\t]*=[ \\t]*(?:(${tokenForm})|"((?:[^"\\\\]|\\\\.)*)")$`)
const schemeForm = new RegExp(`^(${tokenForm})(?: +([^ ].*))?$`)
const token68Form = /^[A-Za-z0-9\-._~+/]+=*$/

/** Undefined for what is no list of challenges. */
function readChallenges(value: string): Challenge[] | undefined {
  if (value.length > longestField || !/^[\t\x20-\x7e]*$/.test(value)) return undefined
  const found: { scheme: string; parameters: Map<string, string>; text: string }[] = []
  for (const part of splitOutsideQuotes(value, ',') ?? [openQuote]) {
    if (part === '') continue
    const current = found.at(-1)
    if (parameterForm.test(part)) {
      if (!current || current.parameters.size === 0 || !addParameter(current.parameters, part)) return undefined
      current.text += `, ${part}`
      continue
    }
    const [, name = '', rest] = schemeForm.exec(part) ?? []
    const parameters = new Map<string, string>()
    const hasRest = rest !== undefined && !token68Form.test(rest)
    if (name === '' || (hasRest && !addParameter(parameters, rest))) return undefined
    found.push({ scheme: name.toLowerCase(), parameters, text: part })
  }
  return found
}

/** No challenge, and no part of one. */
const openQuote = '"'

/** False for what is none, or is there already (RFC 9110 §11.2). */
function addParameter(parameters: Map<string, string>, text: string): boolean {
  const [, name = '', plain, quoted] = parameterForm.exec(text) ?? []
  const key = name.toLowerCase()
  if (name === '' || parameters.has(key)) return false
  parameters.set(key, plain ?? quoted?.replace(/\\(.)/g, '$1') ?? '')
  return true
}
