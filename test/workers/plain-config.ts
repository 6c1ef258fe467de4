/** A right configuration of an app on this port, as plain data. */
import type { UserConfig } from '../../src/config/user-config.ts'
import { testSecret } from '../support/system.ts'

export function plainConfig(port: number, changes: Partial<UserConfig> = {}): UserConfig {
  return {
    baseUrl: `http://localhost:${port}`,
    provider: { issuer: 'http://127.0.0.1:9', clientId: 'app', clientSecret: 'a-client-secret-of-a-test' },
    session: { secrets: [testSecret] },
    routes: [],
    ...changes,
  }
}
