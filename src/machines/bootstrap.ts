/** Joining the mesh: one introducer after the other is asked until one welcomes us (SOCP §8.1). */
import { setup } from 'xstate'
import type { BootstrapFact } from '../domain/facts.ts'
import type { ServerId } from '../protocol/ids.ts'
import { backoffMs } from './backoff.ts'
import { effect, namesOf, type EffectsOf } from './effect.ts'
import type { EventOf, MachineTypes } from './event.ts'

const effects = {
  /** Ask again at `at` plus jitter: the introducer at `next` modulo the length of the list. */
  armRetry: effect<{ readonly at: number; readonly next: number }>(),
  disarmRetry: effect<object>(),
}
export type BootstrapEffects = EffectsOf<typeof effects>
/** @public the test of all definitions finds it by its name */
export const bootstrapEffects = namesOf(effects)

export interface BootstrapContext {
  /** Whom to ask next, counted up without end; whoever asks takes it modulo the length of the list. */
  readonly next: number
  /** Whom we asked last, as host:port; whom we joined through. */
  readonly asked: string | null
  readonly introducer: ServerId | null
  /** Failures in a row, and when the first of them was. */
  readonly failures: number
  readonly failingSince: number | null
  readonly retryAt: number | null
}

const types: MachineTypes<BootstrapContext, EventOf<BootstrapFact>> = {}
const bootstrap = setup({ types, actions: effects })

const fresh = { failures: 0, failingSince: null, retryAt: null } as const

const noteAsked = bootstrap.assign(({ event }) => (event.type === 'bootstrap.asked' ? { asked: event.introducer, retryAt: null } : {}))
const countFailure = bootstrap.assign(({ context, event }) => {
  const failures = context.failures + 1
  const failingSince = context.failingSince ?? event.at
  return { next: context.next + 1, failures, failingSince, retryAt: event.at + backoffMs(failures, event.at - failingSince) }
})
const noteJoined = bootstrap.assign(({ event }) => (event.type === 'bootstrap.joined' ? { ...fresh, introducer: event.introducer } : {}))

const disarmRetry = { type: 'disarmRetry', params: {} } as const

export const bootstrapMachine = bootstrap.createMachine({
  id: 'bootstrap',
  context: { next: 0, asked: null, introducer: null, ...fresh },
  initial: 'alone',
  on: {
    // the node asks by itself when it comes up; it begins with the introducer after the one that failed last
    'node.started': { target: '.alone', actions: bootstrap.assign({ ...fresh, asked: null, introducer: null }) },
  },
  states: {
    alone: { on: { 'bootstrap.asked': 'asking' } },
    asking: {
      entry: noteAsked,
      on: { 'bootstrap.failed': 'waiting', 'bootstrap.joined': 'joined' },
    },
    waiting: {
      entry: [
        countFailure,
        {
          type: 'armRetry',
          params: ({ context, event }) => ({ at: context.retryAt ?? event.at, next: context.next }),
        },
      ],
      exit: disarmRetry,
      on: { 'bootstrap.asked': 'asking', 'bootstrap.joined': 'joined' },
    },
    // whoever lost every link asks again
    joined: { entry: noteJoined, on: { 'bootstrap.asked': 'asking' } },
  },
})
