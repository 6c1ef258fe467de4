/** Things that go wrong, on purpose: what comes back, and what the app makes of it. */
import { useRef, useState } from 'react'
import { ApiProblem, explain, isAborted } from '../api/problem.ts'
import { request } from '../api/request.ts'
import { Page } from '../components/page.tsx'

interface Trial {
  readonly name: string
  readonly detail: string
  readonly path: string
  readonly method?: 'POST'
}

const trials: readonly Trial[] = [
  { name: 'Not found', detail: '404 of the API', path: '/api/errors/404' },
  { name: 'No such route', detail: '404 of Coatcheck: what no route names is denied', path: '/api/nothing' },
  { name: 'Not allowed', detail: '403 of the API', path: '/api/errors/403' },
  { name: 'Scope missing', detail: '403 of Coatcheck: the route asks for staff:read', path: '/api/staff/404' },
  { name: 'Conflict', detail: '409 of the API', path: '/api/errors/409' },
  { name: 'Invalid', detail: '422 of the API', path: '/api/orders?page=none' },
  { name: 'Too many', detail: '429, with Retry-After', path: '/api/errors/429' },
  { name: 'Crash', detail: '500 of the API', path: '/api/errors/crash' },
  { name: 'API refuses the token', detail: '401 of the API: not a sign-out', path: '/api/errors/unauthorized' },
  { name: 'Slow', detail: 'answers after three seconds', path: '/api/errors/slow?seconds=3' },
  { name: 'Hangs', detail: 'never answers: 504 after five seconds', path: '/api/errors/hang' },
  { name: 'Closes', detail: 'no answer at all: 502', path: '/api/errors/reset' },
  { name: 'Cut off', detail: 'stops in the middle of its answer', path: '/api/errors/cut' },
  { name: 'Not JSON', detail: 'says JSON, sends none', path: '/api/errors/garbage' },
  { name: 'Wrong method', detail: '405 of Coatcheck', path: '/api/products', method: 'POST' },
]

interface Result {
  readonly trial: Trial
  readonly error?: unknown
  readonly isDone: boolean
}

export function ErrorsPage() {
  const [result, setResult] = useState<Result>()
  const cancelling = useRef(new AbortController())

  const run = async (trial: Trial) => {
    cancelling.current.abort()
    cancelling.current = new AbortController()
    const { signal } = cancelling.current
    setResult({ trial, isDone: false })
    try {
      await request(trial.path, { method: trial.method ?? 'GET', signal })
      setResult({ trial, isDone: true })
    } catch (error) {
      if (!isAborted(error)) setResult({ trial, error, isDone: true })
      else if (cancelling.current.signal === signal) setResult(undefined)
    }
  }

  return (
    <Page title="Errors" lead="Let something go wrong, and see how the app takes it.">
      <div className="errors-page">
        <ul className="trials">
          {trials.map((trial) => (
            <li key={trial.name}>
              <button type="button" onClick={() => void run(trial)}>
                {trial.name}
              </button>
              <span>{trial.detail}</span>
            </li>
          ))}
          <li>
            <button type="button" className="danger" onClick={() => void endBehindThePage()}>
              End the session
            </button>
            <span>behind this page’s back; the next call finds out</span>
          </li>
        </ul>
        <section className="card result" aria-labelledby="result" aria-live="polite">
          <h2 id="result">What came back</h2>
          {result === undefined && <p className="empty">Nothing yet.</p>}
          {result && <Outcome result={result} onCancel={() => cancelling.current.abort()} />}
        </section>
      </div>
    </Page>
  )
}

/** Not through the client, which would notice: as if it had ended by somebody else's doing. */
async function endBehindThePage(): Promise<void> {
  await fetch('/bff/logout', { method: 'POST', headers: { 'X-CSRF': '1' } })
}

function Outcome({ result: { trial, error, isDone }, onCancel }: { result: Result; onCancel: () => void }) {
  if (!isDone) {
    return (
      <>
        <p>Waiting for {trial.path}…</p>
        <button type="button" onClick={onCancel}>
          Cancel call
        </button>
      </>
    )
  }
  if (error === undefined) return <p className="notice good">It came, and it was good.</p>
  return (
    <>
      <p className="notice bad">{explain(error)}</p>
      {error instanceof ApiProblem ? (
        <dl className="facts">
          <div>
            <dt>Status</dt>
            <dd>{error.status}</dd>
          </div>
          <div>
            <dt>Code</dt>
            <dd>
              <code>{error.code}</code>
            </dd>
          </div>
          <div>
            <dt>Said by</dt>
            <dd>{error.source === 'coatcheck' ? 'Coatcheck' : 'the API'}</dd>
          </div>
        </dl>
      ) : (
        <p className="fine">No problem document: {error instanceof Error ? error.name : 'unknown'}.</p>
      )}
      {error instanceof ApiProblem && error.document !== undefined && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
        <pre tabIndex={0}>{JSON.stringify(error.document, null, 2)}</pre>
      )}
    </>
  )
}
