/** A user at a node of the mesh, at the level of frames: attaches, proves itself, keeps what it hears. */
import { signPayload } from '../../src/crypto/transport-signature.ts'
import type { PrivateKey } from '../../src/ports/crypto.ts'
import { canonicalOf } from '../../src/protocol/canonical.ts'
import { encodeFrame } from '../../src/protocol/envelope.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { testKey } from '../helpers/test-keys.ts'
import type { MemoryHost } from '../helpers/memory-network.ts'
import type { Mesh, MeshNode } from './mesh.ts'

export interface HeardFrame {
  readonly type: string
  readonly from: string
  readonly to: string
  readonly ts: number
  readonly payload: Readonly<Record<string, unknown>>
  readonly sig?: string
  readonly text: string
}

export interface MeshUser {
  readonly id: UserId
  readonly heard: readonly HeardFrame[]
  readonly ended: readonly { readonly code: number; readonly reason: string }[]
  /** Acknowledged by the node. */
  attached(): boolean
  send(type: string, to: string, payload: unknown, ts?: number): Promise<void>
  /** The same text, to be sent again with `raw`. */
  sign(type: string, to: string, payload: unknown, ts?: number): Promise<string>
  raw(text: string): void
  leave(): void
  /** The socket breaks. */
  drop(): void
  readonly host: MemoryHost
}

export interface UserOptions {
  readonly id?: string
  readonly name?: string
  /** Whether the user can answer a challenge; stock users cannot. */
  readonly proof?: boolean
  /** Has what the user signs say when they attach, as our own client does. */
  readonly timed?: boolean
  /** What it lists instead of the usual. */
  readonly caps?: readonly string[]
  /** Keeps the answer to the challenge back until this resolves. */
  readonly proveAfter?: Promise<unknown>
}

export const userId = (n: number): UserId => `10000000-0000-4000-8000-00000000000${n}` as UserId

/** User number `n` has key number `n`. Resolves when the hello is on its way. */
export const connectUser = async (mesh: Mesh, node: MeshNode, n: number, options: UserOptions = {}): Promise<MeshUser> => {
  const { proof = true, name = `user ${n}` } = options
  const id = (options.id ?? userId(n)) as UserId
  const key = await testKey(n)
  const privateKey: PrivateKey = await key.privateKey(mesh.crypto)
  const host = mesh.network.host(`user ${n}`)
  const heard: HeardFrame[] = []
  const ended: { code: number; reason: string }[] = []
  const text = async (type: string, to: string, payload: unknown, ts = Math.floor(mesh.clock.now())): Promise<string> => {
    const payloadText = canonicalOf(payload)
    const sig = await signPayload(mesh.crypto, privateKey, payloadText)
    return encodeFrame({ type, from: id, to, ts, payloadText, sig })
  }
  const caps = options.caps ?? (proof ? ['proof', 'ack'] : [])
  const hello = await text('USER_HELLO', '*', { client: 'test', pubkey: key.publicText, meta: { display_name: name }, caps })
  const dialled = host.dial(`ws://127.0.0.1:${node.port}`, { timeoutMs: 5_000, maxBytes: 65_536 }, opened => ({
    message(received) {
      const frame = { ...(JSON.parse(received) as HeardFrame), text: received }
      heard.push(frame)
      if (frame.type !== 'CHALLENGE' || !proof) return
      void (async () => {
        await options.proveAfter
        const at = options.timed === true ? { at: Math.floor(mesh.clock.now()) } : {}
        opened.send([
          await text('PROOF', frame.from, { nonce: frame.payload['nonce'], prover: id, verifier: frame.from, role: 'user', ...at }),
        ])
      })()
    },
    malformed: why => {
      throw new Error(`a node sent what is ${why}`)
    },
    closed: (code, reason) => {
      ended.push({ code, reason })
    },
  }))
  await mesh.quiet()
  const socket = await dialled
  const challenge = encodeFrame({
    type: 'CHALLENGE',
    from: id,
    to: '*',
    ts: Math.floor(mesh.clock.now()),
    payloadText: canonicalOf({ nonce: 'A'.repeat(43) }),
  })
  socket.send(proof ? [hello, challenge] : [hello])
  return {
    id,
    heard,
    ended,
    host,
    attached: () => heard.some(({ type, payload }) => type === 'ACK' && payload['msg_ref'] === 'USER_HELLO'),
    send: async (type, to, payload, ts) => {
      socket.send([await text(type, to, payload, ts)])
    },
    sign: text,
    raw: signed => {
      socket.send([signed])
    },
    leave: () => {
      socket.close(1000, '')
    },
    drop: () => {
      socket.terminate()
    },
  }
}

/** Whom the user's server lists, and how. */
export const listFor = async (mesh: Mesh, user: MeshUser): Promise<Readonly<Record<string, string>>> => {
  const from = user.heard.length
  const answers = () => user.heard.slice(from).filter(({ type }) => type === 'LIST_RESPONSE')
  await user.send('LIST_REQUEST', '*', {})
  await mesh.until(() => answers().at(-1)?.payload['more'] === false, 5_000, 'the list')
  const users = answers().flatMap(({ payload }) => payload['users'] as { user_id: string; server_id: string; presence: string }[])
  return Object.fromEntries(users.map(({ user_id, server_id, presence }) => [user_id, `${presence} at ${server_id.slice(-1)}`]))
}

/** The same, attached. */
export const attachUser = async (mesh: Mesh, node: MeshNode, n: number, options: UserOptions = {}): Promise<MeshUser> => {
  const user = await connectUser(mesh, node, n, options)
  await mesh.until(user.attached, 5_000, `user ${n} is attached`)
  return user
}
