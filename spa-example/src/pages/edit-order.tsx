/** Changes an order's status and notes, unless somebody else has changed it meanwhile. */
import { nextStatuses, type Order } from '../api/model.ts'
import { ApiProblem } from '../api/problem.ts'
import { request } from '../api/request.ts'
import { useLoad } from '../api/use-load.ts'
import { DraftNotice } from '../components/draft-notice.tsx'
import { Field } from '../components/field.tsx'
import { FormProblem } from '../components/form-problem.tsx'
import { Loading } from '../components/loading.tsx'
import { notify } from '../components/notice-board.ts'
import { Page } from '../components/page.tsx'
import { useSubmit } from '../components/use-submit.ts'
import { Link, navigate } from '../router.tsx'
import { useDraft } from '../session/drafts.ts'

export function EditOrderPage({ id }: { id: string }) {
  const order = useLoad<Order>(`/api/orders/${id}`)
  return (
    <Page
      title={order.data ? `Edit order ${order.data.number}` : 'Edit order'}
      lead={<Link href={`/orders/${id}`}>Back to the order</Link>}
    >
      <Loading of={order}>{(shown) => <OrderForm key={shown.version} order={shown} onReload={order.reload} />}</Loading>
    </Page>
  )
}

interface DraftChange {
  status: string
  notes: string
  /** The version that the person saw when they began. */
  version: number
}

function OrderForm({ order, onReload }: { order: Order; onReload: () => void }) {
  const { status, notes, version } = order
  const draft = useDraft<DraftChange>(`order:${order.id}`, { status, notes, version }, isDraftChange)
  const change = draft.value

  const submit = useSubmit(async () => {
    await request<Order>(`/api/orders/${order.id}`, {
      method: 'PATCH',
      headers: { 'If-Match': `"${change.version}"` },
      body: { status: change.status, notes: change.notes },
    })
    draft.discard()
    notify(`Order ${order.number} is saved`)
    navigate(`/orders/${order.id}`, { replace: true })
  })
  const isOutdated = submit.error instanceof ApiProblem && submit.error.code === 'changed_meanwhile'
  const loadNewest = () => {
    draft.discard()
    onReload()
  }

  return (
    <form ref={submit.form} className="card form" onSubmit={submit.onSubmit} noValidate>
      <DraftNotice draft={draft} />
      <FormProblem error={submit.error} />
      {isOutdated && (
        <p>
          <button type="button" onClick={loadNewest}>
            Load the newest
          </button>
        </p>
      )}
      <Field name="status" label="Status" error={submit.mistakeAt('status')}>
        {(control) => (
          <select
            {...control}
            value={change.status}
            onChange={(event) => draft.set({ ...change, status: event.target.value })}
          >
            {[status, ...nextStatuses[status]].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </Field>
      <Field name="notes" label="Notes" hint="At most 2000 characters." error={submit.mistakeAt('notes')}>
        {(control) => (
          <textarea
            {...control}
            rows={4}
            value={change.notes}
            onChange={(event) => draft.set({ ...change, notes: event.target.value })}
          />
        )}
      </Field>
      <div className="actions">
        <Link href={`/orders/${order.id}`} className="button">
          Back
        </Link>
        <button type="submit" className="primary" aria-disabled={submit.isBusy}>
          {submit.isBusy ? 'Saving…' : 'Save'}
        </button>
      </div>
    </form>
  )
}

function isDraftChange(value: unknown): boolean {
  const { status, notes, version } = value as Partial<DraftChange>
  return typeof status === 'string' && typeof notes === 'string' && typeof version === 'number'
}
