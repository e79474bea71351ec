/** A TCP proxy before every server that can delay, throttle, hold, cut and deafen what passes, by who dials whom; it knows nothing of what passes. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** What happens to bytes from one end to another; changed at any time, it counts for open connections too. */
export interface Way {
  /** Milliseconds that everything takes, and at most so much more of it at random; nothing overtakes. */
  delayMs: number
  jitterMs: number
  /** Infinity when nothing is throttled. */
  bytesPerSecond: number
  /** Holds everything, closes too, as a network does that loses every packet: TCP sends it again when the way is free. */
  block(): void
  unblock(): void
}

export interface Connection {
  readonly dialler: string
  readonly server: string
  /** Both ends are told at once that it is gone. */
  cut(): void
  /** Nothing passes any more, not even that an end closes it: half-open for ever. */
  deafen(): void
}

export interface FaultProxy {
  /** The port on which a server is reached through this proxy. */
  port(server: string): number
  /** Where it really listens; undefined while it does not. */
  lead(server: string, port: number | undefined): void
  /** The host to dial instead of 127.0.0.1, by which the proxy knows who dials. Number 0 to 254. */
  hostFor(dialler: string): string
  way(from: string, to: string): Way
  readonly connections: ReadonlySet<Connection>
  close(): Promise<void>
}

/** Bytes of one direction that are held here; more are left with their sender. */
const HELD_BYTES = 262_144

interface InnerWay extends Way {
  readonly blocked: boolean
  /** Called when it is free. */
  readonly waiting: Set<() => void>
  /** Called when it is faster or slower than before. */
  readonly paced: Set<() => void>
}

const createWay = (): InnerWay => {
  let blocks = 0
  let rate = Infinity
  const waiting = new Set<() => void>()
  const paced = new Set<() => void>()
  return {
    delayMs: 0,
    jitterMs: 0,
    waiting,
    paced,
    get bytesPerSecond() {
      return rate
    },
    set bytesPerSecond(bytes) {
      rate = bytes
      for (const again of [...paced]) again()
    },
    get blocked() {
      return blocks > 0
    },
    block() {
      blocks += 1
    },
    unblock() {
      blocks = Math.max(0, blocks - 1)
      if (blocks > 0) return
      for (const go of [...waiting]) go()
    },
  }
}

/** `due` is when it has come by the delay, `through` when all of it has passed at the rate of the way; that one begins when it is first. */
type Piece = { readonly due: number; through?: number } & ({ readonly bytes: Buffer } | { readonly end: 'finished' | 'reset' })

interface Flow {
  /** Its destination is there. */
  open(to: Socket): void
  end(how: 'finished' | 'reset'): void
  deafen(): void
}

/** One direction of a connection. */
const createFlow = (from: Socket, way: InnerWay, fraction: () => number): Flow => {
  const pieces: Piece[] = []
  let held = 0
  let last = 0
  let to: Socket | undefined
  let deaf = false
  let ended = false
  let timer: NodeJS.Timeout | undefined
  let clogged = false

  const go = (): void => {
    way.waiting.delete(go)
    clearTimeout(timer)
    while (!deaf && !clogged && to !== undefined) {
      const [first] = pieces
      if (first === undefined) {
        if (from.destroyed) way.paced.delete(retime)
        return
      }
      if (way.blocked) {
        way.waiting.add(go)
        return
      }
      const bytes = 'end' in first ? 0 : first.bytes.length
      first.through ??= Math.max(first.due, bytes === 0 ? 0 : performance.now()) + (bytes / way.bytesPerSecond) * 1_000
      const wait = first.through - performance.now()
      if (wait > 0) {
        timer = setTimeout(go, Math.ceil(wait))
        return
      }
      pieces.shift()
      if ('end' in first) {
        if (first.end === 'reset') to.resetAndDestroy()
        else to.end()
        return
      }
      held -= first.bytes.length
      if (held < HELD_BYTES) from.resume()
      if (to.destroyed || to.write(first.bytes)) continue
      clogged = true
      to.once('drain', () => {
        clogged = false
        go()
      })
    }
  }
  const push = (): number => (last = Math.max(last, performance.now() + way.delayMs + way.jitterMs * fraction()))
  const retime = (): void => {
    const [first] = pieces
    if (first !== undefined) delete first.through
    go()
  }
  way.paced.add(retime)
  const end = (how: 'finished' | 'reset'): void => {
    if (ended) return
    ended = true
    if (deaf) return
    pieces.push({ due: push(), end: how })
    go()
  }
  from.on('data', (bytes: Buffer) => {
    if (deaf) return
    pieces.push({ due: push(), bytes })
    held += bytes.length
    if (held >= HELD_BYTES) from.pause()
    go()
  })
  from.on('end', () => {
    end('finished')
  })
  from.on('error', () => {
    end('reset')
  })
  from.on('close', () => {
    end('finished')
  })
  from.on('close', go)
  return {
    open(socket) {
      to = socket
      go()
    },
    end,
    deafen() {
      deaf = true
      pieces.length = 0
      held = 0
      from.resume()
      clearTimeout(timer)
      way.waiting.delete(go)
      // whoever closes need not wait for the other
      from.once('end', () => {
        from.destroy()
      })
      if (ended) from.destroy()
    },
  }
}

