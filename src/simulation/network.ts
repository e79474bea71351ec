/** Sockets between simulated machines: each message takes its time, and every way between two machines can be slowed, blocked or cut. */
import { NetworkError, type Listener, type Network, type SocketHandler } from '../ports/network.ts'
import { createConnection, type Connection, type End } from './connection.ts'
import type { Dice } from './dice.ts'
import type { Life } from './life.ts'
import type { Schedule } from './schedule.ts'

/** One way from a machine to another. What is blocked waits as TCP makes it wait, and goes on when it is free. */
export interface Way {
  /** Milliseconds that a message takes at least. */
  readonly latencyMs: number
  /** By how much it may take longer, each time. */
  readonly jitterMs: number
  /** Added while the way is slow. */
  extraMs: number
  /** How many faults block it. */
  blocked: number
}

export interface Machine {
  readonly name: string
  /** Its address, also the host that others dial. */
  readonly address: string
  /** No power: it answers nothing, not even that nobody listens. */
  dark: boolean
}

/** What the world sees of every message; `at` which end. */
export interface WireTap {
  /** `slipped`: in the name of the program at that end, which does not know of it. */
  sent(from: Machine, to: Machine, text: string, slipped: boolean): void
  arrived(from: Machine, to: Machine, text: string): void
}

export interface SimulatedNetwork {
  machine(name: string, address: string): Machine
  /** The port of the program that lives there now. */
  port(machine: Machine, life: Life): Network
  way(from: Machine, to: Machine): Way
  /** Frees the way once; what waited sets off again. */
  unblock(from: Machine, to: Machine): void
  /** Open connections of a machine, in the order in which they were made. */
  connectionsOf(machine: Machine): readonly Connection[]
  /** Ends what a dead program held; the other ends hear of it, unless the power is gone. */
  bury(machine: Machine): void
}

interface Listening {
  readonly machine: Machine
  readonly life: Life
  readonly maxBytes: number
  readonly maxSockets: number
  readonly accepted: Set<End>
  readonly accept: Parameters<Network['listen']>[1]
}

/** A way is made when it is first used; machines near each other answer in a few milliseconds, far ones in up to `FAR_MS`. */
const FAR_MS = 80

