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
    l: session.isRefreshLost ? 1 : undefined,
  })
}

/** Takes only what `encodeSession` made and a seal kept authentic. Undefined for another format. */
export function decodeSession(text: string): Session | undefined {
  const wire = JSON.parse(text)
  if (wire.f !== formatVersion) return undefined
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
  }
}
