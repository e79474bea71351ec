/** Somebody at frame level in a mesh in memory: opens sockets, signs whatever a test wants with its own key, and keeps what it hears. */
import { signPayload } from '../../src/crypto/transport-signature.ts'
import { canonicalOf } from '../../src/protocol/canonical.ts'
import { encodeFrame } from '../../src/protocol/envelope.ts'
import type { Mesh, MeshNode } from '../server/mesh.ts'
import type { HeardFrame } from '../server/user.ts'
import { testKey } from './test-keys.ts'

export interface Intrusion {
  readonly heard: readonly HeardFrame[]
  readonly ended: readonly { readonly code: number; readonly reason: string }[]
  send(...texts: readonly string[]): void
  drop(): void
  /** The first frame of this type; passes virtual time until it is there. */
  hear(type: string): Promise<HeardFrame>
}

export interface Intruder {
  readonly id: string
  readonly pubkey: string
  signed(type: string, to: string, payload: unknown, ts?: number): Promise<string>
  unsigned(type: string, to: string, payload: unknown): string
  /** Opens a socket; nothing is said on it. */
  dial(node: MeshNode, onFrame?: (frame: HeardFrame, socket: Intrusion) => void): Promise<Intrusion>
  /** Listens at `port` for whoever dials. */
  listen(port: number, onFrame: (frame: HeardFrame, socket: Intrusion) => void): Promise<void>
}

/** Its key is test key number `n`. */
export const createIntruder = async (mesh: Mesh, n: number, id: string): Promise<Intruder> => {
  const key = await testKey(n)
  const privateKey = await key.privateKey(mesh.crypto)
  const host = mesh.network.host(`intruder ${id} ${n}`)
  const now = (): number => Math.floor(mesh.clock.now())

  const wrap = (
    socket: { send(texts: readonly string[]): void; terminate(): void },
    onFrame: (frame: HeardFrame, s: Intrusion) => void,
  ) => {
    const heard: HeardFrame[] = []
    const ended: { code: number; reason: string }[] = []
    const intrusion: Intrusion = {
      heard,
      ended,
      send: (...texts) => {
        socket.send(texts)
      },
      drop: () => {
        socket.terminate()
      },
      hear: async type => {
        await mesh.until(() => heard.some(frame => frame.type === type), 5_000, `${id} hears ${type}`)
        return heard.find(frame => frame.type === type) as HeardFrame
      },
    }
    const handler = {
      message(text: string) {
        const frame = { ...(JSON.parse(text) as HeardFrame), text }
        heard.push(frame)
        onFrame(frame, intrusion)
      },
      malformed() {},
      closed(code: number, reason: string) {
        ended.push({ code, reason })
      },
    }
    return { intrusion, handler }
  }

  return {
    id,
    pubkey: key.publicText,
    signed: async (type, to, payload, ts = now()) => {
      const payloadText = canonicalOf(payload)
      return encodeFrame({ type, from: id, to, ts, payloadText, sig: await signPayload(mesh.crypto, privateKey, payloadText) })
    },
    unsigned: (type, to, payload) => encodeFrame({ type, from: id, to, ts: now(), payloadText: canonicalOf(payload) }),
    dial: async (node, onFrame = () => {}) => {
      let intrusion: Intrusion | undefined
      const dialled = host.dial(`ws://127.0.0.1:${node.port}`, { timeoutMs: 5_000, maxBytes: 65_536 }, socket => {
        const wrapped = wrap(socket, onFrame)
        intrusion = wrapped.intrusion
        return wrapped.handler
      })
      await mesh.quiet()
      await dialled
      return intrusion as Intrusion
    },
    listen: async (port, onFrame) => {
      await host.listen({ host: '127.0.0.1', port, maxBytes: 65_536, maxSockets: 100 }, socket => wrap(socket, onFrame).handler)
    },
  }
}

/** Joins through `node` and links with it as a stock server without capabilities, as its introducer lets anybody. */
export const admitStock = async (
  mesh: Mesh,
  node: MeshNode,
  n: number,
  id: string,
  port: number,
): Promise<{ readonly server: Intruder; readonly link: Intrusion }> => {
  const server = await createIntruder(mesh, n, id)
  const address = { host: '127.0.0.1', port, pubkey: server.pubkey }
  let outbound: Intrusion | undefined
  await server.listen(port, (_frame, socket) => {
    outbound = socket
  })
  const joining = await server.dial(node)
  joining.send(await server.signed('SERVER_HELLO_JOIN', `127.0.0.1:${node.port}`, address))
  await joining.hear('SERVER_WELCOME')
  const link = await server.dial(node)
  link.send(await server.signed('SERVER_ANNOUNCE', '*', address))
  await mesh.until(() => mesh.view(node).machines[`link:${id}`]?.state === 'linked' && outbound !== undefined, 10_000, `${id} is linked`)
  return { server, link: outbound as Intrusion }
}
