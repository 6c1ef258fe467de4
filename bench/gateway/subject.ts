/** One Node process under measurement. Says when it is ready; ends, and writes its profile, when it is told anything. */
import { coatcheck } from './coatcheck.ts'
import { startRaw } from './raw-node.ts'

export interface SubjectOptions {
  readonly name: string
  readonly port: number
  readonly baseUrl: string
  readonly upstream: string
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly secret: string
  readonly sqliteFile: string
  readonly redisUrl: string
}

const subject = JSON.parse(process.env.BENCH_SUBJECT ?? '') as SubjectOptions

async function start(): Promise<void> {
  if (subject.name === 'raw-node') return startRaw(subject.port, subject.upstream)
  if (subject.name.startsWith('coatcheck')) return coatcheck(subject)
  // Only here: what is not measured takes no memory.
  const peers = await import('./peers.ts')
  switch (subject.name) {
    case 'hono-proxy-iron-session':
      return peers.startHonoProxyIronSession(subject)
    case 'express-openid-connect':
      return peers.startExpressOpenidConnect(subject)
    case 'hono-oidc-auth':
      return peers.startHonoOidcAuth(subject)
    default:
      throw new Error(`nothing is called ${subject.name}`)
  }
}

await start()
process.on('message', () => process.exit())
process.send?.('ready')
