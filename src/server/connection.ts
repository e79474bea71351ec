/** One socket with everything that belongs to it: its outgoing lanes, who is at the other end, and the order of what comes in. */
import type { Socket, SocketHandler } from '../ports/network.ts'
import { claimedType, parseFrame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Address, ServerId } from '../protocol/ids.ts'
import { addressClass } from '../protocol/address-class.ts'
import { type Channel, createChannel } from './channel.ts'
import { createHandshake, type Handshake } from './handshake.ts'
import type { Node } from './node.ts'
import type { Peer } from './peer.ts'
import { type Bucket, createBucket } from './rate.ts'

export type { Peer, ServerPeer, UserPeer } from './peer.ts'

export interface Connection {
  readonly id: number
  readonly direction: 'accepted' | 'dialled'
  readonly remote: string
  readonly channel: Channel
  readonly refusals: Bucket
  /** Set by the handshake when it is over. */
  peer: Peer | undefined
  /** Monotonic milliseconds: of the last frame, of the last verified one of a peer itself, and since when it is part of a link. */
  heardAt: number
  verifiedAt: number
  linkedAt: number
  readonly paused: boolean
  close(code: number, reason: string): void
  /** Cuts an end that does not read: it hears why if it reads on within the 2 s that a goodbye has. */
  cutSlow(why: string): void
  terminate(): void
  pause(): void
  resume(): void
  readonly open: boolean
}

export interface Connections {
  /** Takes over an accepted socket. */
  accept(socket: Socket): SocketHandler | undefined
  /** Dials a member and says hello; `over` is called once, with why, when it comes to nothing or closes. */
  dial(server: ServerId, url: string, over: (why: string) => void): void
  readonly size: number
  all(): Iterable<Connection>
  /** Open sockets, those of them in their hello, and what waits on all of them: frames for a signature, bytes for a reader. */
  sizes(): { readonly open: number; readonly hello: number; readonly frames: number; readonly bytes: number }
  /** Says goodbye on every socket after what still waits for its signature; resolves when all are closed. */
  closeAll(code: number, reason: string): Promise<void>
}

interface Closed {
  readonly code: number
  readonly why: string
}

/** Pings answered on one socket. */
const PONGS = { burst: 10, perSecond: 1 }
const isWrong = (error: unknown): error is ProtocolError =>
  error instanceof ProtocolError && (error.code === 'BAD_KEY' || error.code === 'INVALID_SIG')

/** Sockets in their hello may wait for this many frames to be handled. */
const HELLO_MAILBOX = 16

