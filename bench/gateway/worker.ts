/** Coatcheck on workerd, under measurement: its sessions in the cookie, the opened ones remembered in the isolate. */
import { worker } from '../../src/workers/index.ts'
import type { SubjectOptions } from './subject.ts'

export default worker<{ SUBJECT: string }>(
  ({ SUBJECT }) => {
    const { baseUrl, issuer, clientId, clientSecret, secret, upstream } = JSON.parse(SUBJECT) as SubjectOptions
    return {
      baseUrl,
      provider: { issuer, clientId, clientSecret },
      session: { secrets: [secret] },
      routes: [{ path: '/api/*', upstream: `${upstream}/v1`, auth: 'session' }],
    }
  },
  { report: () => undefined },
)
