/** Names of fields by which servers behind a proxy are told who calls, from where, and what is meant. */

/** What proxies, clouds, identity-aware gateways and frameworks trust, and what would be taken for another request. */
export const usualNames = [
  ...['X-User', 'X-User-Id', 'X-User-Name', 'X-User-Email', 'X-User-Roles', 'X-Username', 'X-Email', 'X-Groups'],
  ...['X-Roles', 'X-Userinfo', 'X-Preferred-Username', 'X-Remote-User', 'Remote-User', 'Remote-Addr'],
  ...['X-Authenticated-User', 'X-Authenticated-Userid', 'X-Auth-Request-User', 'X-Auth-Request-Email', 'X-Auth-Token'],
  ...['X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Groups', 'X-Forwarded-Access-Token', 'X-Forwarded-Prefix'],
  ...['X-Goog-Authenticated-User-Email', 'X-Goog-Iap-Jwt-Assertion', 'X-Amzn-Oidc-Identity', 'X-Amzn-Oidc-Data'],
  ...['X-Ms-Client-Principal', 'X-Ms-Client-Principal-Id', 'X-Ms-Token-Aad-Access-Token', 'Cf-Access-Jwt-Assertion'],
  ...['Cf-Access-Authenticated-User-Email', 'X-Jwt-Assertion', 'X-Access-Token', 'X-Id-Token', 'X-Token-Subject'],
  ...['Client-Cert', 'X-Client-Cert', 'X-Client-Dn', 'X-Client-Verify', 'X-Ssl-Client-Cert', 'Ssl-Client-Verify'],
  ...['X-Real-Ip', 'X-Client-Ip', 'True-Client-Ip', 'X-Cluster-Client-Ip', 'Forwarded', 'Via', 'From'],
  ...['X-Original-Url', 'X-Rewrite-Url', 'X-Http-Method-Override', 'X-Method-Override', 'X-Middleware-Subrequest'],
  ...['Proxy-Authorization', 'DPoP', 'X-Envoy-Original-Path'],
  // Authelia, Apache's mod_auth_openidc, Kubernetes, Tailscale.
  ...['Remote-Name', 'Remote-Email', 'Remote-Groups', 'OIDC-Claim-Sub', 'OIDC-Access-Token', 'X-Remote-Group'],
  ...[
    'Impersonate-User',
    'Impersonate-Group',
    'Impersonate-Extra-Scopes',
    'X-Remote-Extra-Scopes',
    'Tailscale-User-Login',
  ],
  // Kong, Grafana, Hasura, authentik, Pomerium, Google's and Istio's gateways.
  ...['X-Consumer-Id', 'X-Consumer-Username', 'X-Anonymous-Consumer', 'X-Credential-Identifier', 'X-Webauth-User'],
  ...['X-Hasura-Role', 'X-Hasura-User-Id', 'X-Authentik-Username', 'X-Pomerium-Jwt-Assertion', 'X-Jwt-Payload'],
  ...['X-Apigateway-Api-Userinfo', 'X-Endpoint-Api-Userinfo', 'X-Authorization'],
  ...['X-Userid', 'X-Sub', 'X-Subject', 'X-Tenant-Id', 'X-User-Groups', 'X-User-Info', 'X-User-Claims'],
] as const

/** Names that only look alike, and that a page may well send. */
export const ordinaryNames = [
  ...[
    'X-User-Agent-Hint',
    'X-Requested-With',
    'X-Request-Id',
    'X-Tenant',
    'X-Subscription',
    'X-Api-Version',
    'X-Users',
  ],
  ...['X-Credentials-Mode', 'X-Remotely', 'X-Consumers', 'Oidcless', 'Remoteness', 'X-Oidc-State', 'X-Authored-At'],
] as const
