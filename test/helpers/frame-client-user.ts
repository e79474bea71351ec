/** A user at frame level: stock v1.3 without capabilities, or one of ours with proof, receipts and bound messages. */
import { randomBytes } from 'node:crypto'
import { newId, openFrameSocket, signedText } from './frame-client.ts'
import type { FrameSocket, Heard } from './frame-client.ts'
import { canonical, directContent, seal, signText, unseal, verifyText } from './stock-crypto.ts'
import type { StockKey } from './stock-crypto.ts'

export interface FrameUserOptions {
  readonly url: string
  readonly key: StockKey
  readonly name: string
  readonly id?: string
  /** What the hello lists; none makes a stock user. */
  readonly caps?: readonly string[]
}

export interface Recipient {
  readonly id: string
  readonly keyText: string
}

export interface FrameUser {
  readonly id: string
  readonly name: string
  readonly key: StockKey
  readonly keyText: string
  readonly socket: FrameSocket
  /** The server that it is attached to, as the last frame of the hello said. */
  readonly serverId: string
  /** All that the server sent during the hello. */
  readonly greeting: readonly Heard[]
  send(type: string, to: string, payload: Readonly<Record<string, unknown>>, ts?: number): string
  /** A `MSG_DIRECT` text, signed in both ways; not sent. */
  direct(to: Recipient, text: string, options?: { ts?: number; plaintext?: string }): string
  /** `LIST_RESPONSE` users of all parts. */
  list(): Promise<readonly Record<string, unknown>[]>
  /** Opens what a `USER_DELIVER` holds. */
  read(frame: Heard): string
  contentVerifies(frame: Heard, sender: Recipient): boolean
}

/** The hello alone, for those who want to get it wrong. */
export const userHello = ({ id, key, name, caps }: { id: string; key: StockKey; name: string; caps?: readonly string[] }): string =>
  signedText(key, {
    type: 'USER_HELLO',
    from: id,
    to: '*',
    payload: {
      client: 'frame-client',
      pubkey: key.text,
      enc_pubkey: key.text,
      meta: { display_name: name },
      ...(caps === undefined ? {} : { caps }),
    },
  })

/** Attaches to a server and waits for its acknowledgement; rejects when it is refused. */
export const attachFrameUser = async ({ url, key, name, id = newId(), caps }: FrameUserOptions): Promise<FrameUser> => {
  const socket = await openFrameSocket(url, `user ${name}`)
  socket.send(userHello({ id, key, name, ...(caps === undefined ? {} : { caps }) }))
  if (caps?.includes('proof') === true) {
    const nonce = randomBytes(32).toString('base64url')
    socket.send({ type: 'CHALLENGE', from: id, to: '*', ts: Date.now(), payload: { nonce } })
    const challenge = await socket.waitFor('CHALLENGE')
    const payload = { nonce: challenge.payload.nonce, prover: id, verifier: challenge.from, role: 'user' }
    socket.send(signedText(key, { type: 'PROOF', from: id, to: challenge.from, payload }))
  }
  const ack = await socket.waitFor(frame => frame.type === 'ACK' || frame.type === 'ERROR', { what: `user ${name}: the end of the hello` })
  if (ack.type === 'ERROR') throw new Error(`refused: ${ack.text}`)
  const serverId = ack.from

  const build = (type: string, to: string, payload: Readonly<Record<string, unknown>>, ts = Date.now()): string =>
    signedText(key, { type, from: id, to, payload, ts })

  return {
    id,
    name,
    key,
    keyText: key.text,
    socket,
    serverId,
    greeting: [...socket.heard],
    send: (type, to, payload, ts) => {
      const text = build(type, to, payload, ts)
      socket.send(text)
      return text
    },
    direct: (to, text, { ts = Date.now(), plaintext = text } = {}) => {
      const ciphertext = seal(to.keyText, plaintext)
      const content = signText(key, directContent(ciphertext, id, to.id, ts))
      return build('MSG_DIRECT', to.id, { ciphertext, sender_pub: key.text, content_sig: content }, ts)
    },
    list: async () => {
      const since = socket.mark()
      socket.send(build('LIST_REQUEST', serverId, {}))
      const last = await socket.waitFor(frame => frame.type === 'LIST_RESPONSE' && frame.payload.more !== true, {
        since,
        what: `user ${name}: the list`,
      })
      const parts = socket.heard.slice(since, socket.heard.indexOf(last) + 1).filter(frame => frame.type === 'LIST_RESPONSE')
      return parts.flatMap(part => part.payload.users as Record<string, unknown>[])
    },
    read: frame => unseal(key, String(frame.payload.ciphertext)).toString('utf8'),
    contentVerifies: (frame, sender) =>
      verifyText(
        sender.keyText,
        directContent(String(frame.payload.ciphertext), String(frame.payload.sender), id, frame.ts),
        frame.payload.content_sig,
      ),
  }
}

/** The plaintext of a message between users with the `bound` capability (docs/protocol.md). */
export const boundPlaintext = (text: string, from: string, to: string, ts: number): string => canonical({ text, from, to, ts })
