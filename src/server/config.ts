/** What an operator may choose; the defaults are a working server on this machine alone. */
import { z } from 'zod'
import { limits as wire } from '../protocol/limits.ts'

const host = z.string().min(1).max(253)
const port = z.int().min(1).max(65_535)
const pubkey = z.string().min(1).max(2_048)
const rate = z.strictObject({ burst: z.number().positive(), perSecond: z.number().positive() })

const tls = z.boolean().optional()
const introducer = z.object({ host, port, pubkey, tls })

/** The standard's bootstrap list (§8.1): introducers with their pinned keys. */
export const bootstrapSchema = z.object({
  bootstrap_servers: z.array(introducer).min(1, 'name at least one introducer').max(32),
})
export type Introducer = z.infer<typeof bootstrapSchema>['bootstrap_servers'][number]

const limits = z.strictObject({
  /** Sockets in all, in their hello (in all and from one address), and from one address. */
  sockets: z.int().positive().default(10_000),
  hellos: z.int().positive().default(1_024),
  hellosPerAddress: z.int().positive().default(128),
  socketsPerAddress: z.int().positive().default(1_000),
  sessions: z.int().positive().default(5_000),
  servers: z.int().positive().default(1_000),
  /** Server ids under which one key may be a member. */
  idsPerKey: z.int().positive().default(1),
  usersPerServer: z.int().positive().default(67_000),
  pins: z.int().positive().default(200_000),
  transfers: z.int().positive().default(1_000),
  transfersPerUser: z.int().positive().default(16),
  /** Largest file that may pass, in bytes. */
  fileBytes: z.int().positive().default(1_073_741_824),
  /** Frames that may wait in one socket's lanes, and bytes that its other end may leave unread. */
  outgoingFrames: z.int().positive().default(20_000),
  outgoingBytes: z.int().positive().default(16_777_216),
  /** Messages on their way to one user, for which a receipt has not come; more go to the mailbox. */
  inFlight: z.int().positive().default(256),
  /** What waits for one user who is away: messages, of these from one sender, and bytes; and for all users together. */
  mailboxMessages: z.int().positive().default(1_000),
  mailboxMessagesOfSender: z.int().positive().default(250),
  mailboxBytes: z.int().positive().default(8_388_608),
  mailboxesMessages: z.int().positive().default(100_000),
  mailboxesBytes: z.int().positive().default(536_870_912),
  /** Receipts that are kept for senders who were away: of one reader, and of all; each names up to 64 messages. */
  receiptsKept: z.int().positive().default(250),
  receiptsKeptOfAll: z.int().positive().default(25_000),
  /** Messages in an actor's mailbox. */
  mailbox: z.int().positive().default(512),
  signatures: z.int().positive().default(20_000),
  /** Duplicates are recognised among this many frames of one origin. */
  seen: z.int().positive().default(10_000),
  /** New members that one introducer may bring in an hour. */
  newServersPerHour: z.int().positive().default(100),
  /** Joins that this server answers as an introducer; each costs two signatures. */
  joins: rate.default({ burst: 100, perSecond: 2 }),
  unsignedJoins: rate.default({ burst: 20, perSecond: 0.2 }),
  /** Hellos of users from one address; each attaching costs four signatures, and the whole mesh hears of it. */
  attaches: rate.default({ burst: 500, perSecond: 10 }),
  userFrames: rate.default({ burst: 400, perSecond: 150 }),
  serverFrames: rate.default({ burst: 5_000, perSecond: 2_500 }),
  refusals: rate.default({ burst: 20, perSecond: 1 }),
  /** Bytes on the disk beyond which half of the log's facts are compacted; what they made stays. */
  logBytes: z.int().positive().default(1_073_741_824),
  /** A snapshot is made when so many facts came since the last one, and as many as there are users. */
  snapshotFacts: z.int().positive().default(10_000),
})

