/** Everything that a client records: pins, alarms, learned constructions, what was sent and received. Never plaintext. */
import type { Order } from './order.ts'
import type { AddressClass } from '../protocol/address-class.ts'
import type { FileId, PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'

/** What encrypts to a user and what verifies them: pinned and changed together, for either alone would let a relay in between. */
export interface UserKeys {
  readonly pubkey: PublicKeyText
  /** Absent when `pubkey` encrypts too. */
  readonly encPubkey?: PublicKeyText
}

export const keysOf = ({ pubkey, encPubkey }: UserKeys): UserKeys => (encPubkey === undefined ? { pubkey } : { pubkey, encPubkey })

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
