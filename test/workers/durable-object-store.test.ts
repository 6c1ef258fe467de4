/** The store's own code here, its objects in workerd. */
import { afterAll, beforeAll } from 'vitest'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { durableObjectCoordinator, durableObjectStore } from '../../src/workers/index.ts'
import { describeStore, describeTicketStore } from '../session/store-suite.ts'
import { type SessionObjects, startSessionObjects } from './session-objects.ts'

let objects: SessionObjects
let count = 0

beforeAll(async () => {
  objects = await startSessionObjects()
})
afterAll(() => objects.stop())

describeStore('cookie store on Durable Objects', async () => {
  const namespace = objects.namespace(`cookies-${++count}:`)
  const store = () => cookieStore({ coordinator: durableObjectCoordinator(namespace) })
  return { store: store(), other: store(), stop: async () => undefined }
})

describeTicketStore('Durable Object', async () => {
  const namespace = objects.namespace(`test-${++count}:`)
  return { store: durableObjectStore(namespace), other: durableObjectStore(namespace), stop: async () => undefined }
})
