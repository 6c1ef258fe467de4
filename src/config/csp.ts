/** Sources that an operator adds to the page's Content Security Policy (BFF-13, ASVS 3.4). */
import * as v from 'valibot'
import { list, optional } from './fields.ts'
import { type Field, type Issues, mistake, readObject, wanted } from './read-object.ts'
import { isLoopbackHost } from './urls.ts'
import type { CspConfig } from './user-config.ts'

const directives = [
  'connectSrc',
  'fontSrc',
  'frameSrc',
  'imgSrc',
  'mediaSrc',
  'scriptSrc',
  'styleSrc',
  'workerSrc',
] as const

/** What these two load is run. */
const runs: ReadonlySet<string> = new Set(['scriptSrc', 'workerSrc'])

const keyword = /^(self|none|unsafe-[a-z-]+|wasm-unsafe-eval|strict-dynamic|report-sample|(nonce|sha\d{3})-.*)$/i

export function readCsp(
  input: unknown,
  path: string,
  issues: Issues,
  ownOrigin: string | undefined,
): CspConfig | undefined {
  const sources = Object.fromEntries(
    directives.map((name) => [name, optional(list(source(name, ownOrigin), 'write a list of sources'))]),
  )
  return readObject({ ...sources, reportUri: optional(reportUri()) }, input, path, issues).complete as
    | CspConfig
    | undefined
}

function source(directive: string, ownOrigin: string | undefined): Field<string> {
  return v.pipe(
    v.string(wanted('a string', 'write a source such as https://images.example.com')),
    v.rawCheck(({ dataset, addIssue }) => {
      const message = dataset.typed ? sourceMistake(dataset.value, directive, ownOrigin) : undefined
      if (message) addIssue({ message })
    }),
  )
}

function sourceMistake(value: string, directive: string, ownOrigin: string | undefined): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(value) || /[;,]/.test(value)) {
    return mistake(
      'is not one source: it has a space, a comma, a semicolon or a control character',
      'write each source by itself',
    )
  }
  if (keyword.test(value))
    return mistake(`${value} is a keyword without its quotes, so it names a host`, `write "'${value}'"`)
  if (value.toLowerCase() === "'none'") return mistake("'none' takes everything away", 'leave the list empty')
  const isOwn = value.toLowerCase() === "'self'" || isSameOrigin(value, ownOrigin)
  if (runs.has(directive) && isOwn) {
    return mistake(
      `${value} would let what the API answers with run as script`,
      'leave it out: the scripts of the app are allowed, those below /assets/',
    )
  }
  return runs.has(directive) ? scriptMistake(value.toLowerCase(), directive) : undefined
}

/** A source without a scheme takes the page's. */
function isSameOrigin(source: string, ownOrigin: string | undefined): boolean {
  if (ownOrigin === undefined) return false
  const own = new URL(ownOrigin)
  const [, , host = ''] = /^([a-z][a-z0-9+.-]*:\/\/)?([^/]*)/i.exec(source) ?? []
  return [own.host, `${own.hostname}:*`, `${own.host}:${own.protocol === 'https:' ? 443 : 80}`].includes(
    host.toLowerCase(),
  )
}

function scriptMistake(value: string, directive: string): string | undefined {
  const refusal = `${value} would let injected script run`
  const cure = "name the script's origin with https, or its hash"
  if (/^'unsafe-|^'nonce-/.test(value)) return mistake(refusal, cure)
  if (value === 'blob:' && directive === 'workerSrc') return undefined
  if (/^[a-z][a-z0-9+.-]*:$/.test(value)) return mistake(refusal, cure)
  const [, scheme, host = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?([^/:]*|\[[^\]]*\])/.exec(value) ?? []
  if (host === '*') return mistake(refusal, cure)
  if (scheme && scheme !== 'https' && !isLoopbackHost(host)) return mistake(refusal, cure)
  return undefined
}

function reportUri(): Field<string> {
  const cure = 'write a path of this origin, or an https URL'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.check(
      (value) => /^[\x21-\x7e]+$/.test(value) && !/[;,\\]/.test(value) && /^(\/(?!\/)|https:\/\/[^/])/.test(value),
      mistake('is not an address that reports can go to', cure),
    ),
  )
}
