/**
 * Orders of events that were found to break something, kept. Each is shown to bite by a version of the protocol that it
 * breaks: the one that was found wanting.
 */

import { naive } from './naive.ts'
import type { Variation } from './process.ts'
import type { Setup } from './scene.ts'
import type { Choice } from './world.ts'

export interface Example {
  readonly name: string
  readonly choices: readonly Choice[]
  readonly breaks: () => Variation
  readonly symptom: RegExp
  /** Where it is not that of all. */
  readonly setup?: Partial<Setup>
}

export const exampleSetup: Setup = { seed: 1, skewsMs: [0, 0], graceMs: 0 }

const passable = [1, 1, 3, 5, 16, 30, 40, 50, 61]
const callTo = (process: number): Choice => [60, process - 1]
const signInAt = (process: number): Choice => [94, process - 1]
const logoutAt = (process: number): Choice => [96, process - 1]
const callInOther = (process: number): Choice => [100, process - 1]
/** The first browser ends the session of the other. */
const endOtherAt = (process: number): Choice => [106, 5 + process]
const crash = (process: number): Choice => [86, process - 1]
/** One callback, reloaded until each process has it. */
const signInEverywhere: Choice = [94, 5]
const logoutToken: Choice = [97, 5]
const halfAnHour: Choice = [98, 8]
const stop = (process: number): Choice => [88, process - 1]
const goOn = (process: number): Choice => [90, process - 1]
const pass = (seconds: number): Choice => [77, passable.lastIndexOf(seconds)]
/** Takes so many steps, those first that wait longest. */
const steps = (count: number): Choice[] => Array.from({ length: count }, () => [0, 0] as const)
/** Takes so many, those first that came last. */
const newestSteps = (count: number): Choice[] => Array.from({ length: count }, () => [59, 0] as const)
/** Takes the one that waits longest, with another fate than its first. */
const turnsOut = (fate: number): Choice => [0, 5 + fate]

/** Not the one that waits longest, but the one that stands at this sixtieth of those that are ready. */
const stepAt = (sixtieth: number, fate?: number): Choice => [sixtieth, fate === undefined ? 0 : 5 + fate]

const doneSlowly = 1
const answerLost = 2
const asksForTime = 6
const fails = 2
const isLost = /session \S+ is lost/

export const examples: readonly Example[] = [
  {
    name: 'a process that is stopped before it records its attempt goes on when another has refreshed (R3)',
    choices: [pass(61), callTo(1), ...steps(5), stop(1), callTo(2), pass(40), pass(16), goOn(1)],
    breaks: naive.attemptOfAnyVersion,
    symptom: isLost,
  },
  {
    name: 'a process that is stopped while its answer comes writes it when its lease has gone to another (R5)',
    choices: [
      ...[pass(61), callTo(1), ...steps(6), turnsOut(doneSlowly), stop(1), callTo(2)],
      ...[pass(30), pass(5), pass(3), goOn(1), ...steps(8)],
    ],
    breaks: naive.fence,
    symptom: isLost,
  },
  {
    name: 'a process that is stopped while it sends gives its request up, and another has refreshed before it asks again (R6)',
    choices: [pass(61), callTo(1), ...steps(6), stop(1), callTo(2), pass(40), pass(16), goOn(1)],
    breaks: naive.leaseTakenForGranted,
    symptom: isLost,
  },
  {
    name: 'a session is superseded while it is refreshed, and what that brings is of the same grant (C3)',
    choices: [pass(50), callTo(1), ...steps(1), signInAt(1), pass(61), pass(61)],
    breaks: naive.supersededIsSignedOut,
    symptom: isLost,
  },
  {
    name: 'a late answer puts its cookie over that of a sign-in, and the person signs out: of both (C3)',
    choices: [
      ...[pass(61), callTo(1), ...newestSteps(11), signInAt(1), ...newestSteps(7)],
      ...[...steps(1), logoutAt(1)],
    ],
    breaks: naive.endsWhatTheCookieHolds,
    symptom: /leaves the session that this browser signed in to last/,
  },
  {
    name: 'an answer is lost, and would be there for who asks at once (R7)',
    choices: [pass(61), callTo(1), ...steps(6), turnsOut(answerLost), pass(61)],
    breaks: naive.asksOnce,
    symptom: isLost,
    setup: { graceMs: 10_000 },
  },
  {
    name: 'a person ends the session of the other browser, which was refreshed: its newest refresh token is revoked (S1, E1)',
    choices: [pass(61), callInOther(1), ...steps(11), endOtherAt(1)],
    breaks: naive.knowsNoCopy,
    symptom: /lives on after the sign-out/,
    setup: { cookie: 'ticket', other: 'own grant' },
  },
]

/** What was found once, and has been mended. */
export interface Repaired extends Pick<Example, 'name' | 'choices' | 'setup'> {
  /** The part of its trace that the name speaks of. With a step more or less in the code the choices play something else. */
  readonly plays: RegExp
}

