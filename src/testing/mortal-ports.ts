/** Clock and network as one process has them: when it dies, as by `kill -9`, nothing of it runs any more and its sockets are cut. */
import type { Clock } from '../ports/clock.ts'
import type { Listener, Network, Socket, SocketHandler } from '../ports/network.ts'

export interface MortalPorts {
  readonly clock: Clock
  readonly network: Network
  /** Resolves when its ports are free. */
  die(): Promise<void>
}

/** Lends `clock` and `network` to a node that may die before its test is over. */
export const mortalPorts = (clock: Clock, network: Network): MortalPorts => {
  let alive = true
  const sockets = new Set<Socket>()
  const listeners = new Set<Listener>()
  const timers = new Set<() => void>()
  /** The handler hears nothing more once its process is dead. */
  const mortal = (socket: Socket, handler: SocketHandler): SocketHandler => {
    sockets.add(socket)
    return {
      message: text => {
        if (alive) handler.message(text)
      },
      malformed: why => {
        if (alive) handler.malformed(why)
      },
      closed: (code, reason) => {
        sockets.delete(socket)
        if (alive) handler.closed(code, reason)
      },
    }
  }
  return {
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (ms, run) => {
        if (!alive) return () => {}
        const cancel = clock.after(ms, () => {
          timers.delete(cancel)
          run()
        })
        timers.add(cancel)
        return () => {
          timers.delete(cancel)
          cancel()
        }
      },
      endOfTick: run => {
        clock.endOfTick(() => {
          if (alive) run()
        })
      },
    },
    network: {
      dial: (url, options, handler) => network.dial(url, options, socket => mortal(socket, handler(socket))),
      listen: async (options, accept) => {
        const listener = await network.listen(options, (socket, request) => {
          const handler = alive ? accept(socket, request) : undefined
          return handler && mortal(socket, handler)
        })
        listeners.add(listener)
        return listener
      },
    },
    die: async () => {
      alive = false
      // a timer that is left would keep the process of the test alive
      for (const cancel of timers) cancel()
      for (const socket of sockets) socket.terminate()
      await Promise.all([...listeners].map(listener => listener.close()))
    },
  }
}
