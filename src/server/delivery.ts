/** Messages for the users whose home is here: to their socket while they keep up, into their mailbox otherwise, and out of it again in order. */
import type { Priority } from '../crypto/signing-queue.ts'
import { homeOf } from '../domain/directory.ts'
import { expiredAt, oldestOf, roomFor } from '../domain/mailboxes.ts'
import type { MailboxFact } from '../domain/facts.ts'
import { toBase64Url, utf8 } from '../protocol/encoding.ts'
import type { Address, ServerId, UserId } from '../protocol/ids.ts'
import type { Connection, UserPeer } from './connection.ts'
import type { Node } from './node.ts'
import { asksReceiptOf, type Parcel, referenceOf } from './parcel.ts'
import { frameText, signedEvent } from './signed-event.ts'

type Why = Extract<MailboxFact, { readonly type: 'mailbox.released' }>['why']

export interface Delivery {
  /**
   * Takes a message for a user who is here, or was here last. False when it can neither be delivered nor kept; `failed` is called when
   * that turns out later.
   */
  take(parcel: Parcel, failed: (error: unknown) => void): boolean
  /** A reader is here: what was on its way to a socket before goes into the mailbox, and what waits there to this one. */
  attached(user: UserId, connection: Connection, peer: UserPeer): void
  /** A reader's socket is gone: what was on its way goes into the mailbox. */
  left(user: UserId): void
  /** Whether a message is on its way to a reader here, or waits for them. */
  has(user: UserId, id: string): boolean
  /** Messages are done with, wherever they stood. */
  settle(user: UserId, ids: readonly string[], why: Why): Settled
  start(): void
}

export interface Settled {
  /** Servers that handed them in and are not their senders' home. */
  readonly via: ReadonlySet<ServerId>
  /** Those of them that had waited, here or there. */
  readonly waited: readonly string[]
}

interface OnTheWay {
  readonly parcel: Parcel
  /** The mailbox has it too. */
  readonly stored: boolean
}

interface Reader {
  readonly connection: Connection
  /** They sign receipts; from others nothing is heard after the socket. */
  readonly receipts: boolean
  readonly onTheWay: Map<string, OnTheWay>
  filling: boolean
}

/** How often mailboxes are looked through for what is too old, and for what can move on. */
const EXPIRE_MS = 60_000
const LOOK_MS = 2_000
/** What was sent to another server is sent again after so long without a receipt. */
const RESEND_MS = 30_000

/** Part of what a reader may leave unread that messages take up. */
const IN_FLIGHT = 0.25
const lengthOf = (value: unknown): number => (typeof value === 'string' ? value.length : 0)
/** Characters of what a message is made of; the rest of its frame is a few hundred. */
const sizeOf = ({ payload: { ciphertext, text } }: Parcel): number => lengthOf(ciphertext) + lengthOf(text) + 1_024

const priorityOf = (inner: Parcel['inner']): Priority => (inner === 'MSG_PUBLIC_CHANNEL' ? 'public' : 'message')

