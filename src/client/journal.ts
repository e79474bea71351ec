/** The client's log, its fold and its transfer machines as one: what is recorded here is safe before anything that depends on it happens. */
import { createHost } from '../actors/host.ts'
import { createRuntime } from '../actors/runtime.ts'
import type { NamedEffect } from '../actors/contract.ts'
import { clientTransferMachine } from '../machines/client-transfer.ts'
import type { Clock } from '../ports/clock.ts'
import type { ReachFaultPoint } from '../ports/fault-points.ts'
import type { Address, UserId } from '../protocol/ids.ts'
import type { EventLog } from '../store/log.ts'
import type { MailChange } from '../store/mail.ts'
import type { ClientFact } from './facts.ts'
import { createClientState, type ClientState } from './state.ts'

export interface Journal {
  readonly state: ClientState
  /** Folds now, appends with all of this tick. */
  record(stream: Address, fact: ClientFact, mail?: readonly MailChange[]): void
  /** Runs once everything recorded so far is committed. */
  release(run: () => void): void
  flushed(): Promise<void>
  close(): Promise<void>
}

export interface JournalOptions {
  readonly log: EventLog<ClientFact>
  readonly clock: Clock
  readonly reach: ReachFaultPoint
  readonly user: UserId
  /** A transfer machine's effect. */
  readonly perform: (effect: NamedEffect) => void
  /** The log refuses or a fold broke: the client must stop. */
  readonly fatal: (error: Error) => void
  /** Something released or performed threw: a bug, told and gone on from. */
  readonly crashed: (error: unknown) => void
}

/** Folds the log, then records the start; transfers that the last run left open are abandoned by it. */
export const openJournal = async ({ log, clock, reach, user, perform, fatal, crashed }: JournalOptions): Promise<Journal> => {
  const { state, evolve } = createClientState()
  const host = createHost<ClientFact>({
    machines: { transfer: clientTransferMachine },
    fold: {
      evolve: ({ fact }) => {
        evolve(fact)
      },
    },
    broadcast: type => type === 'client.started',
  })
  const runtime = createRuntime<ClientFact>({ log, host, clock, reach, perform, fatal, crashed })
  await runtime.recover()
  runtime.record('node', { type: 'client.started', user, epoch: log.epoch })
  await runtime.flushed()
  return {
    state,
    record: runtime.record,
    release: runtime.release,
    flushed: runtime.flushed,
    close: runtime.close,
  }
}
