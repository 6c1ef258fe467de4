/** Peers that are no Node programs: nginx, Apache with mod_auth_openidc, and workerd. Each on loopback, by a configuration of its own. */
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { startWorkerd } from '../../test/support/workerd.ts'
import { isInstalled, pin, startProgram } from './processes.ts'
import type { SubjectOptions } from './subject.ts'

export interface ServerOptions extends SubjectOptions {
  /** Where it keeps what it writes. */
  readonly folder: string
  readonly core: number
}

const apacheModules = '/usr/lib/apache2/modules'
const workers = 'threads and connections enough for the load'

/** What is missing for it, as a sentence; undefined where it can run. */
export function missingFor(name: string): string | undefined {
  if (name === 'nginx' && !isInstalled('nginx')) return 'nginx is not installed (apt-get install -y nginx)'
  if (name !== 'mod-auth-openidc') return undefined
  if (isInstalled('apache2') && existsSync(`${apacheModules}/mod_auth_openidc.so`)) return undefined
  return 'mod_auth_openidc is not installed (apt-get install -y apache2 libapache2-mod-auth-openidc)'
}

/** `proxy_pass` with a fixed token: what no session costs, in C. */
export async function startNginx({ folder, port, upstream, core }: ServerOptions): Promise<ChildProcess> {
  const file = path.join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ')
  await writeFile(
    file,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/errors.log error;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary} keepalive_requests 1000000000; keepalive_timeout 300s;
      upstream api { server ${new URL(upstream).host}; keepalive 64; keepalive_requests 1000000000; }
      server {
        listen 127.0.0.1:${port};
        location /api/ {
          proxy_pass http://api/v1/; proxy_http_version 1.1; proxy_max_temp_file_size 0;
          proxy_set_header Connection ''; proxy_set_header Cookie '';
          proxy_set_header Authorization 'Bearer ${'t'.repeat(700)}';
        }
      }
    }`,
  )
  return startProgram('nginx', ['-p', folder, '-c', file, '-e', path.join(folder, 'errors.log')], core)
}

/** Its sessions in the client's cookie, as ours are. */
export async function startApache(options: ServerOptions): Promise<ChildProcess> {
  const { folder, port, upstream, core } = options
  const file = path.join(folder, 'apache.conf')
  const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'auth_openidc', 'env', 'headers', 'proxy']
  const loads = [...modules, 'proxy_http'].map((name) => `LoadModule ${name}_module ${apacheModules}/mod_${name}.so`)
  const isRoot = process.getuid?.() === 0
  await writeFile(
    file,
    `${loads.join('\n')}
    ServerName localhost
    ServerRoot ${folder}
    DefaultRuntimeDir ${folder}
    PidFile ${folder}/apache.pid
    ErrorLog ${folder}/errors.log
    LogLevel error
    Listen 127.0.0.1:${port}
    ${isRoot ? 'User www-data\nGroup www-data' : ''}
    # One process; ${workers}.
    ServerLimit 1
    StartServers 1
    ThreadsPerChild 64
    MaxRequestWorkers 64
    KeepAlive On
    KeepAliveTimeout 300
    MaxKeepAliveRequests 0
    OIDCProviderMetadataURL ${options.issuer}/.well-known/openid-configuration
    OIDCClientID ${options.clientId}
    OIDCClientSecret ${options.clientSecret}
    OIDCRedirectURI ${options.baseUrl}/bff/callback
    OIDCCryptoPassphrase ${options.secret}
    OIDCSessionType client-cookie
    # It is signed in to before all slices; the default ends its session before its turn.
    OIDCSessionInactivityTimeout 14400
    OIDCPKCEMethod S256
    OIDCScope "openid offline_access"
    OIDCPassClaimsAs environment
    <Location />
      AuthType openid-connect
      Require valid-user
    </Location>
    <Location /api/>
      RequestHeader unset Cookie
      RequestHeader set Authorization "Bearer %{OIDC_access_token}e"
      ProxyPass ${upstream}/v1/ max=64 ttl=300
    </Location>`,
  )
  return startProgram('apache2', ['-f', file, '-DFOREGROUND'], core)
}

/** Workerd's own process: the isolate and what carries its requests. */
export async function startWorker({ core, folder: _, ...subject }: ServerOptions): Promise<ChildProcess> {
  const file = subject.name === 'raw-workerd' ? './raw-worker.ts' : './worker.ts'
  const entry = new URL(file, import.meta.url)
  const vars = { SUBJECT: JSON.stringify(subject) }
  const { child } = await startWorkerd([{ name: subject.name, entry, vars }], subject.port)
  pin(child.pid, core)
  return child
}

/** A folder that a server which gave up root may still use. */
export async function folderFor(parent: string, name: string): Promise<string> {
  const folder = path.join(parent, name)
  await mkdir(folder)
  await chmod(parent, 0o755)
  await chmod(folder, 0o777)
  return folder
}
