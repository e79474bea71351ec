/** One peer link: resting until it may redial, dialling, or linked, whatever number of sockets carries it (SOCP §11). */
import { setup } from 'xstate'
import type { LinkFact } from '../domain/facts.ts'
import type { ServerId } from '../protocol/ids.ts'
import { backoff, backoffMs } from './backoff.ts'
import { effect, namesOf, type EffectsOf } from './effect.ts'
import type { EventOf, MachineTypes } from './event.ts'

/** A link that lived shorter than this counts as one more failure, so that a peer that accepts and hangs up is not redialled for ever. */
export const steadyMs = 10_000

const effects = {
  /** Dial at `at` plus jitter. */
  armRedial: effect<{ readonly server: ServerId; readonly at: number }>(),
  disarmRedial: effect<{ readonly server: ServerId }>(),
  /** Send the advertisements of all users attached here to this peer. */
  announceUsers: effect<{ readonly server: ServerId }>(),
  /** What was heard from this peer about its users may be out of date. */
  markSuspect: effect<{ readonly server: ServerId }>(),
  /** Cut what sockets are left to this peer. */
  closeSockets: effect<{ readonly server: ServerId }>(),
}
export type LinkEffects = EffectsOf<typeof effects>
export const linkEffects = namesOf(effects)

export interface LinkContext {
  readonly server: ServerId
  /** Failures in a row, and when the first of them was. */
  readonly failures: number
  readonly failingSince: number | null
  /** When to dial again; null unless resting after something happened. */
  readonly redialAt: number | null
  /** Of the live link; null, false and empty when there is none. */
  readonly since: number | null
  readonly direction: 'dialled' | 'accepted' | null
  readonly proven: boolean
  readonly caps: readonly string[]
}

const unlinked = { since: null, direction: null, proven: false, caps: [] } as const

const types: MachineTypes<LinkContext, EventOf<LinkFact>> = {}
const link = setup({ types, actions: effects })

const countFailure = link.assign(({ context, event }) => {
  const steady = context.since !== null && event.at - context.since >= steadyMs
  const failures = steady ? 1 : context.failures + 1
  const failingSince = steady ? event.at : (context.failingSince ?? event.at)
  return { ...unlinked, failures, failingSince, redialAt: event.at + backoffMs(failures, event.at - failingSince) }
})

// whatever failed before the restart, the peers are tried again within a second
const startAfresh = link.assign(({ event }) => ({
  ...unlinked,
  failures: 0,
  failingSince: null,
  redialAt: event.at + backoff.firstMs,
}))

const noteLink = link.assign(({ context, event }) =>
  event.type === 'link.linked'
    ? { redialAt: null, since: context.since ?? event.at, direction: event.direction, proven: event.proven, caps: event.caps }
    : {},
)

type Args = { readonly context: LinkContext; readonly event: EventOf<LinkFact> }
const server = ({ context }: Args) => ({ server: context.server })
const disarmRedial = { type: 'disarmRedial', params: server } as const
const markSuspect = { type: 'markSuspect', params: server } as const
const closeSockets = { type: 'closeSockets', params: server } as const
const armRedial = {
  type: 'armRedial',
  params: ({ context, event }: Args) => ({ server: context.server, at: context.redialAt ?? event.at }),
} as const

export const linkMachine = link.createMachine({
  id: 'link',
  context: ({ input }) => ({
    // the address was made from an id that the parser let through
    server: input.id as ServerId,
    failures: 0,
    failingSince: null,
    redialAt: null,
    ...unlinked,
  }),
  initial: 'resting',
  on: {
    // sockets do not survive a restart, nor does what was known about the peer's users
    'node.started': { target: '.resting', actions: [startAfresh, markSuspect, armRedial] },
    // accepted in any state: a peer may dial us while we rest, dial or think ourselves linked (it restarted before we noticed)
    'link.linked': { target: '.linked', actions: noteLink },
    'link.forgotten': '.forgotten',
  },
  states: {
    resting: { on: { 'link.dialled': 'dialling' } },
    dialling: {
      entry: [link.assign({ redialAt: null }), disarmRedial],
      on: {
        'link.failed': { target: 'resting', actions: [countFailure, armRedial] },
        'link.closed': { target: 'resting', actions: [countFailure, armRedial] },
      },
    },
    linked: {
      entry: [disarmRedial, { type: 'announceUsers', params: server }],
      on: {
        'link.closed': { target: 'resting', actions: [countFailure, markSuspect, armRedial] },
        'link.silent': { target: 'resting', actions: [countFailure, closeSockets, markSuspect, armRedial] },
      },
    },
    forgotten: { type: 'final', entry: [disarmRedial, closeSockets] },
  },
})
