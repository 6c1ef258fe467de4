/** Names of request header fields that an operator may let through to an upstream. */
import * as v from 'valibot'
import { type Field, mistake, wanted } from './read-object.ts'

/** RFC 9110 §5.6.2 token. */
const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** What would tell a server behind us who calls, from where, and what is meant (SEC-5), and what is ours to say. */
const neverForwarded: ReadonlySet<string> = new Set(
  [
    // Credentials: the browser's never pass, ours are set here (BFF-11).
    'authorization client-cert client-cert-chain cookie cookie2 dpop set-cookie x-csrf',
    'x-access-token x-client-cert x-client-dn x-client-verify x-id-token x-jwt-assertion',
    // The connection and its framing (RFC 9110 §7.6.1).
    'alt-used connection content-length early-data expect host http2-settings keep-alive max-forwards te trailer',
    'transfer-encoding upgrade',
    // Where the request comes from.
    'client-ip fastly-client-ip forwarded from origin purpose referer remote-addr service-worker true-client-ip via',
    'x-client-ip x-cluster-client-ip x-moz x-proxyuser-ip x-purpose x-real-ip x-remote-addr x-remote-ip',
    // Who the caller is, as gateways tell it.
    'remote-user x-email x-groups x-preferred-username x-roles x-token-subject x-user x-user-email x-user-id',
    'x-user-name x-user-roles x-userinfo x-username',
    // What the request is: another method, another target.
    'x-host x-http-host-override x-http-method x-http-method-override x-method-override x-override-url x-rewrite-url',
    'x-sendfile-type',
  ].flatMap((names) => names.split(' ')),
)

const neverForwardedPrefixes: readonly string[] = [
  ...['access-control-', 'cf-', 'proxy-', 'remote-user-', 'sec-', 'ssl-client-', 'x-accel-', 'x-amzn-oidc-'],
  ...['x-appengine-', 'x-auth-', 'x-authenticated-', 'x-client-cert-', 'x-envoy-', 'x-forwarded'],
  ...['x-goog-authenticated-', 'x-goog-iap-', 'x-ms-client-principal', 'x-ms-token-', 'x-original-'],
  ...['x-remote-user', 'x-ssl-', 'x-tls-'],
  // Next.js trusts it to skip its own checks (CVE-2025-29927).
  'x-middleware-',
]

/** True for a field (lower-case name) that no configuration can let through. */
export function isNeverForwarded(name: string): boolean {
  return neverForwarded.has(name) || neverForwardedPrefixes.some((prefix) => name.startsWith(prefix))
}

/** Gives the name in lower case. */
export function requestHeaderName(): Field<string> {
  return v.pipe(
    v.string(wanted('a string', 'write the name of a header field, such as x-request-id')),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      if (!token.test(dataset.value)) {
        addIssue({ message: mistake('is not the name of a header field', 'write a name such as x-request-id') })
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
