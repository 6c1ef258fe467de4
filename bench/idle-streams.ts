/**
 * What event streams cost that say nothing: memory of the process in between, for raw Node with undici and for Coatcheck
 * (each stream with a session). Needs two open files a stream in that process: `ulimit -n`.
 *
 *     npm run bench:idle-streams                 5,000 streams
 *     npm run bench:idle-streams -- --short      1,000 streams
 *     npm run bench:idle-streams -- --json       the last line is one JSON object
 */
import { request } from 'node:http'
import { mebibytes, type Subject, startSystem } from './streams/system.ts'

const count = process.argv.includes('--short') ? 1000 : 5000
/** More at once and the listen queues overflow. */
const atOnce = 50

interface Row {
  readonly name: string
  readonly streams: number
  readonly kibibytesPerStream: number
  readonly beforeMiB: number
  readonly afterMiB: number
}

/** Resolves with what closes it, once its first event is there. */
function open({ port, headers }: Subject): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      port,
      host: '127.0.0.1',
      path: '/api/events',
      agent: false,
      headers: { ...headers, accept: 'text/event-stream' },
    })
    outgoing.once('error', reject)
    outgoing.once('response', (answer) => {
      answer.on('error', () => outgoing.destroy())
      if (answer.statusCode !== 200) return reject(new Error(`answered ${answer.statusCode}`))
      answer.once('data', () => resolve(() => outgoing.destroy()))
      return undefined
    })
    outgoing.end()
  })
}

async function openMany(subject: Subject, many: number): Promise<(() => void)[]> {
  const closers: (() => void)[] = []
  while (closers.length < many) {
    closers.push(...(await Promise.all(Array.from({ length: atOnce }, () => open(subject)))))
  }
  return closers
}

const { subjects, stop } = await startSystem()
const rows: Row[] = []
try {
  console.log('             streams   KiB a stream   before -> after (MiB)')
  for (const subject of subjects) {
    // Compiled before it counts.
    for (const close of await openMany(subject, 100)) close()
    const before = await subject.ask('reset')
    const closers = await openMany(subject, count)
    const after = await subject.ask('usage')
    for (const close of closers) close()
    const row: Row = {
      name: subject.name,
      streams: count,
      kibibytesPerStream: Number(((after.rssBytes - before.rssBytes) / 1024 / count).toFixed(1)),
      beforeMiB: Number(mebibytes(before.rssBytes)),
      afterMiB: Number(mebibytes(after.rssBytes)),
    }
    rows.push(row)
    console.log(
      `${row.name.padEnd(12)} ${String(count).padStart(7)} ${row.kibibytesPerStream.toFixed(1).padStart(14)}   ${row.beforeMiB} -> ${row.afterMiB}`,
    )
  }
  const [raw, ours] = rows
  const ratio = Number(((ours?.kibibytesPerStream ?? 0) / (raw?.kibibytesPerStream ?? 1)).toFixed(2))
  console.log(`ratio to raw ${ratio}`)
  if (process.argv.includes('--json')) console.log(JSON.stringify({ rows, ratioToRaw: ratio }))
} finally {
  await stop()
}
