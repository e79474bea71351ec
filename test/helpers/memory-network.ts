/** The network port within one process: whole messages in order and a little later, back-pressure, close codes, and hosts that crash or fall silent. */
import { NetworkError, type Listener, type Network, type Socket, type SocketHandler } from '../../src/ports/network.ts'
import type { Clock } from '../../src/ports/clock.ts'

/** A message that left a host, delivered or not. */
export interface OnTheWire {
  readonly from: string
  readonly to: string
  readonly text: string
  /** Unix milliseconds of the network's clock. */
  readonly at: number
}

export interface MemoryHost extends Network {
  readonly name: string
  /** Pulls the plug: its sockets are cut, its ports are free, and nothing on it hears of that. */
  crash(): void
  /** While true nothing reaches it or leaves it, and nobody is told: a cable that was pulled. */
  deaf: boolean
}

export interface MemoryNetwork {
  /** The network as one machine sees it; every dial comes from an address of its own. */
  host(name: string): MemoryHost
  readonly wire: readonly OnTheWire[]
  /** Messages, openings and closes on their way; what a pause or a deaf host holds up is not counted. */
  moving(): number
}

interface End {
  readonly host: Machine
  readonly other: () => End
  readonly socket: Socket
  handler: SocketHandler | undefined
  readonly maxBytes: number
  readonly inbox: string[]
  /** Code and reason of the other end's goodbye, to be told after the inbox. */
  goodbye: { readonly code: number; readonly reason: string } | undefined
  paused: boolean
  /** Said goodbye itself: it hears no more messages. */
  closing: boolean
  over: boolean
}

interface Machine extends MemoryHost {
  alive: boolean
  readonly ends: Set<End>
}

interface Listening {
  readonly machine: Machine
  readonly maxBytes: number
  readonly maxSockets: number
  readonly accepted: Set<End>
  readonly accept: (socket: Socket, request: { readonly origin: string | undefined }) => SocketHandler | undefined
}

const FORCED_CLOSE_MS = 2_000
const bytesOf = (text: string): number => Buffer.byteLength(text)

