/** Every number that bounds a frame, a wait or a message; nothing else in the program invents one for the wire. */

export const limits = {
  /** UTF-8 bytes of one envelope. */
  maxFrameBytes: 65_536,
  /** Objects and arrays inside each other, the envelope counted. */
  maxDepth: 32,
  /** Characters of an id. */
  maxIdLength: 64,
  /** UTF-8 bytes of a file's or a person's name. */
  maxNameBytes: 255,
  /** Characters of a public key in any accepted form; base64url of the PEM of a 16,384-bit key still fits, and is refused for its size. */
  maxKeyText: 4_096,
  /** Characters of a signature in base64, for an RSA key of up to 6,000 bits. */
  maxSignatureText: 1_024,
  /** Entries of any array in a payload; the size of a frame allows fewer of most. */
  maxEntries: 1_024,
  /** Capabilities that one peer may list. */
  maxCaps: 32,
  maxVouchers: 3,
  /** OAEP blocks of a message: what fits in a SERVER_DELIVER of `maxFrameBytes` with a sender's key and two signatures. */
  maxBlocksPerMessage: 88,
  /** UTF-8 bytes of a message's text; quoting and the `bound` form may add up to 88 · 446 − 32,768 bytes. */
  maxTextBytes: 32_768,
  /** OAEP blocks of a file chunk for a receiver with `blocks`; one for any other. */
  maxBlocksPerChunk: 24,
  /** Plaintext bytes of one OAEP block of RSA-4096 with SHA-256 (RFC 8017 §7.1.1). */
  blockBytes: 446,
  /** Messages that one RECEIPT names. */
  maxRefs: 64,
  /** Characters of a RECEIPT's payload: 64 names of 64 characters, two ids, and some room. */
  maxReceiptText: 8_192,
  /** Users in one LIST_RESPONSE. */
  maxListed: 200,
  /** Parts of a presence digest in one question or answer: 24 of at most 16 users of 64 characters, or of 16 digests, fit into a frame. */
  maxDigestPrefixes: 24,
  /** Advertisements asked for at once. */
  maxWanted: 200,
  /** Milliseconds that a socket has to say who it is. */
  helloMs: 5_000,
  /** Milliseconds between our heartbeats (SOCP §11). */
  heartbeatMs: 15_000,
  /** Milliseconds between pings of servers with the capability, and without any frame from the other end after which it is dead. */
  pingMs: 5_000,
  answerMs: 12_000,
  /** Milliseconds without any frame after which a link is dead (SOCP §11). */
  silenceMs: 45_000,
  /** Milliseconds that a detached user stays listed, and the users of a server that is gone. */
  graceMs: 30_000,
  /** Milliseconds for which a mailbox keeps a message, and its sender a copy: seven days. */
  mailboxMs: 604_800_000,
  /** Milliseconds that a frame's `ts` may lie behind the link's clock. */
  acceptPastMs: 600_000,
  /** Milliseconds that a frame's `ts` may lie ahead of the link's clock. */
  acceptFutureMs: 120_000,
} as const
