/** The table of all frames: who may send each, how it is signed, what it is for; its payload stands in payloads.ts. */
import type { z } from 'zod'
import { limits } from './limits.ts'
import type { payloads } from './payloads.ts'

export type FrameType = keyof typeof payloads
export type PayloadOf<T extends FrameType> = z.output<(typeof payloads)[T]>

/**
 * What the other end of a socket is to a server: nobody yet, an attached user, a linked server. On a socket that we dialled
 * the other end is a stranger too, until it has proved itself or its first signed frame has verified under the pinned key.
 */
export type Role = 'stranger' | 'user' | 'server'

/** `required`: refused without. `optional`: verified when it is there. `absent`: never looked at. */
export type SignatureRule = 'required' | 'optional' | 'absent'

export interface FrameRule {
  /** Roles from which a server takes it. */
  readonly by: readonly Role[]
  /** A client takes it from its server. */
  readonly toUsers: boolean
  readonly signature: SignatureRule
  /** Characters of its payload at most, where it is kept as it came: a frame has room for far more than it may say. */
  readonly most?: number
  /** Refusing it is never answered with an ERROR, or two programs answer each other for ever. */
  readonly quiet?: boolean
  readonly doc: string
}

/** Every frame that we send or accept; docs/protocol.md has the same table for people. */
export const frames = {
  SERVER_HELLO_JOIN: { by: ['stranger'], toUsers: false, signature: 'optional', doc: 'A new server asks an introducer to join (§8.1).' },
  SERVER_WELCOME: {
    by: ['stranger', 'server'],
    toUsers: false,
    signature: 'required',
    doc: 'The introducer answers a join; only on a socket that we dialled for it (§8.1).',
  },
  SERVER_ANNOUNCE: {
    by: ['stranger', 'server'],
    toUsers: false,
    signature: 'required',
    doc: 'A server says where it is and by which key; first frame of a link, then gossip (§8.1).',
  },
  SERVER_HELLO_LINK: { by: ['stranger'], toUsers: false, signature: 'optional', doc: 'First frame of a link from stock servers.' },
  PEER_HELLO_LINK: { by: ['stranger'], toUsers: false, signature: 'optional', doc: 'First frame of a link from stock servers.' },
  SERVER_VOUCH: { by: ['server'], toUsers: false, signature: 'required', doc: 'An introducer tells its members whom it admitted.' },
  SERVER_MEMBERS: {
    by: ['server'],
    toUsers: false,
    signature: 'required',
    doc: 'By which keys the sender has met the members of the mesh; between servers with `members`.',
  },
  CHALLENGE: { by: ['stranger'], toUsers: true, signature: 'absent', doc: 'Asks the other end to sign a nonce.' },
  PROOF: { by: ['stranger'], toUsers: true, signature: 'required', doc: 'Answers a challenge; the signature is the proof.' },
  USER_ADVERTISE: {
    by: ['server'],
    toUsers: true,
    signature: 'required',
    doc: "A user is attached at a server (§8.2). Relayed unchanged, so the origin's signature stays valid.",
  },
  USER_REMOVE: {
    by: ['server'],
    toUsers: true,
    signature: 'required',
    doc: 'A user is no longer attached there (§8.2). Relayed unchanged.',
  },
  HEARTBEAT: { by: ['server'], toUsers: false, signature: 'required', doc: 'The link is alive (§8.4, §11).' },
  PING: {
    by: ['server', 'user'],
    toUsers: false,
    signature: 'absent',
    doc: 'Is anybody there? Of servers and users with `ping`; also says that somebody is.',
  },
  PONG: { by: ['server'], toUsers: true, signature: 'absent', doc: 'Answers a ping.' },
  PRESENCE_ASK: {
    by: ['server'],
    toUsers: false,
    signature: 'required',
    doc: 'Does what I know of your users equal what you know? Between servers with `presence-digest`.',
  },
  PRESENCE_TELL: {
    by: ['server'],
    toUsers: false,
    signature: 'required',
    doc: "Answers it: digests or entries of the sender's own users.",
  },
  PUBLIC_CHANNEL_ADD: {
    by: ['server'],
    toUsers: true,
    signature: 'required',
    doc: 'Taken and not acted upon: our public channel has no shared key (§9.3).',
  },
  PUBLIC_CHANNEL_UPDATED: { by: ['server'], toUsers: true, signature: 'required', doc: 'Taken and not acted upon (§9.3).' },
  PUBLIC_CHANNEL_KEY_SHARE: { by: ['server'], toUsers: true, signature: 'required', doc: 'Taken and not acted upon (§9.3).' },
  SERVER_DELIVER: {
    by: ['server'],
    toUsers: false,
    signature: 'required',
    doc: 'Content for a user of another server (§8.3); `inner_type` says which.',
  },
  USER_HELLO: { by: ['stranger'], toUsers: false, signature: 'optional', doc: 'A user attaches (§9.1).' },
  MSG_DIRECT: { by: ['user'], toUsers: false, signature: 'required', doc: 'A message to one user (§9.2).' },
  USER_DELIVER: { by: [], toUsers: true, signature: 'required', doc: 'Content for the user at this end (§9.2); `inner_type` says which.' },
  MSG_PUBLIC_CHANNEL: {
    by: ['user', 'server'],
    toUsers: true,
    signature: 'required',
    doc: 'A public message: from us per member, from stock programs to the group (§9.3).',
  },
  FILE_START: { by: ['user'], toUsers: true, signature: 'required', doc: 'Offers a file (§9.4).' },
  FILE_CHUNK: { by: ['user'], toUsers: true, signature: 'required', doc: 'One piece of a file, index from 0 or 1 (§9.4).' },
  FILE_END: { by: ['user'], toUsers: true, signature: 'required', doc: 'All pieces were sent (§9.4).' },
  LIST_REQUEST: { by: ['user'], toUsers: false, signature: 'optional', doc: 'Who is online? (§14)' },
  LIST_RESPONSE: { by: [], toUsers: true, signature: 'required', doc: 'Users of the whole mesh by name, in parts of at most 200.' },
  PRESENCE_CHANGED: {
    by: [],
    toUsers: true,
    signature: 'required',
    doc: 'How sure the server is of the users of another one, and who of them is gone; for users with `presence`.',
  },
  SERVERS_REQUEST: {
    by: ['user'],
    toUsers: false,
    signature: 'optional',
    doc: 'Which other servers may I attach to? Of users with `servers`.',
  },
  SERVERS: { by: [], toUsers: true, signature: 'required', doc: 'Servers that are linked with this one, with address and key.' },
  PUBKEY_REQUEST: { by: ['user'], toUsers: false, signature: 'optional', doc: 'By which key does a user sign? (§13)' },
  PUBKEY_RESPONSE: { by: [], toUsers: true, signature: 'required', doc: "The directory's key of a user (§13)." },
  RECEIPT: {
    by: ['user', 'server'],
    toUsers: true,
    signature: 'required',
    most: limits.maxReceiptText,
    doc: 'What became of messages: the word of their reader, passed on unchanged, or of a server.',
  },
  RECEIPT_ASK: {
    by: ['user', 'server'],
    toUsers: false,
    signature: 'required',
    doc: 'Were messages read that had waited? Answered by their receipts, if these are kept; from and to servers with `receipt-ask`.',
  },
  ACK: {
    by: ['stranger', 'user', 'server'],
    toUsers: true,
    signature: 'optional',
    quiet: true,
    doc: 'The frame that `msg_ref` names was taken (§9.5).',
  },
  ERROR: { by: ['stranger', 'user', 'server'], toUsers: true, signature: 'optional', quiet: true, doc: 'A frame was refused (§9.5).' },
  SERVER_NOTICE: {
    by: [],
    toUsers: true,
    signature: 'required',
    doc: 'How the server is: what it refuses for now, or that it is about to cut this socket. To users with `notice`.',
  },
  CTRL_CLOSE: {
    by: ['user', 'server'],
    toUsers: true,
    signature: 'optional',
    quiet: true,
    doc: 'Goodbye; may be the bare `{"type":"CTRL_CLOSE"}` (§6).',
  },
} as const satisfies Readonly<Record<FrameType, FrameRule>>

/** True for a type of the table, and not for a name of `Object.prototype`. */
export const isFrameType = (name: string): name is FrameType => Object.hasOwn(frames, name)

/** The rule of a frame with the general type, for code that handles any of them. */
export const ruleOf = (type: FrameType): FrameRule => frames[type]

/** May a socket in this role send this frame to a server? */
export const maySend = (role: Role, type: FrameType): boolean => ruleOf(type).by.includes(role)
