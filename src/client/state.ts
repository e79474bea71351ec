/** What a client knows: the fold of what it recorded. */
import type { UserId } from '../protocol/ids.ts'
import { type ClientFact, FAILED, keysOf, type LearnedServer, type ServerPin, type UserKeys } from './facts.ts'
import { count, type Counted, type Order, show, type Shown, uncount } from './order.ts'

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
