/** What waits here for users who are away or slow: names, sizes and times; the content stands in the log's mail. */
import type { Address, Base64Url, UserId } from '../protocol/ids.ts'
import type { MailboxFact } from './facts.ts'

export interface Waiting {
  /** The message's own time; a mailbox is emptied in its order. */
  readonly ts: number
  /** UTF-8 bytes of its content. */
  readonly bytes: number
  /** Unix milliseconds from which on it is deleted. */
  readonly until: number
  /** Stands for its sender, without saying who that is. */
  readonly by: Base64Url
}

export interface Mailbox {
  /** By the message's name, in the order of arrival. */
  readonly waiting: ReadonlyMap<string, Waiting>
  readonly bytes: number
}

export interface Mailboxes {
  /** Those in which something waits. */
  readonly of: ReadonlyMap<UserId, Mailbox>
  readonly messages: number
  readonly bytes: number
}

interface MailboxDraft {
  readonly waiting: Map<string, Waiting>
  bytes: number
}
interface MailboxesDraft {
  of: Map<UserId, MailboxDraft>
  messages: number
  bytes: number
}

export interface MailboxLimits {
  /** In one mailbox, and of these from one sender. */
  readonly messages: number
  readonly messagesOfSender: number
  readonly bytes: number
  /** In all mailboxes. */
  readonly allMessages: number
  readonly allBytes: number
}

export const emptyMailboxes = (): Mailboxes => ({ of: new Map(), messages: 0, bytes: 0 })

/** Whether a mailbox takes a message: `known` when it has it, `full` when there is no room. */
export const roomFor = (
  mailboxes: Mailboxes,
  user: UserId,
  message: { readonly id: string; readonly bytes: number; readonly by: Base64Url },
  limits: MailboxLimits,
): 'room' | 'known' | 'full' => {
  const mailbox = mailboxes.of.get(user)
  if (mailbox?.waiting.has(message.id) === true) return 'known'
  if (mailboxes.messages >= limits.allMessages || mailboxes.bytes + message.bytes > limits.allBytes) return 'full'
  if ((mailbox?.bytes ?? 0) + message.bytes > limits.bytes) return 'full'
  if (mailbox === undefined) return 'room'
  if (mailbox.waiting.size >= limits.messages) return 'full'
  let ofSender = 0
  for (const { by } of mailbox.waiting.values()) if (by === message.by) ofSender += 1
  return ofSender >= limits.messagesOfSender ? 'full' : 'room'
}

/** Names of the messages that wait for a user and pass `free`, oldest first, at most `count`. */
export const oldestOf = (mailboxes: Mailboxes, user: UserId, count: number, free: (id: string) => boolean): readonly string[] =>
  [...(mailboxes.of.get(user)?.waiting ?? [])]
    .filter(([id]) => free(id))
    .sort(([, a], [, b]) => a.ts - b.ts)
    .slice(0, count)
    .map(([id]) => id)

/** What waited for too long at `now` (Unix milliseconds): user → names. */
export const expiredAt = (mailboxes: Mailboxes, now: number): ReadonlyMap<UserId, readonly string[]> => {
  const expired = new Map<UserId, readonly string[]>()
  for (const [user, { waiting }] of mailboxes.of) {
    const ids = [...waiting].flatMap(([id, { until }]) => (until <= now ? [id] : []))
    if (ids.length > 0) expired.set(user, ids)
  }
  return expired
}

/** Folds one fact, in place. */
export const evolveMailboxes = (mailboxes: Mailboxes, fact: MailboxFact): void => {
  const draft = mailboxes as MailboxesDraft
  const mailbox = draft.of.get(fact.user) ?? { waiting: new Map<string, Waiting>(), bytes: 0 }
  if (fact.type === 'mailbox.stored') {
    if (mailbox.waiting.has(fact.id)) return
    draft.of.set(fact.user, mailbox)
    mailbox.waiting.set(fact.id, { ts: fact.ts, bytes: fact.bytes, until: fact.until, by: fact.by })
    add(draft, mailbox, 1, fact.bytes)
    return
  }
  for (const id of fact.ids) {
    const entry = mailbox.waiting.get(id)
    if (entry === undefined) continue
    mailbox.waiting.delete(id)
    add(draft, mailbox, -1, -entry.bytes)
  }
  if (mailbox.waiting.size === 0) draft.of.delete(fact.user)
}

const add = (draft: MailboxesDraft, mailbox: MailboxDraft, messages: number, bytes: number): void => {
  mailbox.bytes += bytes
  draft.messages += messages
  draft.bytes += bytes
}

/** A stream was given up: what its facts said of a mailbox no longer counts. */
export const dropMailbox = (mailboxes: Mailboxes, stream: Address): void => {
  if (!stream.startsWith('mailbox:')) return
  const draft = mailboxes as MailboxesDraft
  const user = stream.slice('mailbox:'.length) as UserId
  const mailbox = draft.of.get(user)
  if (mailbox === undefined) return
  draft.messages -= mailbox.waiting.size
  draft.bytes -= mailbox.bytes
  draft.of.delete(user)
}

/** As a snapshot keeps them. */
export type MailboxesSnapshot = readonly (readonly [UserId, readonly (readonly [string, Waiting])[]])[]

export const snapshotOfMailboxes = (mailboxes: Mailboxes): MailboxesSnapshot =>
  [...mailboxes.of].map(([user, { waiting }]) => [user, [...waiting]])

/** Makes `mailboxes` what the snapshot says, in place. */
export const restoreMailboxes = (mailboxes: Mailboxes, snapshot: MailboxesSnapshot): void => {
  const draft = mailboxes as MailboxesDraft
  draft.of = new Map()
  draft.messages = 0
  draft.bytes = 0
  for (const [user, waiting] of snapshot) {
    const mailbox: MailboxDraft = { waiting: new Map(waiting), bytes: 0 }
    draft.of.set(user, mailbox)
    for (const [, { bytes }] of waiting) add(draft, mailbox, 1, bytes)
  }
}
