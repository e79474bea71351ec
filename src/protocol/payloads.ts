/** The payload of every frame: what is needed of it is checked here, what is unknown is let through. */
import { z } from 'zod'
import * as field from './fields.ts'
import { fileId, serverId, userId } from './ids.ts'
import { limits } from './limits.ts'

const empty = z.looseObject({})

/** Where a server listens and by which key it signs; g17 announces without either, so a reader must look. */
const serverAddress = {
  host: field.host,
  port: field.port,
  pubkey: field.keyText,
  caps: field.caps.optional(),
  /** One speaks TLS at this address. */
  tls: z.boolean().optional(),
}

const link = z.looseObject({ ...serverAddress, server_id: serverId.optional() })

/** Joining and linking, SOCP §8.1. */
export const joining = {
  SERVER_HELLO_JOIN: z.looseObject({ ...serverAddress, nonce: field.nonce.optional() }),
  SERVER_WELCOME: z.looseObject({
    assigned_id: serverId,
    servers: z.array(field.listedServer).max(limits.maxEntries).optional(),
    clients: z.array(field.listedServer).max(limits.maxEntries).optional(),
    nonce: field.nonce.optional(),
    for: serverId.optional(),
    voucher: field.voucher.optional(),
  }),
  SERVER_ANNOUNCE: z.looseObject({
    host: field.host.optional(),
    port: field.port.optional(),
    pubkey: field.keyText.optional(),
    caps: field.caps.optional(),
    tls: z.boolean().optional(),
    server_id: serverId.optional(),
    vouchers: z.array(field.voucher).max(limits.maxVouchers).optional(),
  }),
  SERVER_HELLO_LINK: link,
  PEER_HELLO_LINK: link,
  SERVER_VOUCH: z.looseObject({ voucher: field.voucher }),
  SERVER_MEMBERS: z.looseObject({
    members: z.array(z.looseObject({ server_id: serverId, key: z.string().max(64) })).max(limits.maxEntries),
  }),
  CHALLENGE: z.looseObject({ nonce: field.nonce }),
  PROOF: z.looseObject({
    nonce: field.nonce,
    prover: z.union([serverId, userId]),
    verifier: z.union([serverId, userId]),
    role: z.enum(['server', 'user']),
    /** Of a server to a server: which end of the socket the prover is. */
    side: z.enum(['dialled', 'accepted']).optional(),
    /** Of a user: when they attach, Unix milliseconds of theirs that only grow. */
    at: field.count.optional(),
    pubkey: field.keyText.optional(),
  }),
} as const

/** Hexadecimal digits in front of SHA-256 of a user id; the empty text stands for all users. */
const digestPrefix = z
  .string()
  .max(16)
  .regex(/^[0-9a-f]*$/, 'hexadecimal digits are meant here')
/** Of no users the empty text. */
const digestText = z
  .string()
  .max(22)
  .regex(/^[A-Za-z0-9_-]*$/, 'base64url is meant here')

/** Presence gossip and health, SOCP §8.2, §8.4. */
export const presence = {
  USER_ADVERTISE: z.looseObject({
    user_id: userId,
    server_id: serverId,
    meta: field.metaObject,
    pubkey: field.keyText.optional(),
  }),
  USER_REMOVE: z.looseObject({ user_id: userId, server_id: serverId, seq: field.presenceSeq.optional() }),
  HEARTBEAT: empty,
  PING: z.looseObject({
    n: field.count,
    /** Many users have left here: compare. */
    compare: z.boolean().optional(),
  }),
  PONG: z.looseObject({ n: field.count }),
  PRESENCE_ASK: z.looseObject({
    nonce: field.nonce,
    /** What the asker knows of all users together; only in the first question. */
    root: digestText.optional(),
    prefixes: z.array(digestPrefix).max(limits.maxDigestPrefixes).optional(),
    want: z.array(userId).max(limits.maxWanted).optional(),
  }),
  PRESENCE_TELL: z.looseObject({
    nonce: field.nonce,
    seq: field.presenceSeq,
    same: z.boolean().optional(),
    nodes: z
      .array(z.looseObject({ prefix: digestPrefix, digests: z.array(digestText).length(16) }))
      .max(limits.maxDigestPrefixes)
      .optional(),
    leaves: z
      .array(z.looseObject({ prefix: digestPrefix, users: z.array(z.tuple([userId, field.count, field.count])).max(limits.maxEntries) }))
      .max(limits.maxDigestPrefixes)
      .optional(),
  }),
} as const