export const createNetwork = (schedule: Schedule, dice: Dice, tap: WireTap): SimulatedNetwork => {
  const ways = new Map<string, Way>()
  const listeners = new Map<string, Listening>()
  const machines = new Map<string, Machine>()
  const connections = new Map<Machine, Set<Connection>>()
  let nextPort = 40_000

  const way = (from: Machine, to: Machine): Way => {
    const name = `${from.name}>${to.name}`
    const known = ways.get(name)
    if (known !== undefined) return known
    const latencyMs = 1 + dice.fraction() ** 2 * FAR_MS
    const made: Way = { latencyMs, jitterMs: latencyMs / 4, extraMs: 0, blocked: 0 }
    ways.set(name, made)
    return made
  }
  const takes = (from: Machine, to: Machine): number => {
    const { latencyMs, jitterMs, extraMs } = way(from, to)
    return latencyMs + extraMs + dice.fraction() * jitterMs
  }
  const blocked = (a: Machine, b: Machine): boolean => way(a, b).blocked > 0 || way(b, a).blocked > 0

  const connect = (near: Machine, nearLife: Life, nearBytes: number, { machine, life, maxBytes }: Listening): Connection => {
    const connection = createConnection({
      schedule,
      tap,
      takes,
      way,
      sides: [
        { machine: near, life: nearLife, maxBytes: nearBytes, port: nextPort++ },
        { machine, life, maxBytes, port: nextPort++ },
      ],
      over: () => {
        for (const owner of [near, machine]) connections.get(owner)?.delete(connection)
      },
    })
    for (const owner of [near, machine]) connections.get(owner)?.add(connection)
    return connection
  }

  const dial =
    (machine: Machine, life: Life): Network['dial'] =>
    (url, { timeoutMs, maxBytes, mayReach }, handler) =>
      new Promise((resolve, reject) => {
        if (!life.calls()) return
        const { host, hostname } = new URL(url)
        let waiting = true
        const refuse = (code: string, why: string): void => {
          if (!waiting) return
          waiting = false
          life.enter(() => {
            reject(new NetworkError(code, `No connection to ${url}: ${why}.`))
          })
        }
        if (mayReach?.(hostname) === false) {
          refuse('EADDRCLASS', 'addresses of this kind are not dialled from here')
          return
        }
        schedule.after(timeoutMs, () => {
          refuse('ETIMEDOUT', `no answer within ${timeoutMs} ms`)
        })
        const there = machines.get(hostname)
        if (there === undefined || there.dark || blocked(machine, there)) return
        schedule.after(takes(machine, there), () => {
          if (!waiting || there.dark) return
          const back = takes(there, machine)
          const listening = listeners.get(host)
          if (listening?.life.alive !== true || listening.accepted.size >= listening.maxSockets) {
            schedule.after(back, () => {
              if (listening?.life.alive === true) refuse('EPROTO', 'Unexpected server response: 503')
              else refuse('ECONNREFUSED', 'nothing listens there')
            })
            return
          }
          const [mine, theirs] = connect(machine, life, maxBytes, listening).ends
          listening.accepted.add(theirs)
          theirs.open(socket => {
            const taken = listening.accept(socket, { origin: undefined })
            if (taken === undefined) socket.close(1008, 'not accepted here')
            return { ...handing(taken), closed: closedOf(listening, theirs, taken) }
          })
          mine.opens(back, socket => {
            if (!waiting) {
              socket.terminate()
              return undefined
            }
            waiting = false
            const taken = handler(socket)
            resolve(socket)
            return taken
          })
        })
      })

  const listen =
    (machine: Machine, life: Life): Network['listen'] =>
    ({ host, port, maxBytes, maxSockets }, accept) =>
      new Promise((resolve, reject) => {
        if (!life.calls()) return
        const bound = port === 0 ? nextPort++ : port
        const name = `${host}:${bound}`
        if (listeners.get(name)?.life.alive === true) {
          reject(new NetworkError('EADDRINUSE', `Cannot listen on ${name}: another program listens there.`))
          return
        }
        const listening: Listening = { machine, life, maxBytes, maxSockets, accepted: new Set(), accept }
        listeners.set(name, listening)
        const close = (): Promise<void> =>
          new Promise(free => {
            if (listeners.get(name) === listening) listeners.delete(name)
            for (const end of listening.accepted) end.socket.close(1001, 'the server stops')
            const look = (): void => {
              if (listening.accepted.size === 0) free()
              else schedule.after(50, look)
            }
            look()
          })
        const listener: Listener = { host, port: bound, close }
        resolve(listener)
      })

  return {
    machine(name, address) {
      const machine: Machine = { name, address, dark: false }
      machines.set(address, machine)
      connections.set(machine, new Set())
      return machine
    },
    port: (machine, life) => ({ dial: dial(machine, life), listen: listen(machine, life) }),
    way,
    unblock(from, to) {
      const there = way(from, to)
      there.blocked -= 1
      if (there.blocked > 0) return
      for (const connection of connections.get(from) ?? [])
        if (connection.ends.some(({ machine }) => machine === to)) connection.free(from, () => dice.fraction() * 1_000)
    },
    connectionsOf: machine => [...(connections.get(machine) ?? [])],
    bury(machine) {
      for (const connection of [...(connections.get(machine) ?? [])]) connection.orphan(machine)
    },
  }
}

/** What a listener's program takes; nothing once it has refused the socket. */
const handing = (taken: SocketHandler | undefined): Omit<SocketHandler, 'closed'> => ({
  message: text => taken?.message(text),
  malformed: why => taken?.malformed(why),
})

const closedOf =
  (listening: Listening, end: End, taken: SocketHandler | undefined): SocketHandler['closed'] =>
  (code, reason) => {
    listening.accepted.delete(end)
    taken?.closed(code, reason)
  }
