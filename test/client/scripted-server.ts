/** A server of a few lines for the client's tests, with cryptography of its own: honest, unless the test intercepts or says otherwise. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Network, Socket } from '../../src/ports/network.ts'
import { signedText, type WireFrame } from '../helpers/frame-client.ts'
import { messageRef, stockKey, type StockKey } from '../helpers/stock-crypto.ts'

export interface ServerScript {
  /** Number of its test key. */
  readonly key?: number
  readonly id?: string
  /** `stock`: says nothing to a hello. `acks`: acknowledges it without a proof. `wrong`: proves with another key. `silent`: answers no message. */
  readonly manner?: 'honest' | 'stock' | 'acks' | 'wrong' | 'silent'
  /** Sees every frame first; true leaves out what the server would do. */
  readonly intercept?: (frame: WireFrame, socket: Socket, server: ScriptedServer) => boolean
}

interface Person {
  readonly id: string
  readonly name: string
  readonly keyText: string
  readonly caps: readonly string[]
  readonly socket: Socket
}

export interface ScriptedServer {
  readonly url: string
  readonly id: string
  readonly people: Map<string, Person>
  readonly heard: WireFrame[]
  /** Signed in its name, to one attached user. */
  send(to: string, type: string, payload: Readonly<Record<string, unknown>>, ts?: number): void
  /** A text as it is. */
  sendRaw(to: string, text: string): void
  advertise(person: { readonly id: string; readonly name: string; readonly keyText: string; readonly caps?: readonly string[] }): void
}

type Payload = Record<string, string | undefined> & { meta?: { display_name?: string }; caps?: string[] }

export const scriptedServer = async (network: Network, script: ServerScript = {}): Promise<ScriptedServer> => {
  const { manner = 'honest' } = script
  const key = await stockKey(script.key ?? 0)
  const wrongKey: StockKey = manner === 'wrong' ? await stockKey(9) : key
  const id = script.id ?? randomUUID()
  const people = new Map<string, Person>()
  const heard: WireFrame[] = []

  const signed = (type: string, to: string, payload: object, ts?: number, by = key): string =>
    signedText(by, { type, from: id, to, payload: payload as Record<string, unknown>, ...(ts === undefined ? {} : { ts }) })
  const everybody = (text: string, but?: string): void => {
    for (const person of people.values()) if (person.id !== but) person.socket.send([text])
  }
  const advert = (person: Pick<Person, 'id' | 'name' | 'keyText' | 'caps'>): string =>
    signed('USER_ADVERTISE', '*', {
      user_id: person.id,
      server_id: id,
      meta: { pubkey: person.keyText, display_name: person.name, extras: { caps: person.caps } },
    })

  const handle = (frame: WireFrame, socket: Socket): void => {
    heard.push(frame)
    if (script.intercept?.(frame, socket, server) === true) return
    const payload = frame.payload as Payload
    const answer = (type: string, body: object): void => {
      socket.send([signed(type, frame.from, body)])
    }
    const attach = (): void => {
      const person = people.get(frame.from)
      if (person === undefined) return
      if (manner !== 'stock') answer('ACK', { msg_ref: 'USER_HELLO' })
      everybody(advert(person), person.id)
    }
    const deliver = (type: string, more: object): void => {
      const target = people.get(frame.to)
      if (target === undefined)
        answer('ERROR', { code: 'USER_NOT_FOUND', detail: 'No such user is online.', msg_ref: payload.file_id ?? '' })
      else target.socket.send([signed(type, frame.to, { ...frame.payload, sender: frame.from, ...more }, frame.ts)])
    }
    const handlers: Record<string, () => void> = {
      USER_HELLO: () => {
        const name = payload.meta?.display_name ?? ''
        people.set(frame.from, { id: frame.from, name, keyText: payload.pubkey ?? '', caps: payload.caps ?? [], socket })
        if (manner === 'stock' || manner === 'acks') attach()
      },
      CHALLENGE: () => {
        if (manner === 'stock' || manner === 'acks') {
          answer('ERROR', { code: 'UNKNOWN_TYPE', detail: 'what is that?' })
          return
        }
        const nonce = randomBytes(32).toString('base64url')
        socket.send([JSON.stringify({ type: 'CHALLENGE', from: id, to: frame.from, ts: Date.now(), payload: { nonce } })])
        const body = { nonce: payload.nonce, prover: id, verifier: frame.from, role: 'server', pubkey: key.text }
        socket.send([signed('PROOF', frame.from, body, undefined, wrongKey)])
      },
      PROOF: attach,
      LIST_REQUEST: () => {
        const users = [...people.values()].map(person => ({
          user_id: person.id,
          display_name: person.name,
          server_id: id,
          presence: 'online',
        }))
        answer('LIST_RESPONSE', { users, more: false })
      },
      PUBKEY_REQUEST: () => {
        const person = people.get(payload.user_id ?? '')
        if (person === undefined) answer('ERROR', { code: 'USER_NOT_FOUND', detail: 'No such user is online.', msg_ref: payload.user_id })
        else answer('PUBKEY_RESPONSE', { user_id: person.id, pubkey: person.keyText, enc_pubkey: person.keyText, caps: person.caps })
      },
      MSG_DIRECT: () => {
        deliver('USER_DELIVER', {})
        if (manner !== 'silent') answer('ACK', { msg_ref: messageRef(frame.from, frame.to, frame.ts, payload.ciphertext ?? '') })
      },
      MSG_PUBLIC_CHANNEL: () => {
        deliver('USER_DELIVER', { inner_type: 'MSG_PUBLIC_CHANNEL' })
        answer('ACK', { msg_ref: messageRef(frame.from, frame.to, frame.ts, payload.ciphertext ?? '') })
      },
      FILE_START: () => {
        deliver('FILE_START', {})
      },
      FILE_CHUNK: () => {
        deliver('FILE_CHUNK', {})
      },
      FILE_END: () => {
        deliver('FILE_END', {})
        answer('ACK', { msg_ref: payload.file_id })
      },
      CTRL_CLOSE: () => {
        people.delete(frame.from)
        everybody(signed('USER_REMOVE', '*', { user_id: frame.from, server_id: id }))
      },
    }
    handlers[frame.type]?.()
  }

  const listener = await network.listen({ host: '127.0.0.1', port: 0, maxBytes: 65_536, maxSockets: 100 }, socket => ({
    message: text => {
      handle(JSON.parse(text) as WireFrame, socket)
    },
    malformed: () => {},
    closed: () => {
      for (const person of people.values()) if (person.socket === socket) people.delete(person.id)
    },
  }))
  const server: ScriptedServer = {
    url: `ws://127.0.0.1:${listener.port}`,
    id,
    people,
    heard,
    send: (to, type, payload, ts) => people.get(to)?.socket.send([signed(type, to, payload, ts)]),
    sendRaw: (to, text) => people.get(to)?.socket.send([text]),
    advertise: ({ caps = [], ...person }) => {
      everybody(advert({ ...person, caps }))
    },
  }
  return server
}