/** Keys of the public channel, SOCP §9.3; taken from stock servers and not acted upon. */
export const publicChannel = {
  PUBLIC_CHANNEL_ADD: z.looseObject({ add: field.memberNames.optional(), if_version: field.count.optional() }),
  PUBLIC_CHANNEL_UPDATED: z.looseObject({
    version: field.count.optional(),
    wraps: z.array(z.looseObject({})).max(limits.maxEntries).optional(),
  }),
  PUBLIC_CHANNEL_KEY_SHARE: z.looseObject({
    shares: z.array(z.looseObject({})).max(limits.maxEntries),
    creator_pub: field.keyText.optional(),
    content_sig: field.signatureText,
  }),
} as const

/** Who wrote it. The key that comes along is never trusted: the directory's is. */
const author = { sender: userId.optional(), sender_pub: field.keyText.optional(), content_sig: field.signatureText }

/** Old envelope times that stock servers carry inside the payload, for the content signature. */
const oldTimes = { msg_ts: field.count.optional(), orig_ts: field.count.optional(), cts: field.count.optional() }

/** The sender keeps it until it hears a RECEIPT. */
const receipt = z.boolean().optional()

const direct = { ciphertext: field.ciphertext, receipt, public: z.boolean().optional(), ...author, ...oldTimes }

/** Stock clients send public text in clear as `text`, or as base64url under `ciphertext`. */
const channel = {
  ciphertext: field.ciphertext.optional(),
  text: field.boundedText(limits.maxTextBytes).optional(),
  group_id: z.string().max(limits.maxIdLength).optional(),
  channel: z.string().max(limits.maxIdLength).optional(),
  receipt,
  ...author,
  ...oldTimes,
}

const fileStart = {
  file_id: fileId,
  name: field.name.min(1),
  size: field.count,
  sha256: field.sha256Hex,
  mode: z.enum(['dm', 'public']).default('dm'),
  ...author,
}
const fileChunk = { file_id: fileId, index: field.count, total: field.count.optional(), ciphertext: field.ciphertext, ...author }
const fileEnd = { file_id: fileId, ...author }

const hasContent = (payload: object): boolean =>
  ('ciphertext' in payload && payload.ciphertext !== undefined) || ('text' in payload && payload.text !== undefined)

/** The five things that are delivered, under the name that says which one it is (`inner_type`). */
const delivered = <Shape extends z.ZodRawShape>(envelope: Shape) =>
  z.preprocess(
    // the field is absent from plain v1.3 deliveries, and g69 marks public ones by `channel` alone
    payload => {
      if (typeof payload !== 'object' || payload === null) return payload
      const { inner_type: inner, channel: named } = payload as { inner_type?: unknown; channel?: unknown }
      if (inner === 'MSG_PRIVATE') return { ...payload, inner_type: 'MSG_DIRECT' }
      return inner === undefined ? { ...payload, inner_type: named === 'public' ? 'MSG_PUBLIC_CHANNEL' : 'MSG_DIRECT' } : payload
    },
    z.discriminatedUnion('inner_type', [
      z.looseObject({ inner_type: z.literal('MSG_DIRECT'), ...direct, ...envelope }),
      z
        .looseObject({ inner_type: z.literal('MSG_PUBLIC_CHANNEL'), ...channel, ...envelope })
        .refine(hasContent, 'a message has a ciphertext'),
      z.looseObject({ inner_type: z.literal('FILE_START'), ...fileStart, ...envelope }),
      z.looseObject({ inner_type: z.literal('FILE_CHUNK'), ...fileChunk, ...envelope }),
      z.looseObject({ inner_type: z.literal('FILE_END'), ...fileEnd, ...envelope }),
    ]),
  )

