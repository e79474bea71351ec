/** The contract of the event log; `test/store/event-log-contract.ts` is its acceptance suite, which every backend passes. */
import type { Address } from '../protocol/ids.ts'
import type { MailChange, MailStore } from './mail.ts'

/** A fact on its way into the log. `T` is the union of facts of whoever owns the log (a node, a client). */
export interface NewFact<T extends { readonly type: string } = { readonly type: string }> {
  readonly stream: Address
  /** Unix milliseconds. */
  readonly at: number
  readonly fact: T
  /** What it does to the mail, all or nothing with the fact itself. Not part of what is recorded. */
  readonly mail?: readonly MailChange[]
}

/** A fact as it stands in the log. `seq` grows by one from 1, over all streams; `version` by one within its stream. */
export interface RecordedFact<T extends { readonly type: string } = { readonly type: string }> extends Omit<NewFact<T>, 'mail'> {
  readonly seq: number
  readonly version: number
  readonly epoch: number
}

export interface EventLog<T extends { readonly type: string } = { readonly type: string }> {
  /** The incarnation that this writer stands for; one more than the last that wrote. */
  readonly epoch: number
  /**
   * Appends all or nothing, durably; batches commit in the order of the calls. Rejects with `LogRefused` when
   * another writer has taken over or the disk refuses: that is fatal for the instance, it must not append again.
   */
  append(facts: readonly NewFact<T>[], options: { readonly expected: { readonly epoch: number } }): Promise<{ readonly firstSeq: number }>
  /** Facts from `from` on, in order, upcast to today's schema, up to the head at the time of the call. */
  read(from: number): AsyncIterable<RecordedFact<T>>
  /** Sequence of the last committed fact, 0 when there is none. */
  head(): Promise<number>
  /** Content that waits for somebody, as committed facts left it. */
  readonly mail: MailStore
  close(): Promise<void>
}

/** An append that was not done and never may be again by this instance. */
export class LogRefused extends Error {
  override readonly name = 'LogRefused'
}

/** A log that cannot be opened or read: locked, damaged, newer than this program. The message is for the operator. */
export class LogUnusable extends Error {
  override readonly name = 'LogUnusable'
}
