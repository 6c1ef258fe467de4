/**
 * Remembers what an account allowed a client to do, so that the consent page is shown once and not at
 * every sign-in. The provider's grants end with its session; what the person said does not.
 */
import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'

type Grant = InstanceType<Provider['Grant']>

export interface ConsentedScopes {
  readonly identity: readonly string[]
  readonly byResource: Readonly<Record<string, readonly string[]>>
}

export interface Consents {
  /** Adds scopes to what this account allows this client. */
  remember(accountId: string, clientId: string, scopes: ConsentedScopes): void
  /** The grant of this session, or a new one with what was allowed before; undefined if nothing was. */
  loadGrant(ctx: KoaContextWithOIDC): Promise<Grant | undefined>
}

export function createConsents(): Consents {
  const remembered = new Map<string, { identity: Set<string>; byResource: Map<string, Set<string>> }>()
  const keyOf = (accountId: string, clientId: string) => JSON.stringify([accountId, clientId])

  return {
    remember(accountId, clientId, scopes) {
      const key = keyOf(accountId, clientId)
      const entry = remembered.get(key) ?? { identity: new Set(), byResource: new Map() }
      for (const scope of scopes.identity) entry.identity.add(scope)
      for (const [resource, names] of Object.entries(scopes.byResource)) {
        entry.byResource.set(resource, new Set([...(entry.byResource.get(resource) ?? []), ...names]))
      }
      remembered.set(key, entry)
    },

    async loadGrant(ctx) {
      const { oidc } = ctx
      const clientId = oidc.client?.clientId
      const accountId = oidc.session?.accountId
      if (clientId === undefined || accountId === undefined) return undefined

      const grantId = oidc.result?.consent?.grantId ?? oidc.session?.grantIdFor(clientId)
      const existing = grantId === undefined ? undefined : await oidc.provider.Grant.find(grantId)
      if (existing) return existing

      const allowed = remembered.get(keyOf(accountId, clientId))
      if (!allowed) return undefined
      const grant = new oidc.provider.Grant({ accountId, clientId })
      if (allowed.identity.size > 0) grant.addOIDCScope([...allowed.identity].join(' '))
      for (const [resource, names] of allowed.byResource) grant.addResourceScope(resource, [...names].join(' '))
      await grant.save()
      return grant
    },
  }
}
