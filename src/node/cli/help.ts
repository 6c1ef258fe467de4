/** What `--help` prints. */
import { type Command, commands, type Option } from './commands.ts'

const everywhere: Readonly<Record<string, Option>> = { help: { type: 'boolean', short: 'h', help: 'Show this' } }

export function generalHelp(): string {
  const summaries = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
  return [
    'Usage: coatcheck COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...aligned(summaries),
    '',
    'Options:',
    ...aligned([
      ['-h, --help', 'Show this, or the help of a command'],
      ['-v, --version', 'Show the version'],
    ]),
    '',
    'Help for one command: coatcheck COMMAND --help',
  ].join('\n')
}

export function commandHelp(name: string, command: Command): string {
  const options = Object.entries({ ...command.options, ...everywhere }).map(
    ([option, { short, value, help }]) =>
      [`${short ? `-${short}, ` : '    '}--${option}${value ? ` ${value}` : ''}`, help] as const,
  )
  return [`Usage: coatcheck ${name} [OPTIONS]`, '', `${command.summary}.`, '', 'Options:', ...aligned(options)].join(
    '\n',
  )
}

function aligned(rows: ReadonlyArray<readonly [string, string]>): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
