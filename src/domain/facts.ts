/** Every fact that a node records: past tense, immutable, the only thing that changes its state. */
import type { Address, Base64Url, FileId, PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'
import type { UserMeta } from '../protocol/meta.ts'

/** [epoch, counter] of a presence event at its origin; inside the signed payload, so it orders and cannot be replayed. */
export type PresenceSeq = readonly [epoch: number, counter: number]

/** What a node did as a whole. Stream `node`. */
export type NodeFact =
  /** The log was taken over by this incarnation; sockets of the one before are gone. */
  | {
      readonly type: 'node.started'
      readonly server: ServerId
      readonly epoch: number
      /** Under which its presence events are counted: Unix seconds or more, so that a restored backup is not behind. Old facts lack it: then the epoch. */
      readonly presenceEpoch?: number
    }
  | { readonly type: 'node.stopped'; readonly why: string }
  /** Data was erased in the rows `[from, to]`, both included; names nobody. `lastSeq` keeps the count of presence events. */
  | { readonly type: 'data.erased'; readonly rows: readonly (readonly [from: number, to: number])[]; readonly lastSeq: PresenceSeq }

/** What was decided about a stream that cannot be folded. Stream `node`. */
export type AsideFact =
  /** From fact `seq` on the stream takes no more facts and fails closed. */
  | { readonly type: 'stream.setAside'; readonly stream: Address; readonly seq: number; readonly why: string }
  /** An operator had it folded again, and it could be. */
  | { readonly type: 'stream.retried'; readonly stream: Address }
  /** An operator gave up what could not be folded: the stream begins anew. `removal` names the USER_REMOVE of a session's user. */
  | { readonly type: 'stream.dropped'; readonly stream: Address; readonly removal?: PresenceSeq }

/** Who belongs to the mesh and by which key. Stream `server:<id>`. */
export type MembershipFact =
  | {
      readonly type: 'server.pinned'
      readonly server: ServerId
      readonly pubkey: PublicKeyText
      readonly host: string
      readonly port: number
      /** One speaks TLS there. */
      readonly tls?: true
      /** The introducer that vouched, or the operator's own list. */
      readonly vouchedBy: ServerId | 'operator'
    }
  /** Pinned but never linked, or away for too long, or its key has another id now; its place is free again. */
  | { readonly type: 'server.forgotten'; readonly server: ServerId }
  | { readonly type: 'server.moved'; readonly server: ServerId; readonly host: string; readonly port: number; readonly tls?: true }

/** What the operator decided about a server. Stream `server:<id>`. */
export type OperatorFact =
  /** Neither linked nor believed until it is unbanned, under this id or this key; the key is left out where none was known. */
  | { readonly type: 'server.banned'; readonly server: ServerId; readonly pubkey?: PublicKeyText; readonly why: string }
  | { readonly type: 'server.unbanned'; readonly server: ServerId }
  /** A pinned server has this key from now on; what was known under the one before counts no more. */
  | { readonly type: 'server.trusted'; readonly server: ServerId; readonly pubkey: PublicKeyText }

/** One peer link, whatever number of sockets carries it. Stream `link:<server_id>`. */
export type LinkFact =
  | { readonly type: 'link.dialled'; readonly server: ServerId; readonly url: string }
  | { readonly type: 'link.failed'; readonly server: ServerId; readonly why: string }
  | {
      readonly type: 'link.linked'
      readonly server: ServerId
      readonly direction: 'dialled' | 'accepted'
      /** The peer answered our challenge; false for a stock server at its pinned address. */
      readonly proven: boolean
      readonly caps: readonly string[]
    }
  | { readonly type: 'link.silent'; readonly server: ServerId }
  | { readonly type: 'link.closed'; readonly server: ServerId; readonly why: string }
  /** The peer said hello after it could not be reached: it is there again. */
  | { readonly type: 'link.greeted'; readonly server: ServerId }
  /** The peer answered what no honest one answers. */
  | { readonly type: 'link.wronged'; readonly server: ServerId; readonly why: string }
  /** It did so too often: neither dialled nor let in before `until`, Unix milliseconds. */
  | { readonly type: 'link.refused'; readonly server: ServerId; readonly until: number }
  /** Its users were not confirmed within the grace time: they are not listed any more, and remembered for its return. */
  | { readonly type: 'link.lapsed'; readonly server: ServerId }
  /** What is known here of the peer's users is what the peer itself says. */
  | { readonly type: 'link.synced'; readonly server: ServerId }
  /** The server was forgotten, and the link with it. */
  | { readonly type: 'link.forgotten'; readonly server: ServerId }

/** The user's own signature under being attached to one server, which other servers can check (`docs/protocol.md`). */
export interface AttachmentProof {
  /** Unix milliseconds by the user; of two attachments the later one counts. */
  readonly at: number
  readonly nonce: string
  readonly sig: Base64Url
}

/** One user attached here. Stream `session:<user_id>`. */
export type SessionFact =
  | {
      readonly type: 'session.attached'
      readonly user: UserId
      readonly pubkey: PublicKeyText
      readonly encPubkey?: PublicKeyText
      readonly meta: UserMeta
      readonly caps: readonly string[]
      readonly proven: boolean
      /** Names this attachment's USER_ADVERTISE. */
      readonly seq: PresenceSeq
      /** When the attachment was made, Unix milliseconds by this server. */
      readonly since?: number
      readonly proof?: AttachmentProof
    }
  /** The socket is gone; the user is still listed until the grace time is over. */
  | { readonly type: 'session.detached'; readonly user: UserId; readonly why: string }
  /** The user left or did not return; names the USER_REMOVE. */
  | { readonly type: 'session.ended'; readonly user: UserId; readonly why: string; readonly seq: PresenceSeq }

/** Presence of users elsewhere, as their home signed it. Stream `user:<user_id>`. */
export type PresenceFact =
  | {
      readonly type: 'user.advertised'
      readonly user: UserId
      readonly server: ServerId
      readonly pubkey?: PublicKeyText
      readonly encPubkey?: PublicKeyText
      readonly meta: UserMeta
      readonly caps: readonly string[]
      /** Absent from an origin without sequences: then the digest alone stops a replay. */
      readonly seq?: PresenceSeq
      /** First 16 bytes of SHA-256 of the signature. */
      readonly digest: Base64Url
      /** When the user attached there: as that server says, and as the user signed it. */
      readonly since?: number
      readonly attachedAt?: number
    }
  | {
      readonly type: 'user.removed'
      readonly user: UserId
      readonly server: ServerId
      readonly seq?: PresenceSeq
      readonly digest: Base64Url
    }
  /** Somebody advertised a pinned user under another key; not applied. Recorded once per key. */
  | { readonly type: 'user.keyConflicted'; readonly user: UserId; readonly server: ServerId; readonly pubkey: PublicKeyText }
  /** The operator released the id: whoever claims it next is pinned, or, where a key is given, whoever has that key. */
  | { readonly type: 'user.unpinned'; readonly user: UserId; readonly pubkey?: PublicKeyText }

/** One file on its way through this server. Stream `transfer:<file_id>/<sender>/<recipient>`. */
export type TransferFact =
  | {
      readonly type: 'transfer.offered'
      readonly file: FileId
      readonly sender: UserId
      readonly recipient: UserId
      readonly size: number
      readonly mode: 'dm' | 'public'
    }
  | { readonly type: 'transfer.began'; readonly file: FileId }
  | { readonly type: 'transfer.ended'; readonly file: FileId; readonly chunks: number }
  | { readonly type: 'transfer.failed'; readonly file: FileId; readonly why: string }

/** What waits here for a user. Stream `mailbox:<user_id>`; the content is put and removed with the fact, as mail. Never says who sent it. */
export type MailboxFact =
  | {
      readonly type: 'mailbox.stored'
      readonly user: UserId
      /** The message's name. */
      readonly id: string
      /** The message's own time. */
      readonly ts: number
      /** UTF-8 bytes of the content. */
      readonly bytes: number
      /** Unix milliseconds from which on it is deleted. */
      readonly until: number
      /** Stands for the sender, for this user alone. */
      readonly by: Base64Url
    }
  | {
      readonly type: 'mailbox.released'
      readonly user: UserId
      readonly ids: readonly string[]
      /** `handed`: to the socket of a reader who gives no receipts. `moved`: the reader's new home has it. */
      readonly why: 'delivered' | 'refused' | 'handed' | 'moved' | 'expired' | 'gone'
    }

/** Receipts that are kept for senders who were away. Stream `mailbox:<user_id>` of the reader; the text is put and removed with the fact, as mail. */
export type ReceiptFact =
  | {
      readonly type: 'receipt.kept'
      /** The reader. */
      readonly user: UserId
      readonly id: string
      /** Names of the messages that it is about. */
      readonly refs: readonly string[]
      /** Unix milliseconds from which on it is deleted. */
      readonly until: number
    }
  | { readonly type: 'receipt.forgotten'; readonly user: UserId; readonly ids: readonly string[] }

/** An introducer's signed word that a key and an address belong to a server (`docs/protocol.md`). */
export interface Voucher {
  readonly by: ServerId
  readonly server_id: ServerId
  readonly host: string
  readonly port: number
  readonly pubkey: PublicKeyText
  readonly tls?: true
  readonly sig: Base64Url
}

/** Joining the mesh through the introducers. Stream `bootstrap`. */
export type BootstrapFact =
  | { readonly type: 'bootstrap.asked'; readonly introducer: string; readonly attempt: number }
  | { readonly type: 'bootstrap.failed'; readonly introducer: string; readonly why: string }
  /** The voucher is the introducer's word for us, which we show to members that we meet later. */
  | { readonly type: 'bootstrap.joined'; readonly introducer: ServerId; readonly voucher?: Voucher }

export type Fact =
  | NodeFact
  | AsideFact
  | MembershipFact
  | OperatorFact
  | LinkFact
  | SessionFact
  | PresenceFact
  | TransferFact
  | MailboxFact
  | ReceiptFact
  | BootstrapFact
