/** Messages that are kept on the disk until they are accepted: sent in order, sent again as they were, settled by receipts, also after a restart. */
import { verifyPayload } from '../crypto/transport-signature.ts'
import type { Crypto } from '../ports/crypto.ts'
import { utf8 } from '../protocol/encoding.ts'
import type { Frame } from '../protocol/envelope.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits as wire } from '../protocol/limits.ts'
import type { SentStatus } from './events.ts'
import { FAILED, type MessageKind, type Settled } from './facts.ts'
import type { Attachment } from './handshake.ts'
import type { KeyBook } from './key-book.ts'
import type { Order } from './order.ts'
import { createWaiting, type WaitingOptions } from './waiting.ts'

/** What becomes of a message, in one word, as often as that changes; `why` is a sentence. */
export type Told = (status: SentStatus, why?: string) => void

export interface Draft {
  readonly id: string
  readonly to: UserId
  readonly ts: number
  readonly kind: MessageKind
  readonly order: Order
  /** The frame, as it is sent each time. */
  readonly text: string
}

export interface Keeping {
  /** Why no more can be kept; undefined when there is room. */
  full(): string | undefined
  /** Records a message, then sends it. Resolves when it is accepted or has failed: true when accepted. */
  keep(draft: Draft, told: Told): Promise<boolean>
  /** A server took it (`why` undefined), or cannot pass it on now. False when it is not kept here. */
  answered(id: string, why?: string): boolean
  receipt(frame: Frame<'RECEIPT'>, attachment: Attachment): Promise<void>
  /** Reads what an earlier run left. */
  restore(): Promise<void>
  attached(): void
  /** A reader is seen, at a new home perhaps: what was sent to the one before may have come to nothing. */
  seen(reader: UserId): void
  lost(why: string): void
  close(): void
}

/** Messages to one reader that are on their way at once: the rest follows as receipts come. */
const onTheWay = 32
/** Milliseconds without a receipt after which a message is sent again: doubling from the first to the cap. */
const resend = { firstMs: 5_000, capMs: 30_000 } as const
/**
 * When one goes to the same reader, or a receipt of theirs has come, those before it that were sent so long ago go along: they are missed.
 * So are, once, those after which a later one was sent: its reader waits for them.
 */
const alongMs = 2_000
const lookMs = 1_000
/** Milliseconds after which a message that nobody accepted has failed. */
const keepMs = wire.mailboxMs
const limits = { messages: 4_096, bytes: 67_108_864 } as const

const sentences = {
  refused: 'Their program could not read or verify it.',
  full: 'Their mailbox is full; try again later.',
  expired: 'Nobody took it for seven days.',
} as const satisfies Partial<Record<Settled, string>>

interface Entry {
  readonly id: string
  readonly to: UserId
  readonly ts: number
  readonly text: string
  readonly bytes: number
  /** It is on the disk: only then it leaves. */
  safe: boolean
  /** The attachment over which it was sent last. */
  over: Attachment | undefined
  sends: number
  /** Monotonic milliseconds. */
  sentAt: number
  /** It did not get through: it is not on its way. */
  refused: boolean
  /** Monotonic milliseconds from which on it is sent again. */
  dueAt: number
  saidSent: boolean
  told: Told
  readonly end: PromiseWithResolvers<boolean>
}

export interface KeepingOptions extends Omit<WaitingOptions, 'refused'> {
  readonly crypto: Crypto
  readonly userId: UserId
  readonly keyBook: KeyBook
}

