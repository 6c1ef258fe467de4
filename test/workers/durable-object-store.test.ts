/** The store's own code here, its objects in workerd. */
import { afterAll, beforeAll } from 'vitest'
import { durableObjectStore } from '../../src/workers/index.ts'
import { describeTicketStore } from '../session/store-suite.ts'
import { type SessionObjects, startSessionObjects } from './session-objects.ts'

let objects: SessionObjects
let count = 0

beforeAll(async () => {
  objects = await startSessionObjects()
})
afterAll(() => objects.stop())

describeTicketStore('Durable Object', async () => {
  const namespace = objects.namespace(`test-${++count}:`)
  return { store: durableObjectStore(namespace), other: durableObjectStore(namespace), stop: async () => undefined }
})
