/** Everything that a client records, and its state as the fold of that: pins, alarms, learned constructions, what was sent and received. Never plaintext. */
import { count, type Counted, type Order, show, type Shown, uncount } from './order.ts'
import type { AddressClass } from '../protocol/address-class.ts'
import type { FileId, PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'

/** What encrypts to a user and what verifies them: pinned and changed together, for either alone would let a relay in between. */
export interface UserKeys {
  readonly pubkey: PublicKeyText
  /** Absent when `pubkey` encrypts too. */
  readonly encPubkey?: PublicKeyText
}

export interface ServerPin {
  readonly server: ServerId
  readonly pubkey: PublicKeyText
}

export interface LearnedServer extends ServerPin {
  /** How far out the server is reached that told of it; `public` when left out. */
  readonly reach?: AddressClass
}

export type MessageKind = 'direct' | 'public'

/** How the keeping of a message ended; `expired`: nobody took it for too long. The rest is as in docs/protocol.md, "Delivery". */
export type Settled = 'delivered' | 'refused' | 'waiting' | 'full' | 'passed' | 'expired'

/** States that mean that it will not arrive. */
export const FAILED: ReadonlySet<Settled> = new Set<Settled>(['refused', 'full', 'expired'])

export type ClientFact =
  /** Stream `node`. This incarnation took over the log. */
  | { readonly type: 'client.started'; readonly user: UserId; readonly epoch: number }
  /** Stream `node`. We are about to sign that we attach at that time: each is later than the one before. */
  | { readonly type: 'client.attaching'; readonly at: number }
  /** Stream `server:<id>`. Who answers at an address, on first use; `changed` is an alarm and refused until `trusted`. */
  | ({ readonly type: 'server.pinned' | 'server.changed' | 'server.trusted'; readonly url: string } & ServerPin)
  /** Stream `server:<id>`. Our server says who answers at an address: then nobody else is believed there. */
  | ({ readonly type: 'server.learned'; readonly url: string } & LearnedServer)
  /** Stream `user:<id>`. The first keys seen of a user, others than those, and a person's word that the others are right. */
  | ({ readonly type: 'key.pinned' | 'key.changed' | 'key.trusted'; readonly user: UserId } & UserKeys)
  /** The pinned keys came back without a person's word; the changed ones are forgotten. */
  | { readonly type: 'key.restored'; readonly user: UserId }
  /** Nobody ever wrote to or heard from them, and there are too many pins. */
  | { readonly type: 'key.forgotten'; readonly user: UserId }
  /** The construction of content signatures that this key used first; no other is accepted from it later. */
  | {
      readonly type: 'construction.learned'
      readonly user: UserId
      readonly pubkey: PublicKeyText
      readonly construction: string
    }
  | { readonly type: 'message.sent'; readonly id: string; readonly to: UserId | 'public'; readonly ts: number; readonly kind: MessageKind }
  /** Kept until it is settled; the frame stands in the mail, under the same id. */
  | {
      readonly type: 'message.stored'
      readonly id: string
      readonly to: UserId
      readonly ts: number
      readonly kind: MessageKind
      readonly order: Order
    }
  | {
      readonly type: 'message.settled'
      readonly id: string
      readonly to: UserId
      readonly state: Settled
      /** UTF-8 bytes of the copy that is kept while it is `waiting`; facts of older versions lack them. */
      readonly bytes?: number
    }
  /** The copy of a message that waits was given up: too much waits. */
  | { readonly type: 'copy.dropped'; readonly id: string; readonly to: UserId }
  | {
      readonly type: 'message.received'
      readonly id: string
      readonly user: UserId
      readonly ts: number
      readonly kind: MessageKind
      readonly order?: Order
    }
  | TransferFact

/** Stream `transfer:<local id>`; the local id is ours, since a file id is the sender's choice. */
export type TransferFact =
  | {
      readonly type: 'incoming.offered'
      readonly transfer: string
      readonly file: FileId
      readonly user: UserId
      readonly size: number
      readonly sha256: string
    }
  | { readonly type: 'incoming.saved'; readonly transfer: string }
  | { readonly type: 'incoming.failed'; readonly transfer: string; readonly why: string }
  | {
      readonly type: 'outgoing.offered'
      readonly transfer: string
      readonly file: FileId
      readonly user: UserId
      readonly size: number
      readonly sha256: string
      readonly ts: number
    }
  | { readonly type: 'outgoing.sent'; readonly transfer: string }
  | { readonly type: 'outgoing.failed'; readonly transfer: string; readonly why: string }

interface KnownUser {
  readonly keys: UserKeys
  /** Announced instead of the pinned keys, not trusted. */
  readonly changed: UserKeys | undefined
  /** How the pinned key makes content signatures. */
  readonly construction: string | undefined
  /** Somebody we wrote to or heard from: never forgotten to make room. */
  readonly contact: boolean
  /** Messages to them that were counted. */
  readonly counted: Counted | undefined
  /** What was shown of theirs. */
  readonly shown: Shown | undefined
}

/** A message that is kept until it is accepted. */
export interface Kept {
  readonly to: UserId
  readonly ts: number
  readonly order: Order
}

/** A message that waits in a mailbox, of which a copy is kept. */
export interface WaitingCopy {
  readonly to: UserId
  readonly ts: number
  readonly bytes: number
}

export interface ClientState {
  readonly users: ReadonlyMap<UserId, KnownUser>
  /** By address, `ws://host:port`. */
  readonly servers: ReadonlyMap<string, { readonly pin: ServerPin; readonly changed: ServerPin | undefined }>
  /** Other servers of the mesh, as ours told of them. */
  readonly learned: ReadonlyMap<string, LearnedServer>
  /** Ids of the messages received last, so that a replay is not shown again, also after a restart. */
  readonly received: ReadonlySet<string>
  /** Messages that are not accepted yet, in the order in which they were written. */
  readonly kept: ReadonlyMap<string, Kept>
  /** Messages that wait in a mailbox, as far as we know, by id. */
  readonly waiting: ReadonlyMap<string, WaitingCopy>
  /** The latest `ts` that we gave. */
  readonly lastTs: number
  /** When we attached last, as we signed it. */
  readonly attachedAt: number
  /** The same of the last times, that one included: what was signed under our key and is not among them is another program's. */
  readonly attachments: ReadonlySet<number>
  /** Transfers that began and did not end: swept at the next start. */
  readonly transfers: ReadonlyMap<string, 'incoming' | 'outgoing'>
}

export const clientLimits = {
  /** Users whose keys are kept. */
  maxPins: 20_000,
  /** Servers that are remembered beside those that a person named. */
  maxLearned: 16,
  /** Times at which we attached that are remembered. */
  maxAttachments: 256,
  /** Message ids that are remembered. */
  maxReceived: 10_000,
  /** Messages in mailboxes whose delivery can still be told, and bytes of their copies. */
  maxWaiting: 1_024,
  maxWaitingBytes: 16_777_216,
} as const

/** Of a copy whose size was not recorded: a message of one block. */
const usualBytes = 4_096

type Draft = {
  -readonly [K in keyof ClientState]: ClientState[K] extends ReadonlyMap<infer A, infer B>
    ? Map<A, B>
    : ClientState[K] extends ReadonlySet<infer A>
      ? Set<A>
      : ClientState[K]
}

const evolve = (draft: Draft, fact: ClientFact): void => {
  const known = 'user' in fact ? draft.users.get(fact.user) : undefined
  const touch = (user: UserId, change: Partial<KnownUser>): void => {
    if (known !== undefined) draft.users.set(user, { ...known, ...change })
  }
  switch (fact.type) {
    case 'client.started':
      draft.transfers.clear()
      return
    case 'client.attaching':
      draft.attachedAt = Math.max(draft.attachedAt, fact.at)
      draft.attachments.add(fact.at)
      if (draft.attachments.size > clientLimits.maxAttachments) draft.attachments.delete(draft.attachments.values().next().value as number)
      return
    case 'server.pinned':
    case 'server.trusted': {
      // it stays one of those that we know of
      const learned = draft.learned.get(fact.url)
      if (learned !== undefined) draft.learned.set(fact.url, { ...learned, server: fact.server, pubkey: fact.pubkey })
      draft.servers.set(fact.url, { pin: { server: fact.server, pubkey: fact.pubkey }, changed: undefined })
      return
    }
    case 'server.learned':
      draft.learned.delete(fact.url)
      draft.learned.set(fact.url, {
        server: fact.server,
        pubkey: fact.pubkey,
        ...(fact.reach === undefined ? {} : { reach: fact.reach }),
      })
      if (draft.learned.size > clientLimits.maxLearned) draft.learned.delete(draft.learned.keys().next().value as string)
      return
    case 'server.changed': {
      const pin = draft.servers.get(fact.url)?.pin
      if (pin !== undefined) draft.servers.set(fact.url, { pin, changed: { server: fact.server, pubkey: fact.pubkey } })
      return
    }
    case 'key.pinned':
    case 'key.trusted':
      draft.users.set(fact.user, {
        keys: keysOf(fact),
        changed: undefined,
        construction: undefined,
        contact: known?.contact ?? false,
        counted: known?.counted,
        shown: known?.shown,
      })
      return
    case 'key.changed':
      touch(fact.user, { changed: keysOf(fact) })
      return
    case 'key.restored':
      touch(fact.user, { changed: undefined })
      return
    case 'key.forgotten':
      draft.users.delete(fact.user)
      return
    case 'construction.learned':
      if (known?.keys.pubkey === fact.pubkey) touch(fact.user, { construction: fact.construction })
      return
    case 'message.sent': {
      draft.lastTs = Math.max(draft.lastTs, fact.ts)
      const recipient = fact.to === 'public' ? undefined : draft.users.get(fact.to)
      if (recipient !== undefined && fact.to !== 'public') draft.users.set(fact.to, { ...recipient, contact: true })
      return
    }
    case 'message.stored': {
      draft.lastTs = Math.max(draft.lastTs, fact.ts)
      draft.kept.set(fact.id, { to: fact.to, ts: fact.ts, order: fact.order })
      const recipient = draft.users.get(fact.to)
      if (recipient !== undefined) draft.users.set(fact.to, { ...recipient, contact: true, counted: count(recipient.counted, fact.order) })
      return
    }
    case 'message.settled': {
      const kept = draft.kept.get(fact.id)
      draft.kept.delete(fact.id)
      draft.waiting.delete(fact.id)
      if (fact.state === 'waiting') draft.waiting.set(fact.id, { to: fact.to, ts: kept?.ts ?? 0, bytes: fact.bytes ?? usualBytes })
      const recipient = draft.users.get(fact.to)
      if (kept !== undefined && recipient?.counted !== undefined && FAILED.has(fact.state))
        draft.users.set(fact.to, { ...recipient, counted: uncount(recipient.counted, kept.order) })
      return
    }
    case 'copy.dropped':
      draft.waiting.delete(fact.id)
      return
    case 'message.received': {
      touch(fact.user, { contact: true, ...(fact.order !== undefined && { shown: show(known?.shown, fact.order, fact.ts) }) })
      draft.received.add(fact.id)
      if (draft.received.size > clientLimits.maxReceived)
        for (const oldest of draft.received) {
          draft.received.delete(oldest)
          break
        }
      return
    }
    case 'incoming.offered':
      draft.transfers.set(fact.transfer, 'incoming')
      return
    case 'outgoing.offered':
      draft.lastTs = Math.max(draft.lastTs, fact.ts)
      draft.transfers.set(fact.transfer, 'outgoing')
      return
    case 'incoming.saved':
    case 'incoming.failed':
    case 'outgoing.sent':
    case 'outgoing.failed':
      draft.transfers.delete(fact.transfer)
      return
  }
}

export const keysOf = ({ pubkey, encPubkey }: UserKeys): UserKeys => (encPubkey === undefined ? { pubkey } : { pubkey, encPubkey })

/** A fold in place: readers hold the readonly view. */
export const createClientState = (): { readonly state: ClientState; evolve(fact: ClientFact): void } => {
  const draft: Draft = {
    users: new Map(),
    servers: new Map(),
    learned: new Map(),
    received: new Set(),
    kept: new Map(),
    waiting: new Map(),
    lastTs: 0,
    attachedAt: 0,
    attachments: new Set(),
    transfers: new Map(),
  }
  return {
    state: draft,
    evolve: fact => {
      evolve(draft, fact)
    },
  }
}
