import { describe, expect, it } from 'vitest'
import { fakeBrowser, settle } from './fake-browser.ts'
import { fakeServer, problem, signedIn } from './fake-server.ts'
import { openPage } from './setup.ts'

/** Two tabs of one browser: one server, one session. */
async function twoTabs(basePath = `/${crypto.randomUUID()}`) {
  const browser = fakeBrowser()
  const server = fakeServer(browser)
  server.session = signedIn(browser)
  const first = await openPage({ browser, server, basePath })
  const second = await openPage({ browser: fakeBrowser(), server, basePath })
  return { first, second: { ...second, basePath }, server }
}

describe('other tabs', () => {
  it('are signed out at once by a sign-out in one, and know that it was the person’s own', async () => {
    const { first, second, server } = await twoTabs()
    server.session = undefined
    await first.client.logout()
    await settle()
    expect(first.events.at(-1)).toBe('signed-out:logout')
    expect(second.client.getSession().status).toBe('anonymous')
    expect(second.events.at(-1)).toBe('signed-out:other_tab')
  })

  it('believe the server, not the word of a tab', async () => {
    const { first, second } = await twoTabs()
    await first.client.logout()
    await settle()
    expect(second.client.getSession().status).toBe('authenticated')
    expect(second.events).toEqual(['signed-in:ann'])
  })

  it('do not take a later end for a sign-out that another tab spoke of in vain', async () => {
    const { first, second, server } = await twoTabs()
    await first.client.logout()
    await settle()
    server.session = undefined
    await second.client.session()
    expect(second.events.at(-1)).toBe('signed-out:elsewhere')
  })

  it('look again when a call in one was refused, and are signed out by no doing of the person', async () => {
    const { first, second, server } = await twoTabs()
    server.session = undefined
    server.api = () => problem('login_required', 401)
    await first.client.fetch('/api/orders')
    await settle()
    expect(second.events.at(-1)).toBe('signed-out:elsewhere')
  })

  it('hear of somebody else who has signed in', async () => {
    const { first, second, server } = await twoTabs()
    server.session = signedIn(first.browser, 'bob')
    await first.client.session()
    await settle()
    expect(second.events.at(-1)).toBe('changed:ref-ann>ref-bob')
  })

  it('hear of somebody else who has signed in by a plain link in a new tab', async () => {
    const { first, second, server } = await twoTabs()
    first.close()
    server.session = signedIn(first.browser, 'bob')
    await openPage({ browser: fakeBrowser(), server, basePath: second.basePath })
    expect(second.events.at(-1)).toBe('changed:ref-ann>ref-bob')
  })

  it('are not asked to look whenever a page opens', async () => {
    const { second, server } = await twoTabs()
    server.session = { ...signedIn(second.browser), createdAt: second.browser.now() / 1000 - 3600 }
    server.requests.length = 0
    await openPage({ browser: fakeBrowser(), server, basePath: second.basePath })
    expect(server.requests).toHaveLength(1)
  })

  it('of another base path hear nothing', async () => {
    const { first, server } = await twoTabs()
    const other = await openPage({ browser: fakeBrowser(), server, basePath: `/${crypto.randomUUID()}` })
    server.requests.length = 0
    server.session = undefined
    await first.client.logout()
    await settle()
    expect(other.client.getSession().status).toBe('authenticated')
  })

  it.each(['signed-out', { type: 'sign-out' }, { type: ['signed-out'] }, null, 42])(
    'do not even look for a message that is none: %j',
    async (message) => {
      const { second, server } = await twoTabs('/bff-strange')
      server.requests.length = 0
      const channel = second.browser.openChannel('coatcheck:/bff-strange')
      channel?.postMessage(message)
      await settle()
      channel?.close()
      expect(server.requests).toEqual([])
    },
  )

  it('are told nothing through a channel while the page is in the back-forward cache', async () => {
    const { first, second, server } = await twoTabs()
    second.browser.window.dispatchEvent(new Event('pagehide'))
    server.session = undefined
    await first.client.logout()
    await settle()
    expect(second.client.getSession().status).toBe('authenticated')
    second.browser.window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
    await settle()
    expect(second.client.getSession().status).toBe('anonymous')
  })
})
