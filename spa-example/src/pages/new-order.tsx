/** Takes an order. What is typed is kept as a draft, whatever happens to the session meanwhile. */
import type { Customer, List, Order, Product } from '../api/model.ts'
import { request } from '../api/request.ts'
import { useLoad } from '../api/use-load.ts'
import { DraftNotice } from '../components/draft-notice.tsx'
import { Field } from '../components/field.tsx'
import { FormProblem } from '../components/form-problem.tsx'
import { Loading } from '../components/loading.tsx'
import { notify } from '../components/notice-board.ts'
import { type DraftItem, emptyItem, isBlank, isDraftItem, OrderItems } from '../components/order-items.tsx'
import { Page } from '../components/page.tsx'
import { useSubmit } from '../components/use-submit.ts'
import { Link, navigate } from '../router.tsx'
import { useDraft } from '../session/drafts.ts'

interface DraftOrder {
  customerId: string
  items: readonly DraftItem[]
  notes: string
  /** The same for each attempt to send the same order: an answer that was lost must not make two of them. */
  idempotencyKey: string | undefined
}

const empty: DraftOrder = { customerId: '', items: [emptyItem()], notes: '', idempotencyKey: undefined }

export function NewOrderPage() {
  const customers = useLoad<List<Customer>>('/api/customers')
  const products = useLoad<List<Product>>('/api/products')
  return (
    <Page title="New order" lead={<Link href="/orders">All orders</Link>}>
      <Loading of={customers}>
        {({ items: cafes }) => (
          <Loading of={products}>{({ items: coffees }) => <OrderForm cafes={cafes} coffees={coffees} />}</Loading>
        )}
      </Loading>
    </Page>
  )
}

function OrderForm({ cafes, coffees }: { cafes: readonly Customer[]; coffees: readonly Product[] }) {
  const draft = useDraft<DraftOrder>('new-order', empty, isDraftOrder)
  const order = draft.value
  const change = (part: Partial<DraftOrder>) => draft.set({ ...order, idempotencyKey: undefined, ...part })

  const submit = useSubmit(async () => {
    const idempotencyKey = order.idempotencyKey ?? crypto.randomUUID()
    draft.set({ ...order, idempotencyKey })
    const created = await request<Order>('/api/orders', {
      method: 'POST',
      headers: { 'Idempotency-Key': idempotencyKey },
      body: {
        customerId: order.customerId,
        items: order.items.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })),
        notes: order.notes,
      },
    })
    draft.discard()
    notify(`Order ${created.number} is created`)
    navigate(`/orders/${created.id}`, { replace: true })
  })

  return (
    <form ref={submit.form} className="card form" onSubmit={submit.onSubmit} noValidate>
      <DraftNotice draft={draft} />
      <FormProblem error={submit.error} />
      <Field name="customerId" label="Café" error={submit.mistakeAt('customerId')}>
        {(control) => (
          <select
            {...control}
            value={order.customerId}
            onChange={(event) => change({ customerId: event.target.value })}
          >
            <option value="">Choose a café</option>
            {cafes.map(({ id, name, city }) => (
              <option key={id} value={id}>
                {name}, {city}
              </option>
            ))}
          </select>
        )}
      </Field>
      <OrderItems
        items={order.items}
        coffees={coffees}
        mistakeAt={submit.mistakeAt}
        onChange={(items) => change({ items })}
      />
      <Field name="notes" label="Notes" hint="For the driver or the roaster." error={submit.mistakeAt('notes')}>
        {(control) => (
          <textarea
            {...control}
            rows={3}
            value={order.notes}
            onChange={(event) => change({ notes: event.target.value })}
          />
        )}
      </Field>
      <div className="actions">
        <Link href="/orders" className="button">
          Back
        </Link>
        <button type="submit" className="primary" aria-disabled={submit.isBusy}>
          {submit.isBusy ? 'Creating…' : 'Create order'}
        </button>
      </div>
    </form>
  )
}

/** A form that was sent as it came holds nothing to bring back. */
function isDraftOrder(value: unknown): boolean {
  const { customerId, items, notes } = value as Partial<DraftOrder>
  if (typeof customerId !== 'string' || typeof notes !== 'string' || !Array.isArray(items)) return false
  return items.every(isDraftItem) && (customerId !== '' || notes !== '' || items.length !== 1 || !isBlank(items[0]))
}
