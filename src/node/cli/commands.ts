/** The commands: their options, their words for `--help`, and what runs them. */
import type { Io } from './io.ts'

/** As `node:util` gives them; every option with a value is a string. */
export type Values = Readonly<Record<string, string | boolean | undefined>>

export interface Option {
  type: 'string' | 'boolean'
  short?: string
  /** What the value is called in `--help`. */
  value?: string
  help: string
}

export interface Command {
  readonly summary: string
  readonly options: Readonly<Record<string, Option>>
  /** Gives the exit code. */
  run(values: Values, io: Io): Promise<number>
}

const config: Option = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  help: 'Configuration file. Default: coatcheck.config.mts, .ts, .mjs or .js here',
}

const envFile: Option = {
  type: 'string',
  value: 'FILE',
  help: 'Variables for the configuration, NAME=value a line; what is set already wins',
}

export const commands: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'Serve what the configuration says',
    options: {
      config,
      port: {
        type: 'string',
        short: 'p',
        value: 'NUMBER',
        help: 'Listen on this port, whatever the configuration says',
      },
      https: { type: 'boolean', help: 'Serve https with a certificate made for this machine (Safari needs it)' },
      'env-file': envFile,
    },
    run: async (values, io) => (await import('./serve.ts')).serve(values, io),
  },
  check: {
    summary: 'Check the configuration, and list routes, upstreams and limits',
    options: { config, 'env-file': envFile },
    run: async (values, io) => (await import('./check.ts')).check(values, io),
  },
  keygen: {
    summary: 'Print a new session secret',
    options: {},
    run: async () => (await import('./keygen.ts')).keygen(),
  },
}
