/** Sockets between programs of one process: whole messages in order, delivered in a later turn of the loop as a real network would. */
import { NetworkError, type Network, type Socket, type SocketHandler } from '../../src/ports/network.ts'

interface End {
  readonly socket: Socket
  handler: SocketHandler | undefined
}

export interface MemoryNetwork extends Network {
  /** Cuts every socket, as a broken cable does after its timeout. */
  cut(): void
  /** Whether anything answers when it is dialled. */
  reachable: boolean
}

export const memoryNetwork = (): MemoryNetwork => {
  const listeners = new Map<string, (socket: Socket) => SocketHandler | undefined>()
  const open = new Set<() => void>()
  let nextPort = 40_000

  /** Two ends of one connection. */
  const pair = (): readonly [End, End] => {
    let closed = false
    const close = (code: number, reason: string): void => {
      if (closed) return
      closed = true
      open.delete(terminate)
      setImmediate(() => {
        for (const end of ends) end.handler?.closed(code, reason)
      })
    }
    const terminate = (): void => {
      close(1006, '')
    }
    const end = (other: () => End): End => {
      let paused = false
      let held: string[] = []
      const deliver = (text: string): void => {
        if (paused) held.push(text)
        else made.handler?.message(text)
      }
      const socket: Socket & { readonly deliver: (text: string) => void } = {
        remote: { host: '127.0.0.1', port: 1 },
        buffered: 0,
        deliver,
        send: messages => {
          for (const text of messages)
            setImmediate(() => {
              if (!closed) (other().socket as typeof socket).deliver(text)
            })
        },
        pause: () => {
          paused = true
        },
        resume: () => {
          paused = false
          const texts = held
          held = []
          for (const text of texts)
            setImmediate(() => {
              deliver(text)
            })
        },
        close: (code, reason) => {
          setImmediate(() => {
            close(code, reason)
          })
        },
        terminate,
      }
      const made: End = { socket, handler: undefined }
      return made
    }
    const ends: readonly [End, End] = [end(() => ends[1]), end(() => ends[0])]
    open.add(terminate)
    return ends
  }

  const network: MemoryNetwork = {
    reachable: true,
    cut: () => {
      for (const terminate of [...open]) terminate()
    },
    dial: (url, _options, handler) => {
      const accept = listeners.get(new URL(url).host)
      if (!network.reachable || accept === undefined) return Promise.reject(new NetworkError('ECONNREFUSED', 'nothing listens there.'))
      const [near, far] = pair()
      far.handler = accept(far.socket)
      near.handler = handler(near.socket)
      return Promise.resolve(near.socket)
    },
    listen: ({ host }, accept) => {
      const port = nextPort++
      listeners.set(`${host}:${port}`, socket => accept(socket, { origin: undefined }))
      return Promise.resolve({
        host,
        port,
        close: () => {
          listeners.delete(`${host}:${port}`)
          return Promise.resolve()
        },
      })
    },
  }
  return network
}
