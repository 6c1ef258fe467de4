/** The lines of an order that is being written: which coffee, how many bags. */
import type { Product } from '../api/model.ts'
import { Field } from './field.tsx'
import { formatCents } from './format.ts'

export interface DraftItem {
  readonly key: string
  readonly sku: string
  /** As it was typed. */
  readonly quantity: string
}

const blank = { sku: '', quantity: '6' }

export function emptyItem(): DraftItem {
  return { key: crypto.randomUUID(), ...blank }
}

/** Nobody has touched it. */
export function isBlank({ sku, quantity }: DraftItem): boolean {
  return sku === blank.sku && quantity === blank.quantity
}

export function isDraftItem(value: unknown): boolean {
  const { key, sku, quantity } = (value ?? {}) as Partial<DraftItem>
  return typeof key === 'string' && typeof sku === 'string' && typeof quantity === 'string'
}

export interface OrderItemsProps {
  items: readonly DraftItem[]
  coffees: readonly Product[]
  mistakeAt(field: string): string | undefined
  onChange(items: readonly DraftItem[]): void
}

export function OrderItems({ items, coffees, mistakeAt, onChange }: OrderItemsProps) {
  const change = (changed: DraftItem) => onChange(items.map((item) => (item.key === changed.key ? changed : item)))
  const mistake = mistakeAt('items')
  return (
    <fieldset>
      <legend>Items</legend>
      {mistake && (
        <p className="mistake" role="alert" tabIndex={-1}>
          {mistake}
        </p>
      )}
      {items.map((item, index) => (
        <div className="order-item" key={item.key}>
          <Field name={`items[${index}].sku`} label={`Coffee ${index + 1}`} error={mistakeAt(`items[${index}].sku`)}>
            {(control) => (
              <select {...control} value={item.sku} onChange={(event) => change({ ...item, sku: event.target.value })}>
                <option value="">Choose a coffee</option>
                {coffees.map(({ sku, name, grams, priceCents }) => (
                  <option key={sku} value={sku}>
                    {name}, {grams} g, {formatCents(priceCents)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field
            name={`items[${index}].quantity`}
            label={`Bags ${index + 1}`}
            error={mistakeAt(`items[${index}].quantity`)}
          >
            {(control) => (
              <input
                {...control}
                inputMode="numeric"
                autoComplete="off"
                value={item.quantity}
                onChange={(event) => change({ ...item, quantity: event.target.value })}
              />
            )}
          </Field>
          <button
            type="button"
            className="quiet"
            aria-label={`Remove item ${index + 1}`}
            disabled={items.length === 1}
            onClick={() => onChange(items.filter(({ key }) => key !== item.key))}
          >
            Remove
          </button>
        </div>
      ))}
      <div className="order-items-foot">
        <button type="button" onClick={() => onChange([...items, emptyItem()])}>
          Add item
        </button>
        <p>
          Total <strong>{formatCents(totalOf(items, coffees))}</strong>
        </p>
      </div>
    </fieldset>
  )
}

function totalOf(items: readonly DraftItem[], coffees: readonly Product[]): number {
  let cents = 0
  for (const { sku, quantity } of items) {
    const price = coffees.find((coffee) => coffee.sku === sku)?.priceCents ?? 0
    cents += price * (Number.parseInt(quantity, 10) || 0)
  }
  return cents
}
