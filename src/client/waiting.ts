/** Accepted messages that wait in a mailbox, kept here too: its server may be gone when their reader is back at another one. */
import type { Clock } from '../ports/clock.ts'
import { utf8 } from '../protocol/encoding.ts'
import type { UserId } from '../protocol/ids.ts'
import type { MailChange } from '../store/mail.ts'
import type { Attachment } from './handshake.ts'
import { clientLimits } from './facts.ts'

export interface Waiting {
  /** A message was accepted by a mailbox. Answers what has to be deleted for it: beyond the bounds the mailbox alone has the oldest. */
  add(message: { readonly id: string; readonly to: UserId; readonly ts: number; readonly text: string }): readonly MailChange[]
  /** The reader has spoken of it. */
  remove(id: string): void
  /** A reader is seen, at a new home perhaps. */
  seen(reader: UserId): void
  attached(): void
  close(): void
}

/** Milliseconds in which what waits at the home that a reader came to gets to them without us. */
const patienceMs = 3_000
/** Milliseconds in which a reader's messages are sent once. */
const againMs = 30_000
const maxBytes = 16_777_216

interface Message {
  readonly id: string
  readonly to: UserId
  readonly ts: number
  readonly text: string
  readonly bytes: number
}

export const createWaiting = (options: {
  readonly clock: Clock
  readonly attachment: () => Attachment | undefined
  readonly send: (texts: readonly string[]) => boolean
  /** Whether somebody is listed as online. */
  readonly isThere: (user: UserId) => boolean
}): Waiting => {
  const { clock, attachment, send, isThere } = options
  /** The longest accepted first. */
  const messages = new Map<string, Message>()
  /** Reader → cancels the look at whether they got theirs. */
  const looks = new Map<UserId, () => void>()
  /** Reader → monotonic milliseconds. */
  const sentAt = new Map<UserId, number>()
  let bytes = 0

  const drop = (message: Message): void => {
    messages.delete(message.id)
    bytes -= message.bytes
  }
  const of = (reader: UserId): readonly Message[] => [...messages.values()].filter(({ to }) => to === reader).sort((a, b) => a.ts - b.ts)

  const seen = (reader: UserId): void => {
    if (looks.has(reader) || of(reader).length === 0) return
    const wait = Math.max(patienceMs, (sentAt.get(reader) ?? -Infinity) + againMs - clock.monotonic())
    looks.set(
      reader,
      clock.after(wait, () => {
        looks.delete(reader)
        const left = of(reader)
        if (left.length === 0 || !isThere(reader) || attachment() === undefined) return
        sentAt.set(reader, clock.monotonic())
        send(left.map(({ text }) => text))
      }),
    )
  }

  return {
    add({ id, to, ts, text }) {
      const message = { id, to, ts, text, bytes: utf8(text).length }
      messages.set(id, message)
      bytes += message.bytes
      const removed: MailChange[] = []
      for (const oldest of messages.values()) {
        if (messages.size <= clientLimits.maxWaiting && bytes <= maxBytes) break
        drop(oldest)
        removed.push({ remove: { recipient: oldest.to, ids: [oldest.id] } })
      }
      return removed
    },
    remove(id) {
      const message = messages.get(id)
      if (message === undefined) return
      drop(message)
      if (of(message.to).length === 0) sentAt.delete(message.to)
    },
    seen,
    attached() {
      for (const reader of new Set([...messages.values()].map(({ to }) => to))) seen(reader)
    },
    close() {
      for (const cancel of looks.values()) cancel()
      looks.clear()
    },
  }
}
