/** One peer link: resting until it may redial, dialling, linked, or refused, whatever number of sockets carries it (SOCP §11). */
import { setup } from 'xstate'
import type { LinkFact } from '../domain/facts.ts'
import { DIGEST_CAP } from '../domain/standing.ts'
import type { ServerId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { backoff, backoffMs } from './backoff.ts'
import { effect, namesOf, type EffectsOf } from './effect.ts'
import type { EventOf, MachineTypes } from './event.ts'

/** A link that lived shorter than this counts as one more failure, so that a peer that accepts and hangs up is not redialled for ever. */
export const steadyMs = 10_000

/**
 * Wrong answers: after `restAfter` the peer is left alone for `backoff.patientMs` at a time, after `refuseAfter` of its own it is refused
 * for `refuseMs`. They are forgiven when none came for `forgiveMs`.
 */
export const wrong = { restAfter: 3, refuseAfter: 10, forgiveMs: 600_000, refuseMs: 3_600_000 } as const

const effects = {
  /** Dial at `at` plus jitter. */
  armRedial: effect<{ readonly server: ServerId; readonly at: number }>(),
  disarmRedial: effect<{ readonly server: ServerId }>(),
  /** Let this peer know of all users attached here, and find out about its own. */
  announceUsers: effect<{ readonly server: ServerId }>(),
  /** How sure we are of this peer's users may have changed: tell whom it concerns. */
  tellStanding: effect<{ readonly server: ServerId }>(),
  /** Record `link.lapsed` at `at` unless the peer's users were confirmed by then. */
  armLapse: effect<{ readonly server: ServerId; readonly at: number }>(),
  disarmLapse: effect<{ readonly server: ServerId }>(),
  /** Cut what sockets are left to this peer. */
  closeSockets: effect<{ readonly server: ServerId }>(),
}
export type LinkEffects = EffectsOf<typeof effects>
/** @public the test of all definitions finds it by its name */
export const linkEffects = namesOf(effects)

export interface LinkContext {
  readonly server: ServerId
  /** Failures in a row, and when the first of them was. */
  readonly failures: number
  readonly failingSince: number | null
  /** When to dial again; null unless resting or refused after something happened. */
  readonly redialAt: number | null
  /** Since when there has been no link, restarts or not; null while there is one. */
  readonly apartSince: number | null
  /** When the peer's users are no longer listed unless they were confirmed by then; null while nothing is in doubt. */
  readonly lapseAt: number | null
  /** Wrong answers, none long after the one before, and when the last one came. */
  readonly wrongs: number
  readonly wrongAt: number | null
  /** Of the live link; null, false and empty when there is none. */
  readonly since: number | null
  readonly direction: 'dialled' | 'accepted' | null
  readonly proven: boolean
  readonly caps: readonly string[]
}

const unlinked = { since: null, direction: null, proven: false, caps: [] } as const

const types: MachineTypes<LinkContext, EventOf<LinkFact>> = {}
const link = setup({ types, actions: effects })

/** A peer that answers wrongly again and again is dialled as one that has failed for long. */
const waitMs = (failures: number, failingMs: number, wrongs: number): number =>
  wrongs >= wrong.restAfter ? backoff.patientMs : backoffMs(failures, failingMs)

const countFailure = link.assign(({ context, event }) => {
  const steady = context.since !== null && event.at - context.since >= steadyMs
  const failures = steady ? 1 : context.failures + 1
  const failingSince = steady ? event.at : (context.failingSince ?? event.at)
  // a steady link without a wrong answer forgives those of before
  const wrongs = steady && (context.wrongAt ?? 0) < context.since ? 0 : context.wrongs
  return { ...unlinked, failures, failingSince, wrongs, redialAt: event.at + waitMs(failures, event.at - failingSince, wrongs) }
})

const countWrong = link.assign(({ context, event }) => ({
  wrongs: context.wrongAt !== null && event.at - context.wrongAt < wrong.forgiveMs ? context.wrongs + 1 : 1,
  wrongAt: event.at,
}))

const beginDoubt = link.assign(({ context, event }) => ({
  apartSince: context.apartSince ?? event.at,
  lapseAt: context.lapseAt ?? event.at + limits.graceMs,
}))

// whatever failed before the restart, the peers are tried again within a second; nobody could confirm anything while we were down
const startAfresh = link.assign(({ context, event }) => ({
  ...unlinked,
  failures: 0,
  failingSince: null,
  redialAt: event.at + waitMs(1, 0, context.wrongs),
  apartSince: context.apartSince ?? event.at,
  lapseAt: event.at + limits.graceMs,
}))

const noteLink = link.assign(({ context, event }) =>
  event.type === 'link.linked'
    ? {
        redialAt: null,
        apartSince: null,
        // of a peer that compares digests the doubt ends when it has
        lapseAt: event.caps.includes(DIGEST_CAP) ? context.lapseAt : null,
        since: context.since ?? event.at,
        direction: event.direction,
        proven: event.proven,
        caps: event.caps,
      }
    : {},
)

const noteGreeting = link.assign(({ context, event }) =>
  context.wrongs >= wrong.restAfter ? {} : { failures: 0, failingSince: null, redialAt: context.redialAt === null ? null : event.at },
)

const noteRefusal = link.assign(({ event }) => (event.type === 'link.refused' ? { ...unlinked, redialAt: event.until } : {}))
const clearDoubt = link.assign({ lapseAt: null })

type Args = { readonly context: LinkContext; readonly event: EventOf<LinkFact> }
const server = ({ context }: Args) => ({ server: context.server })
const disarmRedial = { type: 'disarmRedial', params: server } as const
const tellStanding = { type: 'tellStanding', params: server } as const
const closeSockets = { type: 'closeSockets', params: server } as const
const disarmLapse = { type: 'disarmLapse', params: server } as const
const armRedial = {
  type: 'armRedial',
  params: ({ context, event }: Args) => ({ server: context.server, at: context.redialAt ?? event.at }),
} as const
const armLapse = {
  type: 'armLapse',
  params: ({ context, event }: Args) => ({ server: context.server, at: context.lapseAt ?? event.at }),
} as const

export const linkMachine = link.createMachine({
  id: 'link',
  context: ({ input }) => ({
    // the address was made from an id that the parser let through
    server: input.id as ServerId,
    failures: 0,
    failingSince: null,
    redialAt: null,
    apartSince: null,
    lapseAt: null,
    wrongs: 0,
    wrongAt: null,
    ...unlinked,
  }),
  initial: 'resting',
  on: {
    // sockets do not survive a restart, nor does what was known about the peer's users
    'node.started': { target: '.resting', actions: [startAfresh, tellStanding, armLapse, armRedial] },
    // accepted in any state: a peer may dial us while we rest, dial or think ourselves linked (it restarted before we noticed)
    'link.linked': { target: '.linked', actions: noteLink },
    'link.refused': { target: '.refused', actions: [beginDoubt, noteRefusal] },
    'link.lapsed': { actions: [clearDoubt, tellStanding] },
    'link.synced': { actions: [clearDoubt, disarmLapse, tellStanding] },
    'link.forgotten': '.forgotten',
  },
  states: {
    resting: { on: { 'link.dialled': 'dialling', 'link.greeted': { actions: [noteGreeting, armRedial] } } },
    dialling: {
      entry: [link.assign(({ context, event }) => ({ redialAt: null, apartSince: context.apartSince ?? event.at })), disarmRedial],
      on: {
        'link.failed': { target: 'resting', actions: [countFailure, armRedial] },
        'link.closed': { target: 'resting', actions: [countFailure, armRedial] },
        'link.wronged': { target: 'resting', actions: [countWrong, countFailure, armRedial] },
        'link.greeted': { actions: noteGreeting },
      },
    },
    linked: {
      entry: [disarmRedial, tellStanding, { type: 'announceUsers', params: server }],
      on: {
        'link.closed': { target: 'resting', actions: [countFailure, beginDoubt, tellStanding, armLapse, armRedial] },
        'link.silent': { target: 'resting', actions: [countFailure, beginDoubt, closeSockets, tellStanding, armLapse, armRedial] },
        // what it broke is its socket, which is closed for it
        'link.wronged': { actions: countWrong },
      },
    },
    // like a member that was never there, until its time is over
    refused: {
      entry: [closeSockets, tellStanding, armLapse, armRedial],
      on: { 'link.dialled': 'dialling', 'node.started': { target: 'refused', reenter: true } },
    },
    forgotten: { type: 'final', entry: [disarmRedial, disarmLapse, closeSockets] },
  },
})

/** What follows from one more wrong answer: of one that was proven to be the peer's, in the end it is let in no more. */
export const decideWrong = (context: LinkContext, why: string, proven: boolean, at: number): readonly LinkFact[] => {
  const { server: peer, wrongs, wrongAt } = context
  const again = wrongAt !== null && at - wrongAt < wrong.forgiveMs ? wrongs + 1 : 1
  const wronged = { type: 'link.wronged', server: peer, why } as const
  return proven && again >= wrong.refuseAfter ? [wronged, { type: 'link.refused', server: peer, until: at + wrong.refuseMs }] : [wronged]
}
