/** Readers' receipts for messages that had waited: kept for senders who were away when they came; their text stands in the log's mail. */
import type { Address, UserId } from '../protocol/ids.ts'
import type { ReceiptFact } from './facts.ts'

export interface KeptReceipt {
  /** Names of the messages that it is about. */
  readonly refs: readonly string[]
  /** Unix milliseconds from which on it is deleted. */
  readonly until: number
}

/** Reader → name of the receipt, oldest first. */
export type KeptReceipts = ReadonlyMap<UserId, ReadonlyMap<string, KeptReceipt>>

type Draft = Map<UserId, Map<string, KeptReceipt>>

/** Names of a reader's receipts that are about one of `refs`, newest first, at most `count`. */
export const receiptsAbout = (kept: KeptReceipts, reader: UserId, refs: ReadonlySet<string>, count: number): readonly string[] =>
  [...(kept.get(reader) ?? [])]
    .filter(([, receipt]) => receipt.refs.some(ref => refs.has(ref)))
    .slice(-count)
    .map(([id]) => id)
    .reverse()

/** What was kept for too long at `now` (Unix milliseconds): reader → names. */
export const oldReceipts = (kept: KeptReceipts, now: number): ReadonlyMap<UserId, readonly string[]> => {
  const old = new Map<UserId, readonly string[]>()
  for (const [reader, receipts] of kept) {
    const ids = [...receipts].flatMap(([id, { until }]) => (until <= now ? [id] : []))
    if (ids.length > 0) old.set(reader, ids)
  }
  return old
}

/** Folds one fact, in place. */
export const evolveReceipts = (kept: KeptReceipts, fact: ReceiptFact): void => {
  const draft = kept as Draft
  const receipts = draft.get(fact.user) ?? new Map<string, KeptReceipt>()
  if (fact.type === 'receipt.kept') {
    draft.set(fact.user, receipts)
    receipts.set(fact.id, { refs: fact.refs, until: fact.until })
    return
  }
  for (const id of fact.ids) receipts.delete(id)
  if (receipts.size === 0) draft.delete(fact.user)
}

/** A mailbox was given up: what its facts said no longer counts. */
export const dropReceipts = (kept: KeptReceipts, stream: Address): void => {
  if (stream.startsWith('mailbox:')) (kept as Draft).delete(stream.slice('mailbox:'.length) as UserId)
}

/** As a snapshot keeps them. */
export type ReceiptsSnapshot = readonly (readonly [UserId, readonly (readonly [string, KeptReceipt])[]])[]

export const snapshotOfReceipts = (kept: KeptReceipts): ReceiptsSnapshot => [...kept].map(([reader, receipts]) => [reader, [...receipts]])

export const restoredReceipts = (snapshot: ReceiptsSnapshot): KeptReceipts =>
  new Map(snapshot.map(([reader, receipts]) => [reader, new Map(receipts)]))
