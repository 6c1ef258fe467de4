/** Finds the command that is meant, runs it, and says in plain words what went wrong. */
import { parseArgs } from 'node:util'
import { ConfigError } from '../../config/config-error.ts'
import { nearest } from '../../config/nearest.ts'
import { type Command, commands, type Values } from './commands.ts'
import { commandHelp, generalHelp } from './help.ts'
import { type Io, log, print, UsageError } from './io.ts'
import { version } from './version.ts'

/**
 * @param words of the command line, without those of Node.
 * @returns the exit code: 0, or 1 for a command that could not do what it was told.
 */
export async function run(words: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(words, io)
  } catch (error) {
    if (error instanceof UsageError || error instanceof ConfigError) log(error.message)
    else throw error
    return 1
  }
}

async function dispatch([name, ...rest]: readonly string[], io: Io): Promise<number> {
  if (name === undefined) {
    log(generalHelp())
    return 1
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    print(helpFor(rest[0]))
    return 0
  }
  if (name === '--version' || name === '-v') {
    print(version())
    return 0
  }
  const command = commandNamed(name)
  const values = parse(name, command, rest)
  if (values.help) {
    print(commandHelp(name, command))
    return 0
  }
  return command.run(values, io)
}

function helpFor(name: string | undefined): string {
  return name === undefined ? generalHelp() : commandHelp(name, commandNamed(name))
}

function commandNamed(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) return command
  const known = Object.keys(commands)
  if (name.startsWith('-'))
    throw new UsageError(`The first word is a command: ${known.join(', ')}. See coatcheck --help.`)
  const meant = nearest(name, known)
  throw new UsageError(`There is no command ${name}.${meant ? ` Did you mean ${meant}?` : ''} See coatcheck --help.`)
}

/** Never repeats a value: it may be a secret, which has no place on a command line. */
function parse(name: string, command: Command, words: string[]): Values {
  const options = { ...command.options, help: { type: 'boolean' as const, short: 'h' } }
  try {
    return parseArgs({ args: words, options, strict: true, allowPositionals: false }).values as Values
  } catch (error) {
    if (!(error instanceof TypeError) || !('code' in error)) throw error
    throw new UsageError(`${parseMistake(error, Object.keys(options))} See coatcheck ${name} --help.`)
  }
}

function parseMistake(error: TypeError & { code: unknown }, known: readonly string[]): string {
  const [, option] = /'(-[^'= ]*)/.exec(error.message) ?? []
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const meant = nearest(option?.replace(/^-+/, '') ?? '', known)
    return `There is no option ${option}.${meant ? ` Did you mean --${meant}?` : ''}`
  }
  if (error.code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    const long = /(--[a-z-]+)/.exec(error.message)?.[1] ?? option
    return /does not take/.test(error.message) ? `${long} takes no value.` : `${long} needs a value.`
  }
  return 'It takes options only.'
}
