/** Messages that wait in a mailbox: told of when they are read, and sent again when their reader is elsewhere and has not got them. */
import type { Clock } from '../ports/clock.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import { limits as wire } from '../protocol/limits.ts'
import type { MailStore } from '../store/mail.ts'
import type { SentStatus } from './events.ts'
import { clientLimits } from './state.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { Told } from './keeping.ts'
import type { Roster } from './roster.ts'

export interface Waiting {
  /** Gives up the oldest copies, and says so, until one more of `bytes` may be kept. */
  makeRoom(bytes: number): void
  /** It waits; `told` hears when it is read. */
  begin(id: string, told: Told): void
  isFor(id: string, reader: UserId): boolean
  /** The reader's word about a message that waited. */
  read(id: string, reader: UserId, state: 'delivered' | 'refused'): void
  /** Where its reader was last nothing is known of it. */
  missed(id: string): void
  attached(): void
  lost(): void
}

/**
 * Milliseconds for which a reader is online before what waits for them is taken as stuck: their servers pass it on within seconds, and what is
 * written to them meanwhile is held back no longer than `orderMs` for it.
 */
const stuckMs = 4_000
/** Milliseconds between copies of one message to the same server. */
const againMs = 600_000
/** Milliseconds since it was written for which a message is sent to where its reader was last: as long as mailboxes keep one. */
const missedMs = wire.mailboxMs
const lookMs = 1_000
/** Copies in one look. */
const atOnce = 32
const dropped = 'So much waits that this program keeps no copy of it any more, and will not tell that it was read.'

export interface WaitingOptions {
  readonly clock: Clock
  readonly journal: Journal
  readonly roster: Pick<Roster, 'members'>
  readonly mail: MailStore
  readonly attachment: () => Attachment | undefined
  readonly send: (texts: readonly string[]) => boolean
  /** Who hears of a message that an earlier run sent, or of which no more will be heard. */
  readonly tell: (id: string, to: UserId, status: SentStatus, why?: string) => void
  /** What is told of one that was refused. */
  readonly refused: string
  readonly crashed: (error: unknown) => void
}

interface Seen {
  readonly server: ServerId | ''
  readonly at: number
}

export const createWaiting = (options: WaitingOptions): Waiting => {
  const { clock, journal, roster, mail, attachment, send, tell, refused, crashed } = options
  const hearers = new Map<string, Told>()
  /** Readers with something waiting → where they are seen online, and since when, in monotonic milliseconds. */
  const online = new Map<UserId, Seen>()
  /** Where its reader was seen when a copy was sent last, and when that was: one that left for a server that was gone is no reason to wait. */
  const copied = new Map<string, Seen>()
  /** Of which nothing is known where their reader was last. */
  const missing = new Set<string>()
  let cancelLook = (): void => {}

  const forget = (id: string): void => {
    copied.delete(id)
    missing.delete(id)
    hearers.delete(id)
  }

  /** Messages that are stuck: their reader has been online for a while, or was last where nothing is known of them. */
  const stuck = (): ReadonlyMap<UserId, readonly string[]> => {
    const now = clock.monotonic()
    const due = new Map<UserId, string[]>()
    let count = 0
    const readers = new Set<UserId>()
    for (const [id, { to: reader }] of journal.state.waiting) {
      readers.add(reader)
      const { presence, server = '' } = roster.members.get(reader) ?? {}
      if (presence !== 'online') online.delete(reader)
      else if (online.get(reader)?.server !== server) online.set(reader, { server, at: now })
      const isStuck = now - (online.get(reader)?.at ?? Infinity) >= stuckMs
      const last = copied.get(id)
      const isSent = last !== undefined && last.server === server && now - last.at < againMs
      if (!(isStuck || missing.has(id)) || isSent || count >= atOnce) continue
      count += 1
      copied.set(id, { server, at: now })
      missing.delete(id)
      due.set(reader, [...(due.get(reader) ?? []), id])
    }
    for (const reader of online.keys()) if (!readers.has(reader)) online.delete(reader)
    for (const id of [...copied.keys(), ...missing]) if (!journal.state.waiting.has(id)) forget(id)
    return due
  }

  const look = async (): Promise<void> => {
    for (const [reader, ids] of stuck()) {
      const texts = (await mail.read(reader, ids)).map(({ content }) => content)
      if (texts.length > 0) send(texts)
    }
  }
  const watch = (): void => {
    cancelLook = clock.after(lookMs, () => {
      look().catch(crashed)
      watch()
    })
  }
  const lost = (): void => {
    cancelLook()
    online.clear()
    missing.clear()
  }

  return {
    makeRoom(bytes) {
      const { waiting } = journal.state
      let room = clientLimits.maxWaitingBytes - bytes
      for (const copy of waiting.values()) room -= copy.bytes
      for (const [id, { to, bytes: freed }] of [...waiting]) {
        if (waiting.size < clientLimits.maxWaiting && room >= 0) return
        room += freed
        forget(id)
        journal.record(`user:${to}`, { type: 'copy.dropped', id, to }, [{ remove: { recipient: to, ids: [id] } }])
        journal.release(() => {
          tell(id, to, 'waiting', dropped)
        })
      }
    },
    begin: (id, told) => {
      // it may have made room already
      if (journal.state.waiting.has(id)) hearers.set(id, told)
    },
    isFor: (id, reader) => journal.state.waiting.get(id)?.to === reader,
    read(id, reader, state) {
      if (journal.state.waiting.get(id)?.to !== reader) return
      const mailed = [{ remove: { recipient: reader, ids: [id] } }]
      journal.record(`user:${reader}`, { type: 'message.settled', id, to: reader, state }, mailed)
      const told = hearers.get(id) ?? ((status, why) => tell(id, reader, status, why))
      hearers.delete(id)
      journal.release(() => {
        if (state === 'delivered') told('delivered')
        else told('failed', refused)
      })
    },
    missed(id) {
      const copy = journal.state.waiting.get(id)
      if (copy !== undefined && clock.now() - copy.ts <= missedMs) missing.add(id)
    },
    attached: () => {
      lost()
      // a server that keeps nothing would take each copy for another message
      if (attachment()?.caps.includes('receipts') === true) watch()
    },
    lost,
  }
}