/** `later` is how things travel: a turn of the loop each, as on a real network, without any time passing on `clock`. */
export const createMemoryNetwork = (clock: Clock, later: (run: () => void) => void = setImmediate): MemoryNetwork => {
  const listeners = new Map<string, Listening>()
  const wire: OnTheWire[] = []
  let moving = 0
  let nextPort = 40_000

  const travel = (run: () => void): void => {
    moving += 1
    later(() => {
      moving -= 1
      run()
    })
  }

  /** Ends one side and tells its handler, once and last. */
  const finish = (end: End, code: number, reason: string): void => {
    if (end.over) return
    end.over = true
    end.inbox.length = 0
    end.host.ends.delete(end)
    if (end.host.alive) end.handler?.closed(code, reason)
  }

  /** Whoever cuts knows at once; the other end hears of it unless a deaf host is in between. */
  const cut = (end: End): void => {
    const other = end.other()
    end.closing = true
    travel(() => {
      finish(end, 1006, '')
      if (!end.host.deaf && !other.host.deaf) finish(other, 1006, '')
    })
  }

  /** Hands over what may be handed over: one message a turn, then the goodbye. */
  const pump = (end: End): void => {
    const other = end.other()
    travel(() => {
      if (end.over || end.host.deaf || other.host.deaf) return
      if (end.inbox.length > 0 && (!end.paused || end.closing)) {
        const text = end.inbox.shift() as string
        if (!end.closing) {
          if (bytesOf(text) > end.maxBytes) {
            end.closing = true
            end.handler?.malformed('too_large')
            other.goodbye = { code: 1009, reason: '' }
            pump(other)
            return
          }
          end.handler?.message(text)
        }
        pump(end)
        return
      }
      if (end.goodbye === undefined || end.inbox.length > 0) return
      const { code, reason } = end.goodbye
      finish(end, code, reason)
      // the echo of the goodbye ends the other side
      travel(() => {
        if (!other.host.deaf) finish(other, code, reason)
      })
    })
  }

  const connect = (near: Machine, nearBytes: number, far: Machine, farBytes: number): readonly [End, End] => {
    const end = (host: Machine, maxBytes: number, port: number, other: () => End): End => {
      const made: End = {
        host,
        other,
        maxBytes,
        handler: undefined,
        inbox: [],
        goodbye: undefined,
        paused: false,
        closing: false,
        over: false,
        socket: {
          remote: { host: '127.0.0.1', port },
          send(messages) {
            if (made.closing || made.over || !host.alive) return
            for (const text of messages) {
              wire.push({ from: host.name, to: other().host.name, text, at: clock.now() })
              other().inbox.push(text)
              pump(other())
            }
          },
          get buffered() {
            return other().inbox.reduce((sum, text) => sum + bytesOf(text), 0)
          },
          pause: () => {
            made.paused = true
          },
          resume: () => {
            made.paused = false
            pump(made)
          },
          close(code, reason) {
            if (made.closing || made.over) return
            made.closing = true
            made.paused = false
            other().goodbye ??= { code, reason }
            pump(other())
            clock.after(FORCED_CLOSE_MS, () => {
              if (!made.over) cut(made)
            })
          },
          terminate() {
            if (!made.over) cut(made)
          },
        },
      }
      host.ends.add(made)
      return made
    }
    const ends: readonly [End, End] = [end(near, nearBytes, nextPort++, () => ends[1]), end(far, farBytes, nextPort++, () => ends[0])]
    return ends
  }

  const dialFrom =
    (machine: () => Machine): Network['dial'] =>
    (url, { timeoutMs, maxBytes }, handler) =>
      new Promise((resolve, reject) => {
        const { host } = new URL(url)
        const refuse = (code: string, why: string): void => {
          reject(new NetworkError(code, `No connection to ${url}: ${why}.`))
        }
        const timer = clock.after(timeoutMs, () => {
          refuse('ETIMEDOUT', `no answer within ${timeoutMs} ms`)
        })
        travel(() => {
          const near = machine()
          const listening = listeners.get(host)
          // a deaf host answers nobody: the dial times out
          if (!near.alive || near.deaf || listening?.machine.deaf === true) return
          timer()
          if (listening === undefined) return refuse('ECONNREFUSED', 'nothing listens there')
          if (listening.accepted.size >= listening.maxSockets) return refuse('EPROTO', 'Unexpected server response: 503')
          const [mine, theirs] = connect(near, maxBytes, listening.machine, listening.maxBytes)
          const taken = listening.accept(theirs.socket, { origin: undefined })
          listening.accepted.add(theirs)
          theirs.handler = {
            message: text => taken?.message(text),
            malformed: why => taken?.malformed(why),
            closed(code, reason) {
              listening.accepted.delete(theirs)
              taken?.closed(code, reason)
            },
          }
          if (taken === undefined) theirs.socket.close(1008, 'not accepted here')
          mine.handler = handler(mine.socket)
          resolve(mine.socket)
        })
      })

  const listenOn =
    (machine: () => Machine): Network['listen'] =>
    ({ host, port, maxBytes, maxSockets }, accept) => {
      const bound = port === 0 ? nextPort++ : port
      const name = `${host}:${bound}`
      if (listeners.has(name))
        return Promise.reject(new NetworkError('EADDRINUSE', `Cannot listen on ${name}: another program listens there.`))
      const listening: Listening = { machine: machine(), maxBytes, maxSockets, accepted: new Set(), accept }
      listeners.set(name, listening)
      let closed: Promise<void> | undefined
      const close = async (): Promise<void> => {
        listeners.delete(name)
        for (const end of listening.accepted) end.socket.close(1001, 'the server stops')
        // as a TCP server: free when the last of its connections is over
        while (listening.machine.alive && listening.accepted.size > 0) await new Promise<void>(resolve => setImmediate(resolve))
      }
      const listener: Listener = { host, port: bound, close: () => (closed ??= close()) }
      return Promise.resolve(listener)
    }

  return {
    wire,
    moving: () => moving,
    host(name) {
      let deaf = false
      const machine: Machine = {
        name,
        alive: true,
        ends: new Set(),
        dial: dialFrom(() => machine),
        listen: listenOn(() => machine),
        get deaf() {
          return deaf
        },
        set deaf(silent) {
          deaf = silent
          // what was held up goes on; a connection that the other end has given up is reset
          for (const end of machine.ends) {
            if (end.other().over) cut(end)
            else for (const side of [end, end.other()]) pump(side)
          }
        },
        crash() {
          machine.alive = false
          for (const [address, listening] of listeners) if (listening.machine === machine) listeners.delete(address)
          for (const end of [...machine.ends]) end.socket.terminate()
        },
      }
      return machine
    },
  }
}
