/** Sign-in and consent: the two places where the provider asks the person something (`/interaction/:uid`). */
import type { IncomingMessage } from 'node:http'
import type Provider from 'oidc-provider'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { findAccountById, findAccountByPassword } from './accounts.ts'
import type { Consents } from './consents.ts'
import { consentPage, messagePage, signInPage } from './pages.ts'
import type { RespondPage } from './respond-page.ts'
import { asksForTwoFactors, type OneTimeCodes, twoFactors } from './two-factors.ts'

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>

export interface InteractionParts {
  readonly consents: Consents
  readonly oneTimeCodes: OneTimeCodes
  readonly respondPage: RespondPage
  /** Where the pages link to when a sign-in cannot go on. */
  readonly appOrigin: string
}

interface Exchange extends InteractionParts {
  readonly provider: Provider
  readonly ctx: KoaContextWithOIDC
  readonly interaction: Interaction
  readonly clientName: string
}

const formLimitBytes = 8 * 1024

export function interactionRoutes(provider: Provider, parts: InteractionParts) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    const uid = /^\/interaction\/([\w-]{1,64})$/.exec(ctx.path)?.[1]
    if (uid === undefined) return next()

    try {
      if (ctx.method !== 'GET' && ctx.method !== 'HEAD' && ctx.method !== 'POST') {
        ctx.set('Allow', 'GET, HEAD, POST')
        return parts.respondPage(ctx, 405, messagePage({ title: 'That did not work', text: 'This page takes a form.' }))
      }
      const interaction = await provider.interactionDetails(ctx.req, ctx.res)
      if (interaction.uid !== uid) throw new errors.SessionNotFound('cookie and address differ')
      const client = await provider.Client.find(String(interaction.params.client_id))
      const clientName = client?.clientName ?? String(interaction.params.client_id)
      const exchange = { ...parts, provider, ctx, interaction, clientName }
      if (ctx.method === 'POST') await submit(exchange, uid)
      else show(exchange)
    } catch (error) {
      if (!(error instanceof errors.SessionNotFound)) throw error
      showExpired(ctx, parts)
    }
  }
}

function show(exchange: Exchange, signIn: { username?: string; error?: string } = {}): void {
  const { ctx, interaction, clientName, oneTimeCodes, respondPage } = exchange
  const status = signIn.error === undefined ? 200 : 422

  if (interaction.prompt.name === 'login') {
    const username = signIn.username ?? String(interaction.params.login_hint ?? '').slice(0, 100)
    const codeOf = asksForTwoFactors(interaction.params) ? oneTimeCodes.current : undefined
    respondPage(ctx, status, signInPage({ clientName, username, codeOf, error: signIn.error }))
    return
  }
  const account = findAccountById(interaction.session?.accountId ?? '')
  if (account) respondPage(ctx, 200, consentPage({ clientName, account, scopes: requestedScopes(interaction) }))
  else showExpired(ctx, exchange)
}

async function submit(exchange: Exchange, uid: string): Promise<void> {
  const { ctx, interaction, provider, respondPage } = exchange
  // The interaction cookie is Lax, but other ports of this host are the same site.
  const origin = ctx.get('Origin')
  if (origin !== '' && origin !== provider.issuer) {
    const text = 'The form was sent from another site.'
    return respondPage(ctx, 403, messagePage({ title: 'That did not work', text }))
  }
  const form = await readForm(ctx.req)
  if (form === undefined) {
    return respondPage(ctx, 413, messagePage({ title: 'That did not work', text: 'The form is too large.' }))
  }
  const action = form.get('action')
  if (action === 'cancel' || action === 'deny') {
    const result = { error: 'access_denied', error_description: 'The person declined' }
    return finish(exchange, result, { mergeWithLastSubmission: false })
  }
  if (interaction.prompt.name === 'login' && action !== 'allow') return signIn(exchange, form)
  if (interaction.prompt.name === 'consent' && action === 'allow') return allow(exchange)
  // The form of a step that is over, brought back by the back button: show the one that is due.
  ctx.status = 303
  ctx.redirect(`/interaction/${uid}`)
}

async function signIn(exchange: Exchange, form: URLSearchParams): Promise<void> {
  const username = form.get('username') ?? ''
  const account = findAccountByPassword(username, form.get('password') ?? '')
  const needsCode = asksForTwoFactors(exchange.interaction.params)
  if (!account || (needsCode && !exchange.oneTimeCodes.use(account.id, form.get('code') ?? ''))) {
    // The same for whatever is wrong: who guesses does not learn that the password is right.
    const what = needsCode ? 'username, password and code' : 'username and password'
    const error = `That ${what} do not belong together. Try one of the demo accounts below.`
    return show(exchange, { username: username.slice(0, 100), error })
  }
  const login = { accountId: account.id, ...(needsCode ? { amr: ['pwd', 'otp'], acr: twoFactors } : { amr: ['pwd'] }) }
  await finish(exchange, { login }, { mergeWithLastSubmission: false })
}

async function allow(exchange: Exchange): Promise<void> {
  const { interaction, provider, consents } = exchange
  const accountId = interaction.session?.accountId
  const clientId = String(interaction.params.client_id)
  if (accountId === undefined) throw new errors.SessionNotFound('nobody is signed in')

  const details = interaction.prompt.details as {
    missingOIDCScope?: string[]
    missingResourceScopes?: Record<string, string[]>
  }
  const identity = details.missingOIDCScope ?? []
  const byResource = details.missingResourceScopes ?? {}
  const existing = interaction.grantId === undefined ? undefined : await provider.Grant.find(interaction.grantId)
  const grant = existing ?? new provider.Grant({ accountId, clientId })
  if (identity.length > 0) grant.addOIDCScope(identity.join(' '))
  for (const [resource, scopes] of Object.entries(byResource)) grant.addResourceScope(resource, scopes.join(' '))

  consents.remember(accountId, clientId, { identity, byResource })
  await finish(exchange, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true })
}

async function finish(
  { provider, ctx }: Exchange,
  result: Parameters<Provider['interactionResult']>[2],
  options: { mergeWithLastSubmission: boolean },
): Promise<void> {
  const location = await provider.interactionResult(ctx.req, ctx.res, result, options)
  ctx.set('Cache-Control', 'no-store')
  ctx.status = 303
  ctx.redirect(location)
}

function showExpired(ctx: KoaContextWithOIDC, { respondPage, appOrigin }: InteractionParts): void {
  const page = messagePage({
    title: 'This sign-in is over',
    text: 'It was finished already, has expired, or belongs to another browser. Start again from the application.',
    link: { href: `${appOrigin}/`, text: 'Back to the application' },
  })
  respondPage(ctx, 400, page)
}

function requestedScopes(interaction: Interaction): string[] {
  return String(interaction.params.scope ?? '')
    .split(' ')
    .filter((scope) => scope !== '')
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > formLimitBytes) return undefined
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}
