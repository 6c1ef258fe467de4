import type { OrderStatus } from '../api/model.ts'

export function StatusBadge({ status }: { status: OrderStatus }) {
  return <span className={`badge ${status}`}>{status}</span>
}
