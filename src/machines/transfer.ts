/** One file on its way from a sender to a recipient through this server (SOCP §9.4); progress and stalls are watched beside it. */
import { setup } from 'xstate'
import type { TransferFact } from '../domain/facts.ts'
import type { FileId, UserId } from '../protocol/ids.ts'
import { effect, namesOf, type EffectsOf } from './effect.ts'
import type { EventOf, MachineTypes } from './event.ts'

/** How long an offer without a chunk, or a transfer that a restart interrupted, is kept. */
export const expiryMs = 120_000

export interface Offer {
  readonly file: FileId
  readonly sender: UserId
  readonly recipient: UserId
  readonly size: number
  readonly mode: 'dm' | 'public'
}

const effects = {
  /** Record `transfer.failed` at `at`. */
  armExpiry: effect<{ readonly offer: Offer; readonly at: number }>(),
  disarmExpiry: effect<{ readonly offer: Offer }>(),
  /** Forget what is counted beside this machine. */
  closeTransfer: effect<{ readonly offer: Offer }>(),
  /** The same, and tell both ends why. */
  abortTransfer: effect<{ readonly offer: Offer; readonly why: string }>(),
}
export type TransferEffects = EffectsOf<typeof effects>
/** @public the test of all definitions finds it by its name */
export const transferEffects = namesOf(effects)

export interface TransferContext {
  /** Null before the first fact. */
  readonly offer: Offer | null
  /** When it was offered. */
  readonly since: number | null
  /** When it fails unless a chunk comes; null while active. */
  readonly expiresAt: number | null
}

const types: MachineTypes<TransferContext, EventOf<TransferFact>> = {}
const transfer = setup({ types, actions: effects })

const noteOffer = transfer.assign(({ event }) => {
  if (event.type !== 'transfer.offered') return {}
  const { file, sender, recipient, size, mode } = event
  return { offer: { file, sender, recipient, size, mode }, since: event.at }
})
const expire = transfer.assign(({ event }) => ({ expiresAt: event.at + expiryMs }))

type Args = { readonly context: TransferContext; readonly event: EventOf<TransferFact> }
const offer = ({ context }: Args): { readonly offer: Offer } => {
  if (context.offer === null) throw new Error('a transfer left its first state without an offer')
  return { offer: context.offer }
}
const disarmExpiry = { type: 'disarmExpiry', params: offer } as const
const waiting = [
  expire,
  { type: 'armExpiry', params: (args: Args) => ({ ...offer(args), at: args.context.expiresAt ?? args.event.at }) },
] as const

export const transferMachine = transfer.createMachine({
  id: 'transfer',
  context: { offer: null, since: null, expiresAt: null },
  initial: 'absent',
  states: {
    absent: { on: { 'transfer.offered': { target: 'offered', actions: noteOffer } } },
    offered: {
      entry: waiting,
      exit: disarmExpiry,
      // an empty file ends without a chunk
      on: { 'transfer.began': 'active', 'transfer.ended': 'ended', 'transfer.failed': 'failed', 'node.started': 'suspended' },
    },
    active: {
      entry: transfer.assign({ expiresAt: null }),
      on: { 'transfer.ended': 'ended', 'transfer.failed': 'failed', 'node.started': 'suspended' },
    },
    suspended: {
      entry: waiting,
      exit: disarmExpiry,
      on: {
        'transfer.began': 'active',
        'transfer.ended': 'ended',
        'transfer.failed': 'failed',
        // neither end could go on while the node was down, so the wait begins anew
        'node.started': { target: 'suspended', reenter: true },
      },
    },
    ended: { type: 'final', entry: { type: 'closeTransfer', params: offer } },
    failed: {
      type: 'final',
      entry: {
        type: 'abortTransfer',
        params: args => ({ ...offer(args), why: args.event.type === 'transfer.failed' ? args.event.why : '' }),
      },
    },
  },
})
