/** Names of request header fields: which an operator may let through to an upstream, and which never pass. */
import * as v from 'valibot'
import { type Field, mistake, wanted } from './read-object.ts'

/** What would tell a server behind us who calls, from where, and what is meant (SEC-5), and what is ours to say. */
const neverForwarded: ReadonlySet<string> = new Set(
  [
    // Credentials: the browser's never pass, ours are set here (BFF-11).
    'authorization client-cert client-cert-chain cookie cookie2 dpop set-cookie x-csrf',
    'x-access-token x-authorization x-client-cert x-client-dn x-client-verify x-id-token',
    // The connection and its framing (RFC 9110 §7.6.1).
    'alt-used connection content-length early-data expect host http2-settings keep-alive max-forwards te trailer',
    'transfer-encoding upgrade',
    // Where the request comes from.
    'client-ip fastly-client-ip forwarded from origin purpose referer service-worker true-client-ip via',
    'x-client-ip x-cluster-client-ip x-moz x-proxyuser-ip x-purpose x-real-ip',
    // Who the caller is, as gateways tell it. Not all that begins with x-user-: a page may speak of its user agent.
    'x-anonymous-consumer x-apigateway-api-userinfo x-email x-endpoint-api-userinfo x-groups x-preferred-username x-roles',
    'x-sub x-subject x-tenant-id x-token-subject x-user x-user-claims x-user-email x-user-groups x-user-id x-user-info',
    'x-user-name x-user-roles x-userid x-userinfo x-username',
    // What the request is: another method, another target.
    'x-host x-http-host-override x-http-method x-http-method-override x-method-override x-override-url x-rewrite-url',
    'x-sendfile-type',
  ].flatMap((names) => names.split(' ')),
)

const neverForwardedPrefixes: readonly string[] = [
  ...['access-control-', 'cf-', 'impersonate-', 'oidc-', 'proxy-', 'remote-', 'sec-', 'ssl-client-', 'tailscale-'],
  ...['x-accel-', 'x-amzn-oidc-', 'x-appengine-', 'x-auth-', 'x-authenticated-', 'x-authentik-', 'x-client-cert-'],
  ...['x-consumer-', 'x-credential-', 'x-envoy-', 'x-forwarded', 'x-goog-authenticated-', 'x-goog-iap-', 'x-hasura-'],
  ...['x-jwt-', 'x-ms-client-principal', 'x-ms-token-', 'x-original-', 'x-pomerium-', 'x-remote-', 'x-ssl-', 'x-tls-'],
  'x-webauth-',
  // Next.js trusts it to skip its own checks (CVE-2025-29927).
  'x-middleware-',
]

/** True for a field (lower-case name) that no configuration can let through. */
export function isNeverForwarded(name: string): boolean {
  if (neverForwarded.has(name) || !isPlainName(name)) return true
  return neverForwardedPrefixes.some((prefix) => name.startsWith(prefix))
}

/** A lower-case name of letters, digits and hyphens; what CGI-like servers could mistake for another name is not one. */
export function isPlainName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    if (code >= 0x61 && code <= 0x7a) continue
    if (code !== 0x2d && (code < 0x30 || code > 0x39)) return false
  }
  return name.length > 0
}

/** Gives the name in lower case. */
export function requestHeaderName(): Field<string> {
  return v.pipe(
    v.string(wanted('a string', 'write the name of a header field, such as x-request-id')),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      if (!isPlainName(dataset.value.toLowerCase())) {
        const cure = 'write a name of letters, digits and hyphens, such as x-request-id'
        addIssue({ message: mistake('is not the name of a header field that can pass', cure) })
      } else if (isNeverForwarded(dataset.value.toLowerCase())) {
        addIssue({
          message: mistake(
            `names ${dataset.value}, which never passes: an upstream would take it for ours`,
            'leave it out; the hook onUpstreamRequest sets fields of your own',
          ),
        })
      }
    }),
    v.transform((name) => name.toLowerCase()),
  )
}