export const createConnections = (node: Node): Connections => {
  const all = new Map<number, Connection>()
  /** Those whose handshake is not over, with their address: whoever never speaks must not keep others out. */
  const hellos = new Map<number, string>()
  const perAddress = new Map<string, number>()
  let nextId = 1
  let lastClosed = (): void => {}

  const adopt = (
    socket: Socket,
    direction: Connection['direction'],
    expected: ServerId | undefined,
    over: (why: string) => void,
  ): { readonly handler: SocketHandler; readonly start: () => void } => {
    const id = nextId++
    const address: Address = `connection:${id}`
    const remote = socket.remote.host
    let open = true
    let paused = false
    let reason = ''
    let slow = false
    const channel = createChannel(
      socket,
      node.ports.clock,
      { frames: node.config.limits.outgoingFrames, bytes: node.config.limits.outgoingBytes },
      () => {
        connection.cutSlow('too much waits for it')
      },
    )
    const connection: Connection = {
      id,
      direction,
      remote,
      channel,
      refusals: createBucket(node.ports.clock, node.config.limits.refusals),
      peer: undefined,
      heardAt: node.ports.clock.monotonic(),
      verifiedAt: node.ports.clock.monotonic(),
      linkedAt: 0,
      get paused() {
        return paused
      },
      get open() {
        return open
      },
      close(code, why) {
        reason ||= why
        channel.close(code, why)
      },
      cutSlow(why) {
        if (slow) return
        slow = true
        node.count('closed', 'slow_reader')
        node.log('warn', 'cut a connection that does not read', { connection: id, peer: connection.peer?.id, why })
        reason ||= 'it did not read'
        socket.close(1013, 'you read too slowly')
      },
      terminate: () => {
        channel.terminate()
      },
      pause: () => {
        paused = true
        socket.pause()
      },
      resume: () => {
        paused = false
        connection.heardAt = node.ports.clock.monotonic()
        socket.resume()
      },
    }
    all.set(id, connection)
    hellos.set(id, remote)
    perAddress.set(remote, (perAddress.get(remote) ?? 0) + 1)
    const pongs = createBucket(node.ports.clock, PONGS)
    const handshake: Handshake = createHandshake(node, connection, expected)
    const helloTimer = node.ports.clock.after(node.config.timing.helloMs, () => {
      if (connection.peer === undefined && open) connection.close(1002, 'no hello in time')
    })

    const take = (text: string): void | Promise<void> => {
      let type: string | undefined
      const refuse = (error: unknown): void => {
        node.refusals.refuse(connection, error, type ?? claimedType(text))
        if (connection.peer !== undefined) return
        if (expected !== undefined) {
          // whatever else a stock server says first is its own business; this is another server, or one that cannot prove itself
          if (!isWrong(error)) return
          node.links.wronged(expected, error.message, false)
        }
        // a stranger has one try at a hello (attack 23)
        // after the answer, which waits for its commit
        node.runtime.release(() => {
          connection.close(1002, 'the hello was refused')
        })
      }
      try {
        const frame = parseFrame(text)
        type = frame.type
        node.count('received', type)
        if (connection.peer === undefined) {
          return handshake.receive(frame).then(() => {
            if (connection.peer !== undefined) hellos.delete(id)
          }, refuse)
        }
        if (frame.type === 'PING' && connection.peer.role === 'server') {
          // before everything that waits, or a busy link would look like a dead one; for the same reason within a budget
          if (node.stopped || !pongs.take()) return
          channel.send('control', node.unsigned('PONG', connection.peer.id, { n: frame.payload.n }))
          if (frame.payload.compare === true) node.sync.nudged(connection.peer.id)
          return
        }
        if (frame.type === 'PONG') return
        const queued =
          connection.peer.role === 'server' ? node.links.receive(connection, frame, text) : node.sessions.receive(connection, frame)
        if (queued) return
        node.count('closed', 'mailbox_full')
        connection.close(1013, 'too many frames at once')
      } catch (error) {
        refuse(error)
      }
    }
    /** After everything that came before the close was handled. */
    const closed = ({ code, why }: Closed): void => {
      all.delete(id)
      hellos.delete(id)
      if (all.size === 0) lastClosed()
      const left = (perAddress.get(remote) ?? 1) - 1
      if (left === 0) perAddress.delete(remote)
      else perAddress.set(remote, left)
      node.supervisor.stop(address, 'closed')
      const said = reason || why || (code === 1000 ? 'goodbye' : code === 1006 ? 'the connection broke' : `closed with ${code}`)
      if (connection.peer?.role === 'server') node.links.closed(connection, said)
      if (connection.peer?.role === 'user')
        node.sessions.closed(connection, code === 1000 && (reason === '' || reason === 'left') ? 'left' : said)
      over(said)
    }

    node.supervisor.spawn<string | Closed>({
      address,
      group: 'connections',
      restart: 'temporary',
      // the last place is for the close
      mailbox: { messages: HELLO_MAILBOX + node.config.limits.mailbox + 1 },
      receive: message => (typeof message === 'string' ? take(message) : closed(message)),
      stopped: why => {
        if (why !== 'closed') connection.terminate()
      },
    })

    const handler: SocketHandler = {
      message(text) {
        connection.heardAt = node.ports.clock.monotonic()
        if (node.supervisor.tell(address, text)) return
        if (open) connection.close(1013, 'too many frames at once')
      },
      malformed(why) {
        node.refusals.refuse(connection, new ProtocolError('UNKNOWN_TYPE', why))
      },
      closed(code, why) {
        if (!open) return
        open = false
        helloTimer()
        if (!node.supervisor.tell(address, { code, why })) closed({ code, why })
      },
    }
    return {
      handler,
      start: () => {
        handshake.start()
      },
    }
  }

  return {
    get size() {
      return all.size
    },
    all: () => all.values(),
    sizes: () =>
      [...all.values()].reduce(
        (sum, { channel }) => ({ ...sum, frames: sum.frames + channel.waiting, bytes: sum.bytes + channel.unread }),
        { open: all.size, hello: hellos.size, frames: 0, bytes: 0 },
      ),
    accept(socket) {
      const { limits } = node.config
      const host = socket.remote.host
      const hellosFrom = hellos.values().reduce((count, address) => count + Number(address === host), 0)
      if (
        all.size >= limits.sockets ||
        hellos.size >= limits.hellos ||
        hellosFrom >= limits.hellosPerAddress ||
        (perAddress.get(host) ?? 0) >= limits.socketsPerAddress
      ) {
        node.count('refused', 'too_many_sockets')
        return undefined
      }
      return adopt(socket, 'accepted', undefined, () => {}).handler
    },
    dial(server, url, over) {
      let start: () => void = () => {}
      node.ports.network
        .dial(
          url,
          {
            timeoutMs: node.config.timing.dialMs,
            maxBytes: node.maxFrameBytes,
            mayReach: address => addressClass(address) === node.self.reach,
          },
          socket => {
            const adopted = adopt(socket, 'dialled', server, over)
            start = adopted.start
            return adopted.handler
          },
        )
        .then(
          () => {
            start()
          },
          (error: unknown) => {
            over(error instanceof Error ? error.message : String(error))
          },
        )
    },
    closeAll(code, why) {
      for (const connection of [...all.values()]) connection.close(code, why)
      return new Promise(resolve => {
        lastClosed = resolve
        if (all.size === 0) resolve()
      })
    },
  }
}

/** The user or server at the other end; only for connections whose handshake is over. */
export const peerOf = (connection: Connection): Peer => {
  if (connection.peer === undefined) throw new Error('the handshake of this connection is not over')
  return connection.peer
}
