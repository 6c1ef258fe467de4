/** Token exchange (RFC 8693) for the demo's provider, which oidc-provider leaves to its operators. */
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import type Provider from 'oidc-provider'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { apiScopes, resources } from './scopes.ts'

export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'resource', 'scope']

interface Subject {
  readonly accountId: string | undefined
  readonly grantId: string | undefined
  readonly scopes: readonly string[]
}

/** @param keys those that this provider signs with */
export function registerTokenExchange(provider: Provider, keys: readonly JWK[], lifeSeconds: number): void {
  const verifyKey = createLocalJWKSet({ keys: keys.map(({ d: _secret, ...jwk }) => jwk) })

  async function subjectOf(token: string): Promise<Subject> {
    const opaque = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token))
    if (opaque?.isValid) {
      const { accountId, grantId } = opaque as { accountId?: string; grantId?: string }
      return { accountId, grantId, scopes: [...opaque.scopes] }
    }
    try {
      const { payload } = await jwtVerify(token, verifyKey, { issuer: provider.issuer, typ: 'at+jwt' })
      const accountId = payload.sub === payload.client_id ? undefined : payload.sub
      return { accountId, grantId: undefined, scopes: String(payload.scope ?? '').split(' ') }
    } catch {
      throw new errors.InvalidGrant('subject_token is not valid')
    }
  }

  provider.registerGrantType(
    tokenExchangeGrant,
    async (ctx: KoaContextWithOIDC) => {
      const { client, params = {} } = ctx.oidc
      if (!client) throw new errors.InvalidClient('who asks')
      const { subject_token: token, subject_token_type: type, resource, scope } = params
      if (typeof token !== 'string' || type !== accessTokenType) throw new errors.InvalidRequest('subject_token')
      if (typeof resource !== 'string' || resources[resource] === undefined) throw new errors.InvalidTarget()
      const subject = await subjectOf(token)
      const granted = subject.scopes.filter((one) => (apiScopes as readonly string[]).includes(one))
      const asked = typeof scope === 'string' ? scope.split(' ') : granted
      // RFC 8693 §2.2.2: never more than the subject has.
      if (asked.some((one) => !granted.includes(one))) throw new errors.InvalidScope('more than the subject has', '')
      const issued =
        subject.accountId === undefined
          ? new provider.ClientCredentials({ client, scope: asked.join(' ') } as never)
          : new provider.AccessToken({
              client,
              scope: asked.join(' '),
              accountId: subject.accountId,
              gty: 'exchange',
              ...(subject.grantId !== undefined && { grantId: subject.grantId }),
            } as never)
      issued.resourceServer = new provider.ResourceServer(resource, {
        audience: resource,
        scope: apiScopes.join(' '),
        accessTokenTTL: lifeSeconds,
        accessTokenFormat: resources[resource] ?? 'opaque',
        ...(resources[resource] === 'jwt' && { jwt: { sign: { alg: 'ES256' } } }),
      })
      ctx.body = {
        access_token: await issued.save(),
        issued_token_type: accessTokenType,
        token_type: 'Bearer',
        expires_in: issued.expiration,
        scope: asked.join(' '),
      }
    },
    parameters,
    [],
  )
}
