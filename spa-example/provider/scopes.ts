/** The scopes that the demo's provider knows, and what the consent page calls them. */

/** The API that access tokens are for (RFC 8707): their `aud`. An identifier, not an address. */
export const apiResource = 'https://api.roastery.example'

/** The same API as partners see it: their tokens for it are opaque. */
export const partnerResource = 'https://partners.roastery.example'

/** Another API, whose tokens are made by exchange or by a refresh. */
export const reportsResource = 'https://reports.roastery.example'

/** Every resource, and what its access tokens are. */
export const resources: Readonly<Record<string, 'jwt' | 'opaque'>> = {
  [apiResource]: 'jwt',
  [partnerResource]: 'opaque',
  [reportsResource]: 'jwt',
}

export const apiScopes = ['orders:read', 'orders:write', 'files:read', 'files:write'] as const

export const identityScopes = ['openid', 'profile', 'email', 'offline_access'] as const

interface ScopeText {
  readonly title: string
  readonly detail: string
}

const texts: Readonly<Record<string, ScopeText>> = {
  openid: { title: 'Know who you are', detail: 'An identifier for your account' },
  profile: { title: 'See your profile', detail: 'Your name and username' },
  email: { title: 'See your email address', detail: 'And whether it is verified' },
  offline_access: { title: 'Keep access while you are away', detail: 'Until you take it back' },
  'orders:read': { title: 'View orders', detail: 'Orders, customers, products and reports' },
  'orders:write': { title: 'Change orders', detail: 'Create, edit and delete orders and customers' },
  'files:read': { title: 'Open your files', detail: 'List and download what you uploaded' },
  'files:write': { title: 'Add and delete files', detail: 'Upload files on your behalf' },
}

/** What a scope means, in plain words. One that has no words is shown by its name. */
export function describeScope(scope: string): ScopeText {
  return texts[scope] ?? { title: scope, detail: 'Asked for by the application' }
}
