/** A session as text: short names, because every byte is sent with every request. */
import type { Session } from './session.ts'

/** Raised when the text means something else; what says another number is no session. */
const formatVersion = 1

export function encodeSession(session: Session): string {
  const { tokens } = session
  return JSON.stringify({
    f: formatVersion,
    i: session.id,
    n: session.version,
    r: session.ref,
    c: session.createdAt,
    e: session.endsAt,
    s: session.issuer,
    u: session.sub,
    p: session.sid,
    t: session.idTokenIssuedAt,
    m: session.claims,
    a: tokens.accessToken,
    as: tokens.scope,
    ai: tokens.issuedAt,
    ae: tokens.expiresAt,
    rt: tokens.refreshToken,
    re: tokens.refreshTokenExpiresAt,
    h: session.idToken,
    o: session.authenticatedAt,
    k: session.ticketKey,
    l: session.isRefreshLost ? 1 : undefined,
  })
}

/** Undefined for what `encodeSession` did not make: another format, or the work of another release. */
export function decodeSession(text: string): Session | undefined {
  const wire = parse(text)
  if (wire?.f !== formatVersion || !hasAllMembers(wire)) return undefined
  return {
    id: wire.i,
    version: wire.n,
    ref: wire.r,
    createdAt: wire.c,
    endsAt: wire.e,
    issuer: wire.s,
    sub: wire.u,
    sid: wire.p,
    idTokenIssuedAt: wire.t,
    claims: wire.m,
    tokens: {
      accessToken: wire.a,
      scope: wire.as,
      issuedAt: wire.ai,
      ...(wire.ae !== undefined && { expiresAt: wire.ae }),
      ...(wire.rt !== undefined && { refreshToken: wire.rt }),
      ...(wire.re !== undefined && { refreshTokenExpiresAt: wire.re }),
    },
    idToken: wire.h,
    isRefreshLost: wire.l === 1,
    authenticatedAt: wire.o,
    ticketKey: wire.k,
  }
}

const required = {
  ...{ i: 'string', n: 'number', r: 'string', c: 'number', e: 'number', s: 'string', m: 'object' },
  ...{ a: 'string', as: 'string', ai: 'number' },
}
const optional = {
  u: 'string',
  p: 'string',
  t: 'number',
  ae: 'number',
  rt: 'string',
  re: 'number',
  h: 'string',
  l: 'number',
  o: 'number',
  k: 'string',
}

// biome-ignore lint/suspicious/noExplicitAny: what was parsed has no type until its members are looked at
function parse(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function hasAllMembers(wire: Record<string, unknown>): boolean {
  const isOfType = ([name, type]: [string, string]) => typeof wire[name] === type && wire[name] !== null
  return (
    Object.entries(required).every(isOfType) &&
    Object.entries(optional).every((member) => wire[member[0]] === undefined || isOfType(member))
  )
}
