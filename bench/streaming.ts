/**
 * A gigabyte down and up, through raw Node with undici and through Coatcheck in turn: how fast, and how much memory it
 * takes while it lasts. Memory counts from after a first, smaller transfer: what is compiled and buffered once stays.
 *
 *     npm run bench:streaming                 1 GiB, three times each
 *     npm run bench:streaming -- --short      256 MiB, once each
 *     npm run bench:streaming -- --json       the last line is one JSON object
 */
import { request } from 'node:http'
import { mebibytes, quantile, type Subject, startSystem } from './streams/system.ts'

const isShort = process.argv.includes('--short')
const bytes = (isShort ? 256 : 1024) * 2 ** 20
const rounds = isShort ? 1 : 3
const directions = ['down', 'up'] as const
const chunk = Buffer.alloc(64 * 1024)

interface Row {
  readonly name: string
  readonly direction: string
  readonly mebibytesPerSecond: number
  readonly cpuMicrosPerMebibyte: number
  readonly growthMiB: number
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

async function measure(subject: Subject, direction: (typeof directions)[number]) {
  const before = await subject.ask('reset')
  const startedAt = performance.now()
  const through = await transfer(subject, direction, bytes)
  const seconds = (performance.now() - startedAt) / 1000
  if (through !== bytes) throw new Error(`${subject.name} let ${through} of ${bytes} bytes through`)
  const after = await subject.ask('usage')
  return {
    rate: bytes / 2 ** 20 / seconds,
    cpu: (after.cpuMicros - before.cpuMicros) / (bytes / 2 ** 20),
    growth: after.peakBytes - before.rssBytes,
  }
}

const { subjects, stop } = await startSystem()
const rows: Row[] = []
try {
  console.log(`${bytes / 2 ** 20} MiB        MiB/s   CPU us/MiB   memory, highest - before (MiB)`)
  for (const direction of directions) {
    const measured = new Map(subjects.map((subject) => [subject, [] as Awaited<ReturnType<typeof measure>>[]]))
    for (const subject of subjects) await transfer(subject, direction, 256 * 2 ** 20)
    for (let round = 0; round < rounds; round++) {
      for (const subject of subjects) measured.get(subject)?.push(await measure(subject, direction))
    }
    for (const [{ name }, all] of measured) {
      const row: Row = {
        name,
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
        growthMiB: Number(mebibytes(Math.max(...all.map(({ growth }) => growth)))),
      }
      rows.push(row)
      console.log(
        `${name.padEnd(10)} ${direction.padEnd(5)} ${String(row.mebibytesPerSecond).padStart(6)} ${String(row.cpuMicrosPerMebibyte).padStart(12)} ${row.growthMiB.toFixed(1).padStart(10)}`,
      )
    }
  }
  if (process.argv.includes('--json')) console.log(JSON.stringify({ rows }))
} finally {
  await stop()
}
