/** A server at frame level that listens and dials: stock v1.3 without capabilities, or with proof; honest unless a test makes it lie. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { frameSocket, newId, openFrameSocket, signedText } from './frame-client.ts'
import type { FrameSocket, Heard } from './frame-client.ts'
import { createInbox } from './stock-inbox.ts'
import type { WaitOptions } from './stock-inbox.ts'
import type { StockKey } from './stock-crypto.ts'

export interface StockServerOptions {
  readonly key: StockKey
  readonly id?: string
  /** What announcements list; none makes a stock server. */
  readonly caps?: readonly string[]
  /** Called for every frame; the answer says whether the usual reaction is to be left out. */
  readonly intercept?: (frame: Heard, socket: FrameSocket) => boolean
}

export interface StockServer {
  readonly id: string
  readonly key: StockKey
  readonly keyText: string
  /** The same, under the name that bootstrap lists use. */
  readonly pubkey: string
  readonly host: string
  readonly port: number
  /** Sockets that others opened to it. */
  readonly accepted: readonly FrameSocket[]
  /** All frames over all sockets, in the order of arrival. */
  readonly heard: readonly Heard[]
  mark(): number
  waitFor(match: string | ((frame: Heard) => boolean), options?: WaitOptions): Promise<Heard>
  /** A frame in its name, signed. */
  signed(type: string, to: string, payload: Readonly<Record<string, unknown>>, ts?: number): string
  /** SERVER_HELLO_JOIN at an introducer; answers its welcome and the socket it came on. */
  join(
    url: string,
    options?: { timeoutMs?: number; payload?: Readonly<Record<string, unknown>> },
  ): Promise<{ welcome: Heard; socket: FrameSocket }>
  /** Dials a member and announces itself, with the proofs when it lists `proof`; answers the socket. */
  link(url: string, vouchers?: readonly unknown[]): Promise<FrameSocket>
  announcement(vouchers?: readonly unknown[]): string
  close(): Promise<void>
}

/** Listens on a free loopback port at once. */
export const startStockServer = async ({ key, id = newId(), caps, intercept = () => false }: StockServerOptions): Promise<StockServer> => {
  const listener = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const host = '127.0.0.1'
  const all = createInbox<Heard>(
    frames =>
      `server ${id} heard, last:\n${frames
        .slice(-8)
        .map(f => f.text.slice(0, 300))
        .join('\n')}`,
  )
  const accepted: FrameSocket[] = []
  const dialled = new Set<FrameSocket>()
  const proves = caps?.includes('proof') === true

  const signed: StockServer['signed'] = (type, to, payload, ts) =>
    signedText(key, { type, from: id, to, payload, ...(ts === undefined ? {} : { ts }) })
  const announcement: StockServer['announcement'] = vouchers =>
    signed('SERVER_ANNOUNCE', '*', {
      host,
      port,
      pubkey: key.text,
      ...(caps === undefined ? {} : { caps }),
      ...(vouchers === undefined ? {} : { vouchers }),
    })
  const challenge = (): object => ({
    type: 'CHALLENGE',
    from: id,
    to: '*',
    ts: Date.now(),
    payload: { nonce: randomBytes(32).toString('base64url') },
  })

  const react = (frame: Heard, socket: FrameSocket, inbound: boolean): void => {
    all.push(frame)
    if (intercept(frame, socket) || !proves) return
    if (frame.type === 'SERVER_ANNOUNCE' && inbound) {
      socket.send(announcement())
      socket.send(challenge())
    }
    if (frame.type === 'CHALLENGE') {
      const side = inbound ? 'accepted' : 'dialled'
      socket.send(signed('PROOF', frame.from, { nonce: frame.payload.nonce, prover: id, verifier: frame.from, role: 'server', side }))
    }
  }
  const attach = (socket: FrameSocket, inbound: boolean): void => {
    let seen = 0
    // frameSocket parsed it first: its listener was added before this one
    const drain = (): void => {
      for (let frame = socket.heard[seen]; frame !== undefined; frame = socket.heard[seen]) {
        seen += 1
        react(frame, socket, inbound)
      }
    }
    socket.webSocket.on('message', drain)
    drain()
  }
  listener.on('connection', webSocket => {
    const socket = frameSocket(webSocket, `inbound at ${id}`)
    accepted.push(socket)
    attach(socket, true)
  })
  const dial = async (url: string): Promise<FrameSocket> => {
    const socket = await openFrameSocket(url, `server ${id}`)
    dialled.add(socket)
    attach(socket, false)
    return socket
  }

  return {
    id,
    key,
    keyText: key.text,
    pubkey: key.text,
    host,
    port,
    accepted,
    heard: all.items,
    mark: () => all.items.length,
    waitFor: (match, options = {}) =>
      all.waitFor(typeof match === 'string' ? frame => frame.type === match : match, {
        what: `server ${id}: ${String(match)}`,
        ...options,
      }),
    signed,
    announcement,
    join: async (url, { timeoutMs = 10_000, payload = {} } = {}) => {
      const socket = await dial(url)
      const target = new URL(url)
      socket.send(
        signed('SERVER_HELLO_JOIN', target.host, {
          host,
          port,
          pubkey: key.text,
          ...(caps === undefined ? {} : { caps, nonce: randomBytes(32).toString('base64url') }),
          ...payload,
        }),
      )
      const welcome = await socket.waitFor(frame => frame.type === 'SERVER_WELCOME' || frame.type === 'ERROR', {
        timeoutMs,
        what: `server ${id}: the welcome`,
      })
      return { welcome, socket }
    },
    link: async (url, vouchers) => {
      const socket = await dial(url)
      socket.send(announcement(vouchers))
      if (proves) socket.send(challenge())
      return socket
    },
    close: async () => {
      for (const socket of [...accepted, ...dialled]) socket.webSocket.terminate()
      await new Promise(resolve => listener.close(resolve))
    },
  }
}
