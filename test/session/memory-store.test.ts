import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryStore } from '../../src/session/stores/memory-store.ts'
import { describeStore, describeTicketStore } from './store-suite.ts'

describeStore('cookie', async () => {
  const store = cookieStore()
  return { store, other: store, stop: () => store.coordinator.close() }
})

describeTicketStore('memory', async () => {
  const store = memoryStore()
  return { store, other: store, stop: () => store.coordinator.close() }
})
