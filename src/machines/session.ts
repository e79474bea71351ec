/** One user at this server: attached, away within the grace time, or gone (SOCP §9.1). */
import { setup } from 'xstate'
import type { PresenceSeq, SessionFact } from '../domain/facts.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { effect, namesOf, type EffectsOf } from './effect.ts'
import type { EventOf, MachineTypes } from './event.ts'

const effects = {
  /** Gossip the USER_ADVERTISE that this attachment names. */
  announceUser: effect<{ readonly user: UserId; readonly seq: PresenceSeq | null }>(),
  /** Cut the socket that carried the attachment before this one. */
  closeReplacedSocket: effect<{ readonly user: UserId }>(),
  /** Record `session.ended` at `at`. */
  armGrace: effect<{ readonly user: UserId; readonly at: number }>(),
  disarmGrace: effect<{ readonly user: UserId }>(),
  /** Gossip the USER_REMOVE that this end names. */
  announceRemoval: effect<{ readonly user: UserId; readonly seq: PresenceSeq | null; readonly why: string }>(),
}
export type SessionEffects = EffectsOf<typeof effects>
/** @public the test of all definitions finds it by its name */
export const sessionEffects = namesOf(effects)

export interface SessionContext {
  readonly user: UserId
  /** Names the last presence event; null before the first. */
  readonly seq: PresenceSeq | null
  /** When the last attachment was made. */
  readonly since: number | null
  readonly proven: boolean
  /** When the user is removed unless they return; null while attached. */
  readonly graceUntil: number | null
  /** Why the session ended or its socket went; empty while attached. */
  readonly why: string
}

const types: MachineTypes<SessionContext, EventOf<SessionFact>> = {}
const session = setup({ types, actions: effects })

const attach = session.assign(({ event }) =>
  event.type === 'session.attached' ? { seq: event.seq, since: event.at, proven: event.proven, graceUntil: null, why: '' } : {},
)
const detach = session.assign(({ event }) => ({
  graceUntil: event.at + limits.graceMs,
  why: event.type === 'session.detached' ? event.why : 'restart',
}))
const end = session.assign(({ event }) => (event.type === 'session.ended' ? { seq: event.seq, graceUntil: null, why: event.why } : {}))

type Args = { readonly context: SessionContext; readonly event: EventOf<SessionFact> }
const user = ({ context }: Args) => ({ user: context.user })
const disarmGrace = { type: 'disarmGrace', params: user } as const

export const sessionMachine = session.createMachine({
  id: 'session',
  // the address was made from an id that the parser let through
  context: ({ input }) => ({ user: input.id as UserId, seq: null, since: null, proven: false, graceUntil: null, why: '' }),
  initial: 'absent',
  states: {
    absent: { on: { 'session.attached': 'attached' } },
    attached: {
      entry: [attach, { type: 'announceUser', params: ({ context }) => ({ user: context.user, seq: context.seq }) }],
      on: {
        'session.attached': { target: 'attached', reenter: true, actions: { type: 'closeReplacedSocket', params: user } },
        'session.detached': 'detached',
        'session.ended': 'ended',
        'node.started': 'detached',
      },
    },
    detached: {
      entry: [detach, { type: 'armGrace', params: ({ context, event }) => ({ user: context.user, at: context.graceUntil ?? event.at }) }],
      on: {
        'session.attached': { target: 'attached', actions: disarmGrace },
        'session.ended': { target: 'ended', actions: disarmGrace },
        // nobody could return while the node was down, so the grace time begins anew
        'node.started': { target: 'detached', reenter: true },
      },
    },
    ended: {
      type: 'final',
      entry: [
        end,
        {
          type: 'announceRemoval',
          params: ({ context }) => ({ user: context.user, seq: context.seq, why: context.why }),
        },
      ],
    },
  },
})