export const createDelivery = (node: Node): Delivery => {
  const readers = new Map<UserId, Reader>()
  /** Sent to the user's new home: name → monotonic milliseconds. */
  const forwarded = new Map<string, number>()
  const stream = (user: UserId): Address => `mailbox:${user}`
  const bounds = () => {
    const { mailboxMessages, mailboxMessagesOfSender, mailboxBytes, mailboxesMessages, mailboxesBytes } = node.config.limits
    return {
      messages: mailboxMessages,
      messagesOfSender: mailboxMessagesOfSender,
      bytes: mailboxBytes,
      allMessages: mailboxesMessages,
      allBytes: mailboxesBytes,
    }
  }
  const waits = (user: UserId, id: string): boolean => node.state.mailboxes.of.get(user)?.waiting.has(id) ?? false

  /** A message that its sender's home did not hand in was told of as waiting before, by another. */
  const tell = (state: 'waiting' | 'full' | 'passed', id: string, parcel: Parcel): void => {
    if (!asksReceiptOf(parcel)) return
    const { sender, recipient, via } = parcel
    node.runtime.release(() => {
      node.receipts.tell(state, { id, sender, recipient }, via)
    })
  }

  const release = (user: UserId, ids: readonly string[], why: Why): void => {
    if (ids.length === 0 || node.runtime.isSetAside(stream(user))) return
    node.runtime.record(stream(user), { type: 'mailbox.released', user, ids, why }, [{ remove: { recipient: user, ids } }])
    for (const id of ids) forwarded.delete(id)
  }

  const store = (id: string, parcel: Parcel): boolean => {
    const { recipient, sender, ts } = parcel
    // whoever cannot prove their key could be anybody who knows it, and would empty the mailbox
    if (node.state.directory.pins.get(recipient)?.proven !== true || node.runtime.isSetAside(stream(recipient))) return false
    const content = JSON.stringify(parcel)
    const bytes = utf8(content).length
    const by = toBase64Url(node.ports.crypto.sha256(utf8(`${recipient}\n${sender}`)).subarray(0, 8))
    const room = roomFor(node.state.mailboxes, recipient, { id, bytes, by }, bounds())
    if (room === 'room') {
      const until = node.ports.clock.now() + node.config.timing.mailboxMs
      const fact = { type: 'mailbox.stored', user: recipient, id, ts, bytes, until, by } as const
      node.runtime.record(stream(recipient), fact, [{ put: { recipient, id, sender, content } }])
      node.count('mailbox', 'stored')
    }
    if (room === 'full') node.count('mailbox', 'full')
    tell(room === 'full' ? 'full' : 'waiting', id, parcel)
    return room !== 'full' || asksReceiptOf(parcel)
  }

  /** Hands a message to the reader's socket after everything before it. */
  const push = (user: UserId, reader: Reader, id: string, parcel: Parcel, stored: boolean, failed?: (error: unknown) => void): void => {
    const { inner, ts, payload } = parcel
    const marked = { ...payload, ...(reader.receipts && { receipt: true }), ...(inner !== 'MSG_DIRECT' && { inner_type: inner }) }
    const text = frameText(signedEvent(node.signer, marked, priorityOf(inner)), { type: 'USER_DELIVER', from: node.self.id, to: user, ts })
    if (reader.receipts || stored) reader.onTheWay.set(id, { parcel, stored })
    node.runtime.release(() => {
      reader.connection.channel.send('traffic', text, error => {
        // too busy to sign: its sender hears of it and sends it again, or the mailbox still has it
        reader.onTheWay.delete(id)
        failed?.(error)
      })
      if (!reader.receipts) void text.then(() => handed(user, reader, id, parcel, stored)).catch(() => {})
    })
  }

  /** After the socket nothing is heard of it from such a reader. */
  const handed = (user: UserId, reader: Reader, id: string, parcel: Parcel, stored: boolean): void => {
    if (node.stopped) return
    reader.onTheWay.delete(id)
    if (stored) release(user, [id], 'handed')
    else tell('passed', id, parcel)
    refill(user)
  }

  /** Bytes that may be on their way to a reader beside those that are: what is more than a slow one takes in time would have them cut. */
  const roomOf = ({ onTheWay }: Reader): number => {
    let room = node.config.limits.outgoingBytes * IN_FLIGHT
    for (const { parcel } of onTheWay.values()) room -= sizeOf(parcel)
    return room
  }
  const free = (reader: Reader): number => (roomOf(reader) <= 0 ? 0 : Math.max(0, node.config.limits.inFlight - reader.onTheWay.size))
  /** As many of what waits as there is room for. */
  const fitting = (user: UserId, reader: Reader, ids: readonly string[]): readonly string[] => {
    let room = roomOf(reader)
    return ids.filter(id => {
      const fits = room > 0
      room -= node.state.mailboxes.of.get(user)?.waiting.get(id)?.bytes ?? 0
      return fits
    })
  }
  const backlog = (user: UserId, reader: Reader): boolean => {
    const waiting = node.state.mailboxes.of.get(user)?.waiting.keys() ?? []
    for (const id of waiting) if (!reader.onTheWay.has(id)) return true
    return false
  }

  /** Moves what waits to the reader's socket, oldest first, as far as there is room. */
  const fill = async (user: UserId, reader: Reader): Promise<void> => {
    if (reader.filling) return
    reader.filling = true
    try {
      const tried = new Set<string>()
      for (;;) {
        const unsent = (id: string): boolean => !reader.onTheWay.has(id) && !tried.has(id)
        const ids = fitting(user, reader, oldestOf(node.state.mailboxes, user, free(reader), unsent))
        if (ids.length === 0) return
        // what is not committed cannot be read: it is not gone, so nothing may be added to the list after this
        await node.runtime.flushed()
        if (readers.get(user) !== reader || node.stopped) return
        const found = new Map((await node.mail.read(user, ids)).map(mail => [mail.id, mail]))
        if (readers.get(user) !== reader) return
        for (const id of ids) {
          tried.add(id)
          const mail = found.get(id)
          if (mail === undefined) release(user, [id], 'gone')
          else if (waits(user, id)) push(user, reader, id, JSON.parse(mail.content) as Parcel, true)
        }
      }
    } finally {
      reader.filling = false
    }
  }
  const refill = (user: UserId): void => {
    const reader = readers.get(user)
    if (reader === undefined || free(reader) === 0 || !backlog(user, reader)) return
    fill(user, reader).catch((error: unknown) => {
      node.log('error', 'a mailbox could not be read', { user, error: String(error) })
    })
  }

  const expire = (): void => {
    for (const [user, ids] of expiredAt(node.state.mailboxes, node.ports.clock.now())) release(user, ids, 'expired')
    node.receipts.expire()
  }

  /** Sends what waits for a user who is elsewhere to their new home; it is deleted when that one, or the user, has said so. */
  const forward = async (user: UserId, home: ServerId): Promise<void> => {
    const now = node.ports.clock.monotonic()
    const due = (id: string): boolean => now - (forwarded.get(id) ?? -Infinity) >= RESEND_MS
    const ids = oldestOf(node.state.mailboxes, user, node.config.limits.inFlight, due)
    for (const id of ids) forwarded.set(id, now)
    await node.runtime.flushed()
    const mails = await node.mail.read(user, ids)
    // of a server that was lost meanwhile, or has not said a word, it is not known what it can
    if (!node.links.isLinked(home) || node.links.isMute(home)) {
      for (const id of ids) forwarded.delete(id)
      return
    }
    const receipts = node.links.capsOf(home).includes('receipts')
    for (const { id, content } of mails) {
      const { inner, ts, payload } = JSON.parse(content) as Parcel
      const marked = { ...payload, user_id: user, receipt: true, ...(inner !== 'MSG_DIRECT' && { inner_type: inner }) }
      const event = signedEvent(node.signer, marked, priorityOf(inner))
      node.links.send(home, 'traffic', frameText(event, { type: 'SERVER_DELIVER', from: node.self.id, to: home, ts }), () => {
        forwarded.delete(id)
      })
      // a v1.3 server says nothing of what it took
      if (!receipts) release(user, [id], 'handed')
    }
  }
  const look = (): void => {
    for (const user of node.state.mailboxes.of.keys()) {
      if (readers.has(user)) {
        refill(user)
        continue
      }
      const home = homeOf(node.state.directory, user, node.links.isLinked)
      if (home === undefined || home === 'local' || !node.links.isLinked(home)) continue
      forward(user, home).catch((error: unknown) => {
        node.log('error', 'a mailbox could not be sent to its user’s new home', { user, error: String(error) })
      })
    }
  }

  const left = (user: UserId): void => {
    const reader = readers.get(user)
    if (reader === undefined) return
    readers.delete(user)
    for (const [id, { parcel, stored }] of reader.onTheWay) if (!stored) store(id, parcel)
  }

  return {
    take(parcel, failed) {
      const { recipient: user, sender, via } = parcel
      const id = referenceOf(parcel, node.ports.crypto)
      const reader = readers.get(user)
      if (waits(user, id)) {
        tell('waiting', id, parcel)
        return true
      }
      if (reader?.onTheWay.has(id) === true) return true
      if (asksReceiptOf(parcel) && node.receipts.answered({ id, sender, recipient: user }, via)) return true
      if (reader === undefined || free(reader) === 0 || backlog(user, reader)) return store(id, parcel)
      push(user, reader, id, parcel, false, failed)
      return true
    },
    attached(user, connection, peer) {
      left(user)
      readers.set(user, { connection, receipts: peer.caps.includes('receipts'), onTheWay: new Map(), filling: false })
      node.runtime.release(() => {
        refill(user)
      })
    },
    left,
    has: (user, id) => waits(user, id) || readers.get(user)?.onTheWay.has(id) === true,
    settle(user, ids, why) {
      const reader = readers.get(user)
      const via = new Set<ServerId>()
      const here = ids.filter(id => waits(user, id))
      const waited = new Set(here)
      for (const id of ids) {
        const parcel = reader?.onTheWay.get(id)?.parcel
        if (parcel?.via !== undefined && parcel.via !== homeOf(node.state.directory, parcel.sender, node.links.isLinked)) {
          via.add(parcel.via)
          waited.add(id)
        }
        reader?.onTheWay.delete(id)
      }
      release(user, here, why)
      node.runtime.release(() => {
        refill(user)
      })
      return { via, waited: [...waited] }
    },
    start() {
      node.timers.every(EXPIRE_MS, expire)
      node.timers.every(LOOK_MS, look)
    },
  }
}
