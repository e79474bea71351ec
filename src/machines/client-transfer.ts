/** One file on its way into or out of a client (SOCP §9.4): modes and the stall deadline; the bytes are counted beside it. */
import { setup } from 'xstate'
import { effect, type EffectsOf, namesOf } from './effect.ts'
import type { MachineTypes } from './event.ts'

/** How long a transfer may go without a byte before it fails. */
export const stallMs = 60_000

const effects = {
  /** Look at `at` whether bytes came since; if not, record the failure. */
  armStall: effect<{ readonly at: number }>(),
  disarmStall: effect<object>(),
  /** Remove what was written, and tell the person why. */
  abandonTransfer: effect<{ readonly why: string }>(),
}
export type ClientTransferEffects = EffectsOf<typeof effects>
/** @public the test of all definitions finds it by its name */
export const clientTransferEffects = namesOf(effects)

interface Timed {
  readonly at: number
}
/** The machine needs only these parts of the client's facts; their full shapes stand in `src/client/facts.ts`. */
type ClientTransferEvent = Timed &
  (
    | { readonly type: 'incoming.offered' | 'incoming.saved' | 'outgoing.offered' | 'outgoing.sent' | 'client.started' }
    | { readonly type: 'incoming.failed' | 'outgoing.failed'; readonly why: string }
  )

const types: MachineTypes<object, ClientTransferEvent> = {}
const transfer = setup({ types, actions: effects })

const guarded = {
  entry: { type: 'armStall', params: ({ event }: { readonly event: ClientTransferEvent }) => ({ at: event.at + stallMs }) },
  exit: { type: 'disarmStall', params: {} },
} as const

export const clientTransferMachine = transfer.createMachine({
  id: 'client-transfer',
  context: {},
  initial: 'absent',
  states: {
    absent: { on: { 'incoming.offered': 'receiving', 'outgoing.offered': 'sending' } },
    // v1.3 cannot resume a file, so a restart ends it
    receiving: { ...guarded, on: { 'incoming.saved': 'done', 'incoming.failed': 'failed', 'client.started': 'failed' } },
    sending: { ...guarded, on: { 'outgoing.sent': 'done', 'outgoing.failed': 'failed', 'client.started': 'failed' } },
    done: { type: 'final' },
    failed: {
      type: 'final',
      entry: {
        type: 'abandonTransfer',
        params: ({ event }) => ({ why: 'why' in event ? event.why : 'the program was stopped' }),
      },
    },
  },
})
