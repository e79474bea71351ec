/** What was applied of one origin's presence events, so that none counts twice and an older never overtakes a newer. */
import type { Base64Url, UserId } from '../protocol/ids.ts'
import type { PresenceSeq } from './facts.ts'

/** Sequences kept apart by user before the oldest are summed up in the floor. */
export const RECENT_SEQUENCES = 4_096
/** Digests of applied signatures kept for an origin without sequences. */
export const REMEMBERED_DIGESTS = 65_536

export interface OriginOrder {
  /** Everything at or below it was applied or can no longer be. */
  readonly floor: PresenceSeq
  readonly recent: ReadonlyMap<UserId, PresenceSeq>
  /** In order of application; only of events without a sequence. */
  readonly digests: ReadonlySet<Base64Url>
  /** The origin has shown that it writes sequences: from then on an event without one is not its own. */
  readonly sequenced: boolean
}

interface OriginOrderDraft {
  floor: PresenceSeq
  recent: Map<UserId, PresenceSeq>
  digests: Set<Base64Url>
  sequenced: boolean
}

export const newOriginOrder = (): OriginOrder => ({ floor: [0, 0], recent: new Map(), digests: new Set(), sequenced: false })

/** Negative when `a` happened before `b`, 0 when they are the same event. */
export const compareSeq = (a: PresenceSeq, b: PresenceSeq): number => a[0] - b[0] || a[1] - b[1]

/** Whether the event is news: not applied before, and not older than what was applied for this user. */
export const isNews = (order: OriginOrder, user: UserId, seq: PresenceSeq | undefined, digest: Base64Url): boolean => {
  if (seq === undefined) return !order.digests.has(digest)
  const last = order.recent.get(user) ?? order.floor
  return compareSeq(seq, last) > 0 && compareSeq(seq, order.floor) > 0
}

/** Remembers an applied event, in place. Summing up keeps the newest sequences, so a re-sent list in order never falls under its own floor. */
export const remember = (order: OriginOrder, user: UserId, seq: PresenceSeq | undefined, digest: Base64Url): void => {
  const draft = order as OriginOrderDraft
  if (seq === undefined) {
    draft.digests.add(digest)
    if (draft.digests.size > REMEMBERED_DIGESTS) draft.digests.delete(draft.digests.values().next().value as Base64Url)
    return
  }
  draft.sequenced = true
  draft.recent.set(user, seq)
  if (draft.recent.size <= 2 * RECENT_SEQUENCES) return
  const inOrder = [...draft.recent].sort(([, a], [, b]) => compareSeq(b, a))
  draft.floor = (inOrder[RECENT_SEQUENCES] as [UserId, PresenceSeq])[1]
  draft.recent = new Map(inOrder.slice(0, RECENT_SEQUENCES))
}

/** Makes an applied event news again, in place, and none that is older. */
export const takeBack = (order: OriginOrder, user: UserId, [epoch, counter]: PresenceSeq): void => {
  ;(order as OriginOrderDraft).recent.set(user, [epoch, counter - 1])
}
