/** Uploads with progress, each of which can be cancelled. */
import { useClient } from 'coatcheck/react'
import { type ChangeEvent, useEffect, useRef, useState } from 'react'
import type { StoredFile } from '../api/model.ts'
import { explain, isAborted } from '../api/problem.ts'
import { read } from '../api/request.ts'
import { formatBytes } from './format.ts'
import { notify } from './notice-board.ts'

interface Upload {
  readonly id: string
  readonly name: string
  readonly sentBytes: number
  readonly totalBytes: number
  readonly error?: unknown
  cancel(): void
}

export function Uploads({ onUploaded }: { onUploaded: () => void }) {
  const client = useClient()
  const [uploads, setUploads] = useState<readonly Upload[]>([])
  const leaving = useRef(new AbortController())

  useEffect(() => {
    leaving.current = new AbortController()
    return () => leaving.current.abort()
  }, [])

  const change = (id: string, part: Partial<Upload>) =>
    setUploads((all) => all.map((upload) => (upload.id === id ? { ...upload, ...part } : upload)))
  const forget = (id: string) => setUploads((all) => all.filter((upload) => upload.id !== id))

  const send = async (file: File) => {
    const id = crypto.randomUUID()
    const cancelling = new AbortController()
    const cancel = () => cancelling.abort()
    setUploads((all) => [...all, { id, name: file.name, sentBytes: 0, totalBytes: file.size, cancel }])
    try {
      const response = await client.upload(`/api/files?${new URLSearchParams({ filename: file.name })}`, file, {
        headers: { 'Content-Type': file.type || 'application/octet-stream' },
        signal: AbortSignal.any([cancelling.signal, leaving.current.signal]),
        onProgress: ({ sentBytes }) => change(id, { sentBytes }),
      })
      const stored = await read<StoredFile>(response)
      forget(id)
      notify(`${stored.name} is uploaded`)
      onUploaded()
    } catch (error) {
      if (isAborted(error)) forget(id)
      else change(id, { error })
    }
  }

  const choose = (event: ChangeEvent<HTMLInputElement>) => {
    for (const file of event.target.files ?? []) void send(file)
    // The same file can be chosen again.
    event.target.value = ''
  }

  return (
    <div className="card uploads">
      <label htmlFor="upload">Upload files</label>
      <input id="upload" type="file" multiple onChange={choose} aria-describedby="upload-hint" />
      <p className="hint" id="upload-hint">
        Choose them, or drop them here. 64 MB at most.
      </p>
      {uploads.length > 0 && (
        <ul>
          {uploads.map((upload) => (
            <li key={upload.id}>
              {upload.error === undefined ? <Progress upload={upload} /> : <Failure upload={upload} />}
              <button
                type="button"
                aria-label={upload.error === undefined ? `Cancel ${upload.name}` : `Dismiss ${upload.name}`}
                onClick={() => (upload.error === undefined ? upload.cancel() : forget(upload.id))}
              >
                {upload.error === undefined ? 'Cancel' : 'Dismiss'}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

function Progress({ upload: { id, name, sentBytes, totalBytes } }: { upload: Upload }) {
  return (
    <div className="progress">
      <label htmlFor={id}>Uploading {name}</label>
      <progress id={id} value={sentBytes} max={Math.max(totalBytes, 1)} />
      <span>
        {formatBytes(sentBytes)} of {formatBytes(totalBytes)}
      </span>
    </div>
  )
}

function Failure({ upload: { name, error } }: { upload: Upload }) {
  return (
    <p className="mistake" role="alert">
      {name} was not uploaded. {explain(error)}
    </p>
  )
}