export const createKeeping = (options: KeepingOptions): Keeping => {
  const { clock, crypto, userId, journal, keyBook, attachment, send, tell, mail } = options
  const entries = new Map<string, Entry>()
  /** By recipient, in the order in which they were written. */
  const queues = new Map<UserId, Entry[]>()
  const waiting = createWaiting({ ...options, refused: sentences.refused })
  let bytes = 0
  let cancelLook = (): void => {}
  let looking = false

  const say = (entry: Entry, why?: string): void => {
    if (entry.saidSent) return
    entry.saidSent = true
    entry.told('sent', why)
  }

  const add = (draft: Pick<Draft, 'id' | 'to' | 'ts' | 'text'>, told: Told): Entry => {
    const { id, to, ts, text } = draft
    const end = Promise.withResolvers<boolean>()
    const entry: Entry = {
      id,
      to,
      ts,
      text,
      bytes: utf8(text).length,
      safe: false,
      over: undefined,
      sends: 0,
      sentAt: 0,
      refused: false,
      dueAt: 0,
      saidSent: false,
      told,
      end,
    }
    entries.set(entry.id, entry)
    queues.set(entry.to, [...(queues.get(entry.to) ?? []), entry])
    bytes += entry.bytes
    return entry
  }

  const settle = (id: string, state: Settled): void => {
    const entry = entries.get(id)
    if (entry === undefined) return
    entries.delete(id)
    bytes -= entry.bytes
    const left = (queues.get(entry.to) ?? []).filter(other => other !== entry)
    if (left.length === 0) queues.delete(entry.to)
    else queues.set(entry.to, left)
    // what waits stays on the disk: its mailbox may be lost with a server
    const stays = state === 'waiting'
    if (stays) waiting.makeRoom(entry.bytes)
    const settled = { type: 'message.settled', id, to: entry.to, state, ...(stays && { bytes: entry.bytes }) } as const
    journal.record(`user:${entry.to}`, settled, stays ? [] : [{ remove: { recipient: entry.to, ids: [id] } }])
    journal.release(() => {
      const failed = FAILED.has(state)
      if (!failed) say(entry)
      if (state === 'waiting') waiting.begin(id, entry.told)
      if (failed) entry.told('failed', (sentences as Partial<Record<Settled, string>>)[state])
      else if (state === 'delivered' || state === 'waiting') entry.told(state)
      entry.end.resolve(!failed)
    })
    pump(entry.to)
  }

  /** Sends what has not gone over this attachment, or went so long ago that it may be lost. `live` is a reader who just answered. */
  const pump = (live?: UserId): void => {
    const reached = attachment()
    if (reached === undefined) return
    const now = clock.monotonic()
    const texts: string[] = []
    for (const [reader, queue] of queues) {
      const first = queue.slice(0, onTheWay).filter(({ safe }) => safe)
      const along = reader === live || first.some(({ over, dueAt }) => over !== reached || dueAt <= now)
      const last = first.findLast(({ over }) => over === reached)?.sentAt ?? 0
      for (const entry of first) {
        const late = now - entry.sentAt >= alongMs
        const goes = along ? late || entry.refused : late && !entry.refused && entry.sentAt < last
        if (entry.over === reached && entry.dueAt > now && !goes) continue
        entry.refused = false
        entry.sends = entry.over === reached ? entry.sends + 1 : 1
        entry.over = reached
        entry.sentAt = now
        entry.dueAt = now + Math.min(resend.capMs, resend.firstMs * 2 ** Math.min(entry.sends - 1, 16))
        texts.push(entry.text)
        // a server that acknowledges nothing: more than this cannot be known
        if (!reached.acks)
          journal.release(() => {
            settle(entry.id, 'passed')
          })
      }
    }
    if (texts.length > 0) send(texts)
    look()
  }

  const look = (): void => {
    if (looking || entries.size === 0) return
    looking = true
    cancelLook = clock.after(lookMs, () => {
      looking = false
      for (const { id, ts } of [...entries.values()]) if (clock.now() - ts > keepMs) settle(id, 'expired')
      pump()
      look()
    })
  }

  return {
    full: () =>
      entries.size >= limits.messages || bytes >= limits.bytes
        ? 'Too much waits to be accepted; wait until some of it is through.'
        : undefined,
    keep({ kind, order, ...draft }, told) {
      const { id, to, ts, text } = draft
      const entry = add(draft, told)
      journal.record(`user:${to}`, { type: 'message.stored', id, to, ts, kind, order }, [
        { put: { recipient: to, id, sender: userId, content: text } },
      ])
      journal.release(() => {
        entry.safe = true
        if (attachment() === undefined) say(entry, 'There is no connection to the server; it is sent when it is back.')
        pump()
      })
      return entry.end.promise
    },
    answered(id, why) {
      const entry = entries.get(id)
      if (entry === undefined) return false
      if (why !== undefined) {
        // it is on its way no more, and goes along with the next
        entry.refused = true
        say(entry, `${why} It is kept, and sent again.`)
      }
      // a server without receipts says no more than this
      else if (entry.over?.caps.includes('receipts') === true) say(entry)
      else settle(id, 'passed')
      return true
    },
    async receipt({ from, payload, payloadText, sig }, { server }) {
      const { sender, recipient, refs, state } = payload
      if (sender !== userId) return
      const theirs = refs.filter(id => entries.get(id)?.to === recipient || waiting.isFor(id, recipient))
      if (theirs.length === 0) return
      if (state === 'delivered' || state === 'refused') {
        const known = from === recipient ? await keyBook.pinned(recipient) : undefined
        if (known === undefined || sig === undefined || !(await verifyPayload(crypto, known.verify, payloadText, sig))) return
      } else if (from !== server) return
      for (const id of theirs) {
        if (state === 'unknown') waiting.missed(id)
        else if (entries.get(id)?.to === recipient) settle(id, state)
        else if (state === 'delivered' || state === 'refused') waiting.read(id, recipient, state)
      }
    },
    async restore() {
      const byRecipient = new Map<UserId, string[]>()
      for (const [id, { to }] of journal.state.kept) byRecipient.set(to, [...(byRecipient.get(to) ?? []), id])
      for (const [to, ids] of byRecipient)
        for (const { id, content } of await mail.read(to, ids)) {
          const entry = add({ id, to, ts: journal.state.kept.get(id)?.ts ?? 0, text: content }, (status, why) => {
            tell(id, to, status, why)
          })
          entry.safe = true
          entry.saidSent = true
        }
    },
    attached: () => {
      pump()
      waiting.attached()
    },
    seen: reader => {
      if (queues.has(reader)) pump(reader)
    },
    lost(why) {
      waiting.lost()
      for (const entry of entries.values()) if (entry.safe) say(entry, `${why} It is kept, and sent again.`)
    },
    close() {
      cancelLook()
      waiting.lost()
      for (const { end } of entries.values()) end.resolve(false)
    },
  }
}