/** @param fraction in [0, 1), for jitter */
export const startFaultProxy = async (
  servers: readonly string[],
  diallers: readonly string[],
  fraction: () => number,
): Promise<FaultProxy> => {
  const ways = new Map<string, InnerWay>()
  const leads = new Map<string, number>()
  const connections = new Set<Connection>()
  const sockets = new Set<Socket>()
  const listeners = new Map<string, Server>()
  const hostFor = (dialler: string): string => `127.0.1.${String(diallers.indexOf(dialler) + 1)}`
  const byHost = new Map(diallers.map(dialler => [hostFor(dialler), dialler]))

  const wayOf = (from: string, to: string): InnerWay => {
    const name = `${from}>${to}`
    const way = ways.get(name) ?? createWay()
    ways.set(name, way)
    return way
  }
  const keep = (socket: Socket): void => {
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // what ended it is passed on by its flow
    socket.on('error', () => {})
  }

  const accept = (near: Socket, server: string): void => {
    const dialler = byHost.get(near.localAddress ?? '')
    if (dialler === undefined) {
      near.destroy()
      return
    }
    keep(near)
    const [there, back] = [wayOf(dialler, server), wayOf(server, dialler)]
    const up = createFlow(near, there, fraction)
    let far: Socket | undefined
    let down: Flow | undefined
    let deaf = false
    const reach = (): void => {
      there.waiting.delete(reach)
      if (near.destroyed || deaf) return
      const port = leads.get(server)
      if (port === undefined) {
        near.resetAndDestroy()
        return
      }
      far = connect({ host: '127.0.0.1', port, localAddress: hostFor(dialler), allowHalfOpen: true })
      keep(far)
      down = createFlow(far, back, fraction)
      down.open(near)
      up.open(far)
    }
    const connection: Connection = {
      dialler,
      server,
      cut() {
        near.resetAndDestroy()
        far?.resetAndDestroy()
      },
      deafen() {
        deaf = true
        up.deafen()
        down?.deafen()
      },
    }
    connections.add(connection)
    near.on('end', () => {
      if (far === undefined) near.destroy()
    })
    near.on('close', () => connections.delete(connection))
    // a packet that is lost is sent again as long as somebody waits for the answer
    if (there.blocked) there.waiting.add(reach)
    else reach()
  }

  for (const server of servers) {
    const listener = createServer({ allowHalfOpen: true }, socket => {
      accept(socket, server)
    })
    // every address of this machine's loopback says who dials; from outside nobody gets further than `accept`
    listener.listen(0, '0.0.0.0')
    await once(listener, 'listening')
    listeners.set(server, listener)
  }

  return {
    port: server => (listeners.get(server)?.address() as AddressInfo).port,
    lead(server, port) {
      if (port === undefined) leads.delete(server)
      else leads.set(server, port)
    },
    hostFor,
    way: wayOf,
    connections,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all(
        [...listeners.values()].map(async listener => {
          listener.close()
          await once(listener, 'close')
        }),
      )
    },
  }
}
