/**
 * What a call costs, side by side in one run: each way to forward calls is a process of its own on one core, the load
 * and the upstream on the other. Slices of a second alternate, two ways with raw Node at a time, and each is compared with its
 * neighbour of raw Node: a noisy machine moves the figures of both.
 *
 *     npm run bench                                bodies of 200 B, 10 KB and 1 MB
 *     npm run bench -- --short                     200 B, under five minutes
 *     npm run bench -- --only coatcheck-warm,nginx those beside raw Node
 *     npm run bench -- --json                      the last line is one JSON object
 *     npm run bench -- --profile coatcheck-warm    where a Node subject's time goes
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { measure, measureAll } from './measure.ts'
import { printProfile } from './profile.ts'
import { printHeader, printRow, type Row } from './row.ts'
import { startToFirstAnswerMs } from './start.ts'
import { names, type Stage, startAll } from './subjects.ts'

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    sizes: { type: 'string' },
    rounds: { type: 'string' },
    profile: { type: 'string' },
  },
})

const wholeRounds = 25
/**
 * V8 has compiled what it will by then: after a few thousand a call still takes three times as long. `--short` has no time
 * for more than ten thousand.
 */
const warmingCalls = options.short ? 10_000 : 50_000
/** What `--short` has for its slices, so that starting, signing in and warming leave it under five minutes. */
const shortSeconds = 135
const profileSeconds = 10

const chosen = options.profile ?? options.only
const wanted = chosen === undefined ? names : known(chosen.split(','))
if (process.platform !== 'linux' || spawnSync('taskset', ['-V']).status !== 0) {
  throw new Error('The bench counts CPU by /proc and holds processes to cores with taskset: it runs on Linux.')
}
const sizes = options.sizes?.split(',').map(Number) ?? (options.short ? [200] : [200, 10 * 1024, 1024 * 1024])

if (options.profile === undefined) await compare()
else await profile()

/** In the order of all of them. Raw Node runs in any case, and is the one to profile when it alone is asked for. */
function known(asked: readonly string[]): string[] {
  const all: readonly string[] = ['raw-node', ...names]
  const strangers = asked.filter((name) => !all.includes(name))
  if (strangers.length === 0) return names.filter((name) => asked.includes(name))
  throw new Error(`There is no ${strangers.join(', no ')}. There are: ${all.join(', ')}.`)
}

async function compare(): Promise<void> {
  const stage = await startAll(wanted, { isProfiled: false })
  const rows = await takeRows(stage).finally(() => stage.close())
  const startMs = chosen === undefined ? await startToFirstAnswerMs() : undefined
  if (startMs !== undefined) console.log(`coatcheck serve, from start to first answer: ${startMs} ms`)
  if (options.json) console.log(JSON.stringify({ rows, startToFirstAnswerMs: startMs }))
}

async function takeRows({ raw, others }: Stage): Promise<Row[]> {
  const rows: Row[] = []
  const fitting = Math.max(1, Math.floor(shortSeconds / sizes.length / (1.5 * others.length + 1)) - 1)
  const rounds = Number(options.rounds ?? (options.short ? Math.min(wholeRounds, fitting) : wholeRounds))
  printHeader()
  for await (const row of measureAll(raw, others, { sizes, rounds, warmingCalls })) {
    rows.push(row)
    printRow(row)
  }
  return rows
}

async function profile(): Promise<void> {
  const stage = await startAll(wanted, { isProfiled: true })
  await takeProfile(stage).finally(() => stage.close())
}

async function takeProfile(stage: Stage): Promise<void> {
  const [subject] = stage.others.length > 0 ? stage.others : [stage.raw]
  let calls = 0
  for (let second = -profileSeconds; subject && second < profileSeconds; second += 1) {
    const served = (await measure(subject, sizes[0] ?? 200)).latenciesMs.length
    if (second >= 0) calls += served
  }
  printProfile(await stage.profileFolder(), calls, profileSeconds)
}
