/** From an open socket to an attached user: hello, the nonce challenge both ways, the server's acknowledgement; or plainly, with a stock server. */
import { verifyPayload } from '../crypto/transport-signature.ts'
import type { PublicKey } from '../ports/crypto.ts'
import type { Ports } from '../ports/ports.ts'
import { toBase64Url } from '../protocol/encoding.ts'
import type { AnyFrame, Frame } from '../protocol/envelope.ts'
import { isErrorCode } from '../protocol/errors.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import type { ServerPin } from './facts.ts'
import type { Wire } from './wire.ts'

/** Milliseconds after which a server that said nothing of a challenge is taken for a stock one. */
export const stockMs = 2_000
/** Milliseconds from the hello to being attached. */
export const handshakeMs = 10_000

export interface Attachment {
  /** Empty while a stock server has not said its id. */
  readonly server: ServerId | ''
  /** The key that the server proved; undefined for a stock server. */
  readonly key: PublicKey | undefined
  /** It acknowledged our hello, so it will acknowledge messages. */
  readonly acks: boolean
  /** What the server can; nothing unless it proved its key. */
  readonly caps: readonly string[]
}

/** Why a handshake came to nothing; `code` is one of ours or the server's. */
export class HandshakeRefused extends Error {
  override readonly name = 'HandshakeRefused'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export interface HandshakeOptions {
  readonly ports: Ports
  readonly userId: UserId
  readonly wire: Wire
  readonly hello: Readonly<Record<string, unknown>>
  /** What is pinned for this address; then it must prove to be that. */
  readonly pin: ServerPin | undefined
  /** Leaves the challenge out, for a stock server that closes on frames it does not know. */
  readonly plainly: boolean
  /** There is no other server: this one counts as a stock server even if it says nothing at all. */
  readonly alone: boolean
  /** Records who proved itself here. Resolves when that is safe: true when it is the pinned server or the first. */
  readonly accept: (proven: ServerPin) => Promise<boolean>
  readonly send: (texts: readonly string[]) => void
  readonly attached: (attachment: Attachment) => void
  readonly refused: (why: HandshakeRefused) => void
}

export interface Handshake {
  start(): Promise<void>
  /** Handles one frame; the next is given when it resolves. Answers whether the frame belonged to the handshake. */
  receive(frame: AnyFrame): Promise<boolean>
  cancel(): void
  /** It answered our challenge with UNKNOWN_TYPE. */
  readonly confused: boolean
}

export const createHandshake = (options: HandshakeOptions): Handshake => {
  const { ports, userId, wire, hello, pin, plainly, alone, accept, send } = options
  const nonce = toBase64Url(ports.random.bytes(32))
  let theirNonce: string | undefined
  let proven: { readonly server: ServerId; readonly key: PublicKey } | undefined
  let heardId: ServerId | '' = ''
  let heard = false
  let answered = false
  let proved = false
  let over = false
  let confused = false

  const finish = (run: () => void): void => {
    if (over) return
    over = true
    cancelTimers.forEach(cancel => {
      cancel()
    })
    run()
  }
  const refuse = (code: string, message: string, cause?: unknown): void => {
    finish(() => {
      options.refused(new HandshakeRefused(code, message, cause === undefined ? undefined : { cause }))
    })
  }
  /** Nobody has proved anything yet: a word of theirs must not pass for one of ours, after which a person has to act. */
  const refuseAs = ({ code, detail = 'The server refused us.' }: Frame<'ERROR'>['payload']): void => {
    if (isErrorCode(code)) refuse(code, detail)
    else refuse('REFUSED', `The server refused us: ${code}: ${detail}`)
  }
  const attach = (attachment: Attachment): void => {
    finish(() => {
      options.attached(attachment)
    })
  }
  const cancelTimers = [
    ports.clock.after(stockMs, () => {
      // a server that once proved itself is slow, not stock, and one that stands still is none that we can use
      if (!answered && pin === undefined && (alone || heard)) attach({ server: heardId, key: undefined, acks: false, caps: [] })
    }),
    ports.clock.after(handshakeMs, () => {
      refuse('TIMEOUT', 'The server did not finish the handshake in time.')
    }),
  ]

  const prove = async (): Promise<void> => {
    // nothing is signed for a server before it has shown who it is
    if (theirNonce === undefined || proven === undefined || proved) return
    proved = true
    // of two servers that have us the one with the later time counts
    const at = await wire.nextAttachment()
    const payload = { nonce: theirNonce, prover: userId, verifier: proven.server, role: 'user', at }
    send([await wire.signed({ type: 'PROOF', to: proven.server, payload }, 'control')])
  }

  const onProof = async (frame: Frame<'PROOF'>): Promise<void> => {
    const { payload } = frame
    const { pubkey: offered } = payload as { readonly pubkey?: unknown }
    const keyText = typeof offered === 'string' ? offered : pin?.pubkey
    if (keyText === undefined) {
      refuse('INVALID_SIG', 'The server proves itself without saying its key.')
      return
    }
    const fits = payload.nonce === nonce && payload.prover === frame.from && payload.verifier === userId && payload.role === 'server'
    const key = await ports.crypto.importPublicKey(keyText)
    if (!fits || frame.sig === undefined || !(await verifyPayload(ports.crypto, key, frame.payloadText, frame.sig))) {
      refuse('INVALID_SIG', 'The server could not prove its key: its answer to our challenge does not verify.')
      return
    }
    const server = frame.from as ServerId
    if (await accept({ server, pubkey: key.text })) {
      proven = { server, key }
      await prove()
    } else refuse('SERVER_CHANGED', 'Another server or key answers at this address than before. If you know why, type /trust.')
  }

  const onAck = async (frame: Frame<'ACK'>): Promise<void> => {
    if (frame.payload.msg_ref !== 'USER_HELLO') return
    const server = frame.from as ServerId
    if (proven === undefined) {
      if (pin !== undefined) {
        refuse('SERVER_UNPROVEN', 'The server at this address once proved its key and does not any more; it may be another one.')
        return
      }
      wire.learnTime(frame.ts)
      attach({ server, key: undefined, acks: true, caps: [] })
      return
    }
    const verified = frame.sig === undefined || (await verifyPayload(ports.crypto, proven.key, frame.payloadText, frame.sig))
    if (server !== proven.server || !verified) {
      refuse('INVALID_SIG', 'The acknowledgement is not from the server that proved itself.')
      return
    }
    wire.learnTime(frame.ts)
    // unsigned, it could be anybody's list
    attach({ ...proven, acks: true, caps: frame.sig === undefined ? [] : (frame.payload.caps ?? []) })
  }

  const handle = async (frame: AnyFrame): Promise<boolean> => {
    switch (frame.type) {
      case 'CHALLENGE':
        answered = true
        theirNonce = frame.payload.nonce
        await prove()
        return true
      case 'PROOF':
        answered = true
        await onProof(frame)
        return true
      case 'ACK':
        await onAck(frame)
        return true
      case 'ERROR':
        // a stock server's word for a challenge that it does not know
        if (frame.payload.code === 'UNKNOWN_TYPE' && !answered) {
          confused = true
          return true
        }
        refuseAs(frame.payload)
        return true
      default:
        if (frame.type === 'USER_ADVERTISE' && frame.payload.server_id === frame.from) heardId = frame.payload.server_id
        return false
    }
  }

  return {
    start: async () => {
      const to = pin?.server ?? '*'
      const texts = [await wire.signed({ type: 'USER_HELLO', to, payload: hello }, 'control')]
      if (!plainly) texts.push(wire.unsigned({ type: 'CHALLENGE', to, payload: { nonce } }))
      if (!over) send(texts)
    },
    receive: async frame => {
      if (over) return false
      heard = true
      try {
        return await handle(frame)
      } catch (error) {
        refuse('BAD_KEY', error instanceof Error ? error.message : 'The handshake failed.', error)
        return true
      }
    },
    cancel: () => {
      finish(() => {})
    },
    get confused() {
      return confused
    },
  }
}
