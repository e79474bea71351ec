/** What every backend's append has in common: one commit for all that was appended in a tick, in order, and none after a refusal. */
import type { Address } from '../protocol/ids.ts'
import type { Clock } from '../ports/clock.ts'
import { LogRefused, type EventLog, type NewFact } from './log.ts'

/** A fact ready to be written; it was made text when it was appended, so that nothing changes it until the commit. */
export interface WaitingRow {
  readonly stream: Address
  readonly at: number
  readonly type: string
  readonly data: string
}

/** Writes all rows or none, the first as `firstSeq`, and calls `done` once: without an argument when they are safe. */
export type Commit = (rows: readonly WaitingRow[], firstSeq: number, done: (refusal?: LogRefused) => void) => void

interface Batch {
  readonly rows: readonly WaitingRow[]
  readonly resolve: (answer: { readonly firstSeq: number }) => void
  readonly reject: (why: Error) => void
}

export interface AppendQueue {
  readonly append: EventLog['append']
  /** Sequence of the last committed fact. */
  head(): number
  /** Commits what waits without waiting for the end of the tick, and refuses every append from now on. */
  close(): Promise<void>
}

const toRow = ({ stream, at, fact }: NewFact): WaitingRow => {
  if (!Number.isSafeInteger(at) || at < 0) throw new TypeError(`the time of a fact is in whole Unix milliseconds, not ${at} (${fact.type})`)
  return { stream, at, type: fact.type, data: JSON.stringify(fact) }
}

/** @param start where the backend stands: its epoch and the sequence of its last fact */
export const createAppendQueue = (
  start: { readonly epoch: number; readonly head: number },
  endOfTick: Clock['endOfTick'],
  commit: Commit,
): AppendQueue => {
  let head = start.head
  let waiting: Batch[] = []
  let scheduled = false
  let committing = false
  let refusal: LogRefused | undefined
  let idle: (() => void)[] = []

  const settle = (batches: readonly Batch[], failure: LogRefused | undefined): void => {
    committing = false
    if (failure) {
      refusal = failure
      // what was appended while the commit ran stands on facts that are not there
      for (const batch of [...batches, ...waiting]) batch.reject(failure)
      waiting = []
    } else {
      for (const batch of batches) {
        batch.resolve({ firstSeq: head + 1 })
        head += batch.rows.length
      }
    }
    if (waiting.length > 0) flush()
    else {
      for (const wake of idle) wake()
      idle = []
    }
  }

  const flush = (): void => {
    scheduled = false
    if (committing || waiting.length === 0) return
    const batches = waiting
    waiting = []
    committing = true
    const rows = batches.flatMap(batch => batch.rows)
    commit(rows, head + 1, failure => {
      settle(batches, failure)
    })
  }

  return {
    append(facts, { expected }) {
      return new Promise((resolve, reject) => {
        if (!refusal && expected.epoch !== start.epoch) {
          refusal = new LogRefused(
            `This log is written by epoch ${start.epoch}, and epoch ${expected.epoch} tried to append: it has to stop.`,
          )
        }
        if (refusal) {
          reject(refusal)
          return
        }
        waiting.push({ rows: facts.map(toRow), resolve, reject })
        if (scheduled) return
        scheduled = true
        endOfTick(flush)
      })
    },
    head: () => head,
    close() {
      refusal ??= new LogRefused('The log is closed: nothing is appended any more.')
      flush()
      return committing ? new Promise(resolve => idle.push(resolve)) : Promise.resolve()
    },
  }
}
