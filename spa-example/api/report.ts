/** A large CSV file, made as it is read: the orders over and over, until there is enough of it. */
import type { Order } from './model.ts'

const header = 'line,order,customer,status,product,quantity,unit_price_cents,created_at\n'
const chunkBytes = 64 * 1024

/** Exactly `size` bytes; the last line is cut off where they end. */
export function exportCsv(orders: readonly Order[], size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder()
  const lines = orders.flatMap((order) =>
    order.items.map((item) =>
      [order.number, order.customerName, order.status, item.name, item.quantity, item.unitPriceCents, order.createdAt]
        .map((cell) => quote(String(cell)))
        .join(','),
    ),
  )
  if (lines.length === 0) lines.push('no orders,,,,,,')
  let lineNumber = 0
  let rest = size

  return new ReadableStream({
    pull(controller) {
      let text = lineNumber === 0 ? header : ''
      while (text.length < chunkBytes) {
        text += `${lineNumber + 1},${lines[lineNumber % lines.length]}\n`
        lineNumber += 1
      }
      const bytes = encoder.encode(text)
      controller.enqueue(bytes.byteLength < rest ? bytes : endWithNewline(bytes.slice(0, rest)))
      rest -= bytes.byteLength
      if (rest <= 0) controller.close()
    },
  })
}

function endWithNewline(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  bytes[bytes.byteLength - 1] = 0x0a
  return bytes
}

/** A cell that a spreadsheet would run as a formula is made text. */
function quote(cell: string): string {
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
