/** The Worker's log: what just happens is `log` there, and what somebody should look at is `error`. */
import { type CoatcheckEvent, eventLine, type Report } from '../observability/events.ts'

const news: ReadonlySet<CoatcheckEvent['event']> = new Set([
  'login_succeeded',
  'session_refreshed',
  'session_ended',
  'logout_token_accepted',
  'client_token_used',
  'calls_refused',
])

export const reportToLog: Report = (event) => {
  if (news.has(event.event)) console.log(eventLine(event))
  else console.error(eventLine(event))
}
