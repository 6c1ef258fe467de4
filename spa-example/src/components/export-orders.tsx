/**
 * A large download that the page reads itself, so that it can show how far it is and stop it. The API wants a stronger
 * sign-in for it (RFC 9470), which is offered where it says so.
 */
import { useClient } from 'coatcheck/react'
import { useEffect, useRef, useState } from 'react'
import { BrokenAnswer, isAborted, stepUpOf } from '../api/problem.ts'
import { problemFrom } from '../api/request.ts'
import { formatBytes } from './format.ts'
import { notify } from './notice-board.ts'
import { ProblemNotice } from './problem-notice.tsx'

const megabytes = 20
const totalBytes = megabytes * 1024 * 1024

export function ExportOrders() {
  const client = useClient()
  const [receivedBytes, setReceivedBytes] = useState<number>()
  const [error, setError] = useState<unknown>()
  const cancelling = useRef(new AbortController())

  useEffect(() => () => cancelling.current.abort(), [])

  const start = async () => {
    cancelling.current = new AbortController()
    setError(undefined)
    setReceivedBytes(0)
    try {
      const response = await client.fetch(`/api/reports/export?megabytes=${megabytes}`, {
        signal: cancelling.current.signal,
      })
      if (!response.ok || response.body === null) throw await problemFrom(response)
      save(await readWhole(response.body, setReceivedBytes), 'orders.csv')
      notify('orders.csv is downloaded')
    } catch (cause) {
      if (!isAborted(cause)) setError(cause)
    }
    setReceivedBytes(undefined)
  }

  const isRunning = receivedBytes !== undefined
  const stepUp = stepUpOf(error)
  return (
    <section aria-labelledby="export">
      <h2 id="export">Export</h2>
      <div className="card export">
        <p>Every line of every order as CSV, about {megabytes} MB.</p>
        {isRunning && (
          <div className="progress">
            <label htmlFor="export-progress">Downloading orders.csv</label>
            <progress id="export-progress" value={receivedBytes} max={totalBytes} />
            <span>
              {formatBytes(receivedBytes)} of {formatBytes(totalBytes)}
            </span>
          </div>
        )}
        {error !== undefined && <ProblemNotice error={error} />}
        {/* One button after the other in the same place, so that the focus stays. */}
        {stepUp ? (
          <button type="button" className="primary" onClick={() => client.login(stepUp)}>
            Sign in again
          </button>
        ) : (
          <button type="button" onClick={() => (isRunning ? cancelling.current.abort() : void start())}>
            {isRunning ? 'Cancel export' : 'Export orders'}
          </button>
        )}
      </div>
    </section>
  )
}

async function readWhole(body: ReadableStream<Uint8Array<ArrayBuffer>>, onProgress: (bytes: number) => void) {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  let bytes = 0
  try {
    for await (const piece of body) {
      pieces.push(piece)
      bytes += piece.byteLength
      onProgress(bytes)
    }
  } catch (cause) {
    throw isAborted(cause) ? cause : new BrokenAnswer('The file is not whole', { cause })
  }
  return new Blob(pieces, { type: 'text/csv' })
}

function save(content: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