/** Orders that broke an earlier form of the code in a way that no small change of the parts around it makes again. */
export const repaired: readonly Repaired[] = [
  {
    name: 'a call takes until its seal has idled out, and another process has refreshed meanwhile (C2)',
    choices: [callTo(1), ...steps(1), stop(1), pass(40), pass(16), callTo(2), halfAnHour, pass(61), pass(61)],
    plays:
      /p1 reads \S+: done\n[^\n]*p1 is stopped\n.*p2 commits 1 → 2 .*p1 goes on\n[^\n]*API in call 1: done\n[^\n]*p1 reads \S+: done\n[^\n]*call 1 is answered 200 .*answered 401/s,
  },
  {
    name: 'a process is stopped until the seal in its hands has idled out, and with it what is known of its successor (R9)',
    choices: [stop(1), pass(61), callTo(1), callTo(2), halfAnHour, pass(61), pass(16)],
    plays:
      /p1 is stopped\n.*call 1 to p1 .*p2 commits 1 → 2 .*p1 asks for the lease of \S+: done\n[^\n]*p1 reads \S+: done\n[^\n]*p1 gives back the lease/s,
  },
  {
    name: 'a version is written in the moment in which the store fails to say what it knows of a ticket (R5)',
    choices: [pass(61), ...steps(8), callTo(1), ...steps(1), turnsOut(fails)],
    setup: { cookie: 'ticket' },
    plays: /call 2 to p1 [^\n]*\n[^\n]*p1 commits 1 → 2 [^\n]*\n[^\n]*session_refreshed\n[^\n]*p1 reads \S+: fails\n/,
  },
  {
    name: 'a sign-out and a sign-in cross, another sign-in follows, and a late answer comes last (C3)',
    choices: [
      ...[signInAt(1), logoutAt(1), pass(16), callTo(2), ...newestSteps(3), stop(2)],
      ...[pass(50), signInAt(1), pass(16), goOn(2)],
    ],
    plays:
      /sign-in b at p1 is answered 303 (\S+)\n.*call 3 to p2 with \1 .*answer to logout 2: arrives\n.*answer to sign-in c at p1: arrives\n.*answer to call 3: arrives\n.*call \d+ to p1 with \1 version 1\n/s,
  },
  {
    name: 'two processes are stopped until the session has idled out, and the first records an attempt of a version that was spent (R9)',
    choices: [
      ...[pass(61), callTo(1), ...steps(5), stop(1), callTo(2), pass(40), stop(2)],
      ...[callTo(1), pass(61), halfAnHour],
    ],
    plays:
      /p2 commits 1 → 2 .*p2 is stopped\n[^\n]*call 3 to p1 .*p1 records an attempt of 1 .*p1 reads \S+: done\n.*call 3 is answered 503/s,
  },
  {
    name: 'a sign-in that a late answer of an earlier one has put its cookie over, and the provider ends that one (C3)',
    choices: [
      ...[logoutAt(1), signInEverywhere, stepAt(45, fails), stepAt(30), logoutAt(1), ...steps(2), stepAt(12), stop(2)],
      ...[signInAt(1), pass(5), crash(1), pass(61), logoutToken, callTo(1)],
    ],
    setup: { skewsMs: [0, 0, 0] },
    plays:
      /sign-in c at p1 is answered 303 (\S+)\n.*answer to sign-in b at p2: arrives\n.*p3 commits \d+ → \d+ of mark: done\n.*answer to call 7: arrives\n.*call \d+ to p4 with \1 version 2\n.*p4 ends \1: done/s,
  },
  {
    name: 'a call takes until its seal has idled out, and records an attempt of a version that another process has refreshed (C2)',
    choices: [
      ...[pass(50), ...steps(2), pass(3), stop(1), pass(3), callTo(2), pass(5), halfAnHour, pass(40), pass(61)],
    ],
    plays:
      /p2 commits 1 → 2 .*p1 goes on\n[^\n]*API in call 1: done\n[^\n]*p1 records an attempt of 1 .*call 1 is answered 200 .*p1 renews the lease/s,
  },
  {
    name: 'the provider asks for a minute, and the store fails to take the attempt back: it gets that minute (R7)',
    choices: [
      pass(61),
      callTo(1),
      ...steps(6),
      turnsOut(asksForTime),
      turnsOut(fails),
      ...steps(3),
      callTo(1),
      pass(5),
    ],
    plays:
      /answered 503, with Retry-After\n[^\n]*clears the attempt of \S+: fails\n.*call 2 to p1 .*call 2 is answered 503/s,
  },
  {
    name: 'a person ends the session of the other browser while it is refreshed, and both share a grant (C3)',
    choices: [pass(61), endOtherAt(2), callInOther(1)],
    setup: { cookie: 'ticket', other: 'same grant' },
    plays: /p1 sends refresh token b\.1: done\n.*p2 ends (\S+): done\n.*p1 commits 1 → 2 of \1: done\n/s,
  },
  {
    name: 'the provider ends a session by a logout token while two processes would refresh it (E2)',
    choices: [
      ...[pass(50), ...steps(1), callTo(2), ...steps(1), pass(3), ...steps(3), stepAt(40, doneSlowly), logoutToken],
      ...[pass(30), turnsOut(doneSlowly)],
    ],
    plays:
      /a\.1: done, slowly\n.*p2 commits \d+ → \d+ of mark: done\n.*answer to a\.1: arrives\n.*p1 ends \S+: done, slowly\n.*p2 asks for the lease of \S+: done\n[^\n]*p2 reads \S+: done\n[^\n]*p2 gives back/s,
  },
]