/** Messages and files, SOCP §8.3, §9.2 to §9.4. */
export const content = {
  MSG_DIRECT: z.looseObject({ ...direct, content_sig: field.requiredSignature }),
  MSG_PUBLIC_CHANNEL: z.looseObject(channel).refine(hasContent, 'a message has a ciphertext'),
  FILE_START: z.looseObject(fileStart),
  FILE_CHUNK: z.looseObject(fileChunk),
  FILE_END: z.looseObject(fileEnd),
  SERVER_DELIVER: delivered({ user_id: userId }),
  USER_DELIVER: delivered({}),
} as const

/** Between a user and their server, SOCP §9.1, §9.5, §14. */
export const service = {
  USER_HELLO: z.looseObject({
    client: z.string().max(64).optional(),
    pubkey: field.keyText,
    enc_pubkey: field.keyText.optional(),
    meta: field.metaObject,
    caps: field.caps.optional(),
  }),
  LIST_REQUEST: empty,
  LIST_RESPONSE: z.looseObject({
    users: z
      .array(
        z.looseObject({
          user_id: userId,
          display_name: field.name.optional(),
          server_id: serverId.optional(),
          presence: z.enum(['online', 'away', 'suspect', 'recovered']).default('online'),
        }),
      )
      .max(limits.maxEntries),
    more: z.boolean().default(false),
  }),
  PRESENCE_CHANGED: z.looseObject({
    server_id: serverId,
    presence: z.enum(['online', 'suspect', 'recovered', 'lapsed']).optional(),
    gone: z.array(userId).max(limits.maxListed).optional(),
  }),
  SERVERS_REQUEST: empty,
  SERVERS: z.looseObject({
    servers: z
      .array(z.looseObject({ server_id: serverId, host: field.host, port: field.port, pubkey: field.keyText, tls: z.boolean().optional() }))
      .max(limits.maxEntries),
  }),
  PUBKEY_REQUEST: z.looseObject({ user_id: userId, req_id: z.string().max(limits.maxIdLength).optional() }),
  PUBKEY_RESPONSE: z.looseObject({
    user_id: userId,
    pubkey: field.keyText,
    enc_pubkey: field.keyText.optional(),
    caps: field.caps.optional(),
  }),
  RECEIPT: z.looseObject({
    sender: userId,
    recipient: userId,
    refs: z.array(z.string().min(1).max(64)).min(1).max(limits.maxRefs),
    state: z.enum(['delivered', 'refused', 'waiting', 'full', 'passed', 'unknown']),
  }),
  RECEIPT_ASK: z.looseObject({
    /** Said by the sender's server. */
    sender: userId.optional(),
    recipient: userId,
    refs: z.array(z.string().min(1).max(64)).min(1).max(limits.maxRefs),
  }),
  /** That of a hello says what the server can. */
  ACK: z.looseObject({ msg_ref: z.string().max(256), caps: field.caps.optional() }),
  ERROR: z.looseObject({
    code: z.string().min(1).max(64),
    detail: field.boundedText(4_096).optional(),
    msg_ref: z.string().max(256).optional(),
  }),
  SERVER_NOTICE: z.looseObject({
    code: z.string().min(1).max(64),
    detail: field.boundedText(4_096).optional(),
    /** Of a notice about attachments: where the other one is, and when which one was made. */
    server_id: serverId.optional(),
    at: field.count.optional(),
  }),
  CTRL_CLOSE: empty,
} as const

/** Frame type → payload schema. */
export const payloads = { ...joining, ...presence, ...publicChannel, ...content, ...service } as const
