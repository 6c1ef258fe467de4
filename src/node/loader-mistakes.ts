/**
 * What Node's loader says of a configuration file, with its cure. Node strips types and does nothing else
 * (https://nodejs.org/api/typescript.html): what TypeScript projects are used to does not hold here.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConfigIssue } from '../config/config-error.ts'

/** @param file the configuration file, which `error` came of importing. */
export function loaderMistake(error: unknown, file: string): ConfigIssue {
  if (!(error instanceof Error))
    return { path: basename(file), problem: 'threw something that is not an Error', cure: 'mend it' }
  const place = placeOf(error) ?? (error instanceof SyntaxError ? placeBySyntaxCheck(file) : undefined)
  const path = place ? `${shown(place.file, file)}${place.line}` : basename(file)
  const code = 'code' in error ? String(error.code) : ''
  return { path, ...(byCode(code, error.message, file) ?? byMessage(error, place, file)) }
}

/**
 * Where something of the operator's own threw, as `FILE:LINE` seen from the configuration file; undefined where that is
 * not known.
 */
export function thrownAt(error: unknown, file: string): string | undefined {
  const place = error instanceof Error ? placeOf(error) : undefined
  return place && `${shown(place.file, file)}${place.line}`
}

type Answer = Omit<ConfigIssue, 'path'>

function byCode(code: string, message: string, file: string): Answer | undefined {
  switch (code) {
    case 'ERR_MODULE_NOT_FOUND':
    case 'ERR_UNSUPPORTED_DIR_IMPORT':
      return missingModule(message, file)
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return {
        problem: `has TypeScript that Node does not run: ${firstLine(message)}`,
        cure: 'use what can be stripped: a union of strings or a const object for an enum, plain fields and modules for the rest',
      }
    case 'ERR_INVALID_TYPESCRIPT_SYNTAX':
      return { problem: `cannot be parsed: ${firstLine(message)}`, cure: 'mend the syntax' }
    case 'ERR_IMPORT_ATTRIBUTE_MISSING':
      return { problem: 'imports JSON without saying so', cure: "add with { type: 'json' } to the import" }
    default:
      return undefined
  }
}

function byMessage(error: Error, place: Place | undefined, file: string): Answer {
  const missingExport = /requested module '([^']*)' .*export named '([^']*)'/.exec(error.message)
  if (missingExport) {
    const [, module, name] = missingExport
    return {
      problem: `imports ${name} from ${module}, which has no such value`,
      cure: `if it is a type, write import type { ${name} } (Node removes types, and the import with them only then)`,
    }
  }
  if (
    error instanceof SyntaxError &&
    /import statement outside a module|Unexpected token 'export'/.test(error.message)
  ) {
    return {
      problem: 'is taken for CommonJS, since its package does not have "type": "module"',
      cure: `rename it to ${basename(place?.file ?? file).replace(/\.([cm]?)(ts|js)$/, '.m$2')}, or put "type": "module" into package.json`,
    }
  }
  if (/^(module|exports|require) is not defined/.test(error.message)) {
    return { problem: 'is an ES module, and is written as CommonJS', cure: 'write export default, and import' }
  }
  if (error instanceof SyntaxError && !place?.hasRun)
    return { problem: `cannot be parsed: ${firstLine(error.message)}`, cure: 'mend the syntax' }
  return { problem: `threw ${error.name}: ${firstLine(error.message)}`, cure: 'mend what it does when it is loaded' }
}

/** Node takes a file's whole name, and packages that are installed. */
function missingModule(message: string, file: string): Answer {
  const [, missing = '', importer = file] = /'([^']+)'.* imported from (\S.*)$/.exec(message) ?? []
  const from = basename(importer)
  if (message.startsWith('Cannot find package')) {
    return { problem: `imports ${missing} (in ${from}), which is not installed`, cure: `run npm install ${missing}` }
  }
  const target = missing.startsWith('file:') ? fileURLToPath(missing) : missing
  const wrote = specifier(importer, target)
  const meant = candidates(target).find((candidate) => existsSync(candidate))
  if (!meant) return { problem: `imports ${wrote} (in ${from}), which does not exist`, cure: 'correct the path' }
  return {
    problem: `imports ${wrote} (in ${from}): Node wants the whole name of the file`,
    cure: `write '${specifier(importer, meant)}'`,
  }
}

function candidates(target: string): string[] {
  const extensions = ['ts', 'mts', 'js', 'mjs', 'json']
  return [
    ...extensions.map((extension) => `${target}.${extension}`),
    target.replace(/\.(m?)js$/, '.$1ts'),
    ...extensions.map((extension) => `${target}${sep}index.${extension}`),
  ].filter((candidate) => candidate !== target)
}

function specifier(importer: string, target: string): string {
  const path = relative(dirname(importer), target).split(sep).join('/')
  return path.startsWith('.') ? path : `./${path}`
}

interface Place {
  file: string
  /** `:12`, or empty. */
  line: string
  /** It is a call's, such as that of `JSON.parse`, and not the loader's word on what it cannot read. */
  hasRun?: boolean
}

/** From the stack; never the source line that Node puts there, which may hold a secret. */
function placeOf(error: Error): Place | undefined {
  for (const line of (error.stack ?? '').split('\n')) {
    const [, location, number] =
      /^(?:\s+at (?:async |.*\()?)?((?:file:\/\/|\/|[A-Za-z]:\\).*?):(\d+)(?::\d+\)?)?$/.exec(line) ?? []
    if (location && !location.includes('node_modules')) {
      return {
        file: location.startsWith('file:') ? fileURLToPath(location) : location,
        line: `:${number}`,
        hasRun: /^\s/.test(line),
      }
    }
  }
  return undefined
}

/** For plain JavaScript the loader says what, and not where; `node --check` does. It runs nothing. */
function placeBySyntaxCheck(file: string): Place | undefined {
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 10_000 })
  const [, location, number] = /^((?:file:\/\/)?.*):(\d+)$/m.exec(stderr ?? '') ?? []
  return location
    ? { file: location.startsWith('file:') ? fileURLToPath(location) : location, line: `:${number}` }
    : undefined
}

/** As seen from the configuration file. */
function shown(place: string, file: string): string {
  return relative(dirname(file), place) || basename(file)
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}
