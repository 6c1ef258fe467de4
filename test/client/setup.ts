import { onTestFinished } from 'vitest'
import { type Client, type ClientOptions, createClient } from '../../src/client/index.ts'
import { type FakeBrowser, fakeBrowser, settle } from './fake-browser.ts'
import { type FakeServer, fakeServer, signedIn } from './fake-server.ts'

export interface Page {
  readonly browser: FakeBrowser
  readonly server: FakeServer
  readonly client: Client
  /** Every event in order, as `type:detail`. */
  readonly events: string[]
  close(): void
}

/** A page that is open and has looked at its session, signed in as `user` unless that is null. */
export async function openPage(
  options: ClientOptions & { browser?: FakeBrowser; server?: FakeServer; user?: string | null } = {},
): Promise<Page> {
  const { browser = fakeBrowser(), user = 'ann', server = fakeServer(browser), ...clientOptions } = options
  if (user !== null && options.server === undefined) server.session = signedIn(browser, user)
  const client = createClient({ basePath: '/bff', fetch: server.fetch, ...clientOptions, browser })
  const events: string[] = []
  const stops = [
    client.on('signed-in', ({ session }) => events.push(`signed-in:${session.claims.sub}`)),
    client.on('signed-out', ({ reason }) => events.push(`signed-out:${reason}`)),
    client.on('changed', ({ session, previous }) => events.push(`changed:${previous.ref}>${session.ref}`)),
  ]
  const close = () => {
    for (const stop of stops.splice(0)) stop()
  }
  onTestFinished(close)
  await settle()
  return { browser, server, client, events, close }
}
