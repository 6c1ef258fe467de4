/** A coordinator in workerd whose objects do not answer: says how a call to it ends. */
import { CoatcheckError } from '../../src/errors.ts'
import { durableObjectCoordinator, type SessionNamespace } from '../../src/workers/index.ts'

/** Longer than any test. */
const silentMs = 120_000

export class SilentObject {
  async fetch(): Promise<Response> {
    await new Promise((resolve) => setTimeout(resolve, silentMs))
    return new Response('null')
  }
}

export default {
  async fetch(_request: Request, env: { SESSIONS: SessionNamespace }): Promise<Response> {
    const coordinator = durableObjectCoordinator(env.SESSIONS)
    const asked = await Promise.allSettled([coordinator.read('s'), coordinator.acquireLease('s', 1000)])
    const codes = asked.map((one) =>
      one.status === 'rejected' && one.reason instanceof CoatcheckError ? one.reason.code : one.status,
    )
    return Response.json(codes)
  },
}
