/** Session objects in workerd, for a coordinator that runs in the test: hands each request on to the object it names. */
import { CoatcheckSession, type SessionNamespace } from '../../src/workers/index.ts'

export { CoatcheckSession }

export default {
  async fetch(request: Request, env: { SESSIONS: SessionNamespace }): Promise<Response> {
    const name = request.headers.get('x-object') ?? ''
    const object = env.SESSIONS.get(env.SESSIONS.idFromName(name))
    return object.fetch('https://session.internal/', { method: 'POST', body: await request.text() })
  },
}