const timing = z.strictObject({
  /** All in milliseconds. */
  helloMs: z.int().positive().default(wire.helloMs),
  heartbeatMs: z.int().positive().default(wire.heartbeatMs),
  /** How long the other end of a socket may leave bytes unread before it is cut; told at half of it. */
  slowReaderMs: z.int().positive().default(60_000),
  silenceMs: z.int().positive().default(wire.silenceMs),
  /** The same between servers that ping: how often they do, and how long nothing at all may come back. */
  pingMs: z.int().positive().default(wire.pingMs),
  answerMs: z.int().positive().default(wire.answerMs),
  dialMs: z.int().positive().default(5_000),
  /** How long a peer that we dialled may take to show that it knows `proof` before it counts as a stock server. */
  stockMs: z.int().positive().default(2_000),
  stallMs: z.int().positive().default(120_000),
  /** Longest wait for a signature that a frame is taken for; with the measured speed it bounds the signing queue. */
  signMs: z.int().positive().default(20_000),
  acceptPastMs: z.int().positive().default(wire.acceptPastMs),
  acceptFutureMs: z.int().positive().default(wire.acceptFutureMs),
  /** How long a pinned server may take to link for the first time before it is forgotten. */
  newcomerMs: z.int().positive().default(3_600_000),
  /** How long a member that was linked once may be gone before it is forgotten: 30 days. */
  absentMs: z.int().positive().default(2_592_000_000),
  /** How often a linked server's users are compared anew, with `presence-digest`. */
  compareMs: z.int().positive().default(60_000),
  /** How long a message waits for its reader before it is deleted. */
  mailboxMs: z.int().positive().default(wire.mailboxMs),
  /** How often the node signs where its log stands, if facts came meanwhile. */
  checkpointMs: z.int().positive().default(600_000),
})

export const logLevels = ['debug', 'info', 'warn', 'error'] as const

/** Everything in `--config FILE`; unknown keys are errors, so that a typing mistake is not a silent default. */
export const configSchema = z.strictObject({
  host: host.default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(9_000),
  advertise: z.string().optional(),
  bootstrap_servers: z.array(introducer).max(32).default([]),
  /** Whom this server dials, when that does not follow from its own address: a name counts as public, whatever it resolves to. */
  reach: z.enum(['loopback', 'private', 'public']).optional(),
  /** `vouched`: by a pinned introducer; `listed`: only the servers below. */
  membership: z.enum(['vouched', 'listed']).default('vouched'),
  servers: z
    .array(z.strictObject({ server_id: z.string().min(1).max(64), host, port, pubkey, tls }))
    .max(1_000)
    .default([]),
  /** Whether this server welcomes joiners as an introducer. */
  introduce: z.boolean().default(true),
  /** `open`: anyone within the limits; `listed`: only the ids below. */
  attach: z.enum(['open', 'listed']).default('open'),
  users: z.array(z.string().min(1).max(64)).max(100_000).default([]),
  /** Stock v1.3 users cannot prove that they hold their key: `unproven_ids` lets them use ids that never did. */
  allow_unproven: z.enum(['unproven_ids', 'never']).default('unproven_ids'),
  /** Several stock clients leave their messages unsigned; what they wrote is then proven to nobody but by its content signature. */
  allow_unsigned: z.boolean().default(false),
  /** Web pages that may open a socket, by origin (`https://chat.example`); programs send none. */
  origins: z.array(z.string()).max(100).default([]),
  /**
   * Files, relative to this one. With `cert` and `key` the server speaks TLS at its port, and nothing else. `verify_peers` asks other
   * servers for certificates that the system, or `ca`, vouches for; they prove themselves by their pinned keys in any case.
   */
  tls: z
    .strictObject({
      cert: z.string().min(1).optional(),
      key: z.string().min(1).optional(),
      ca: z.string().min(1).optional(),
      verify_peers: z.boolean().default(false),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key belong together')
    .optional(),
  /** Where /healthz, /readyz and /metrics are answered; nowhere when left out. */
  http: z.strictObject({ host: host.default('127.0.0.1'), port: z.int().min(0).max(65_535) }).optional(),
  log_level: z.enum(logLevels).default('info'),
  limits: limits.prefault({}),
  timing: timing.prefault({}),
})
export type NodeConfig = z.infer<typeof configSchema>
