/**
 * A gigabyte down and up, through raw Node with undici and through Coatcheck in turn: how fast, and how much memory it
 * takes while it lasts: at its highest beyond what was idle, and beyond what a quarter of a gigabyte had taken before,
 * which is nothing if memory does not go with length.
 *
 *     npm run bench:streaming                 1 GiB, five times each
 *     npm run bench:streaming -- --short      256 MiB, once each
 *     npm run bench:streaming -- --json       the last line is one JSON object
 */
import { request } from 'node:http'
import { mebibytes, quantile, type Subject, startSystem } from './streams/system.ts'

const isShort = process.argv.includes('--short')
const bytes = (isShort ? 256 : 1024) * 2 ** 20
const rounds = isShort ? 1 : 5
const directions = ['down', 'up'] as const
const chunk = Buffer.alloc(64 * 1024)

interface Row {
  readonly name: string
  readonly direction: string
  readonly mebibytesPerSecond: number
  readonly cpuMicrosPerMebibyte: number
  readonly ratioToRaw: number
  readonly overIdleMiB: number
  readonly overFirstMiB: number
}

/** Resolves with the bytes that came through. */
function transfer(subject: Subject, direction: (typeof directions)[number], size: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const isUp = direction === 'up'
    const outgoing = request({
      port: subject.port,
      host: '127.0.0.1',
      path: `/api/${direction}?bytes=${size}`,
      method: isUp ? 'POST' : 'GET',
      headers: {
        ...subject.headers,
        ...(isUp && { 'content-length': size, 'content-type': 'application/octet-stream' }),
      },
    })
    outgoing.once('error', reject)
    outgoing.once('response', (answer) => {
      if (answer.statusCode !== 200) return reject(new Error(`${subject.name} answered ${answer.statusCode}`))
      let length = 0
      let text = ''
      answer.on('data', (data: Buffer) => {
        length += data.byteLength
        if (isUp) text += data.toString('latin1')
      })
      answer.once('error', reject)
      answer.once('end', () => resolve(isUp ? Number(text) : length))
      return undefined
    })
    if (!isUp) return void outgoing.end()
    let left = size
    const more = () => {
      while (left > 0) {
        const next = Math.min(left, chunk.byteLength)
        left -= next
        if (!outgoing.write(chunk.subarray(0, next)) && left > 0) return void outgoing.once('drain', more)
      }
      outgoing.end()
    }
    return more()
  })
}

async function measure(subject: Subject, direction: (typeof directions)[number], size = bytes) {
  const before = await subject.ask('reset')
  const startedAt = performance.now()
  const through = await transfer(subject, direction, size)
  const seconds = (performance.now() - startedAt) / 1000
  if (through !== size) throw new Error(`${subject.name} let ${through} of ${size} bytes through`)
  const after = await subject.ask('usage')
  return {
    rate: size / 2 ** 20 / seconds,
    cpu: (after.cpuMicros - before.cpuMicros) / (size / 2 ** 20),
    peak: after.peakBytes,
    idle: before.rssBytes,
  }
}

const { subjects, stop } = await startSystem()
const rows: Row[] = []
try {
  console.log(`${bytes / 2 ** 20} MiB        MiB/s   CPU us/MiB   to raw   memory over idle   over first (MiB)`)
  for (const direction of directions) {
    const measured = new Map(subjects.map((subject) => [subject, [] as Awaited<ReturnType<typeof measure>>[]]))
    const first = new Map<Subject, number>()
    for (const subject of subjects) first.set(subject, (await measure(subject, direction, 256 * 2 ** 20)).peak)
    for (let round = 0; round < rounds; round++) {
      for (const subject of subjects) measured.get(subject)?.push(await measure(subject, direction))
    }
    const raw = measured.get(subjects[0] as Subject) ?? []
    for (const [subject, all] of measured) {
      const idle = Math.min(...all.map((one) => one.idle))
      const peak = Math.max(...all.map((one) => one.peak))
      const row: Row = {
        name: subject.name,
        direction,
        mebibytesPerSecond: Math.round(
          quantile(
            all.map(({ rate }) => rate),
            0.5,
          ),
        ),
        cpuMicrosPerMebibyte: Math.round(
          quantile(
            all.map(({ cpu }) => cpu),
            0.5,
          ),
        ),
        ratioToRaw: Number(
          quantile(
            all.map(({ cpu }, round) => cpu / (raw[round]?.cpu ?? Number.NaN)),
            0.5,
          ).toFixed(2),
        ),
        overIdleMiB: Number(mebibytes(peak - idle)),
        overFirstMiB: Number(mebibytes(peak - (first.get(subject) ?? peak))),
      }
      rows.push(row)
      console.log(
        [
          row.name.padEnd(10),
          row.direction.padEnd(5),
          String(row.mebibytesPerSecond).padStart(6),
          String(row.cpuMicrosPerMebibyte).padStart(12),
          row.ratioToRaw.toFixed(2).padStart(8),
          row.overIdleMiB.toFixed(1).padStart(18),
          row.overFirstMiB.toFixed(1).padStart(12),
        ].join(' '),
      )
    }
  }
  if (process.argv.includes('--json')) console.log(JSON.stringify({ rows }))
} finally {
  await stop()
}
