/** Keeps this client attached to its server: dials, shakes hands, hands on verified frames, and returns after a loss with backoff. */
import { NetworkError, type Socket, type SocketHandler } from '../ports/network.ts'
import type { Ports } from '../ports/ports.ts'
import { parseFrame, type AnyFrame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { ruleOf } from '../protocol/frames.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { connecting, reconnectMs } from './backoff.ts'
import type { ServerPin } from './facts.ts'
import { createHandshake, type Attachment, type Handshake, type HandshakeRefused } from './handshake.ts'
import { malformedWords, mayBeBelieved } from './hearsay.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { type Pulse, startPulse } from './pulse.ts'
import { cleanLine } from './sanitise.ts'
import type { Servers } from './servers.ts'
import type { Wire } from './wire.ts'

const { dialMs, steadyMs, onwardMs, maxEarly, closeMs } = connecting

export interface ConnectionOptions {
  readonly ports: Ports
  readonly servers: Servers
  /** Unix milliseconds as the machine says them. */
  readonly wall: () => number
  readonly userId: UserId
  readonly wire: Wire
  readonly hello: Readonly<Record<string, unknown>>
  readonly accept: (url: string, proven: ServerPin) => Promise<boolean>
  readonly attached: (attachment: Attachment) => void
  /** An attached frame, verified as far as the server's key goes; the next is handed over when it resolves. */
  readonly frame: (frame: AnyFrame, attachment: Attachment) => Promise<void>
  /** The attachment is gone; `why` is a sentence. `final`: nothing is dialled until a person says so. */
  readonly lost: (why: string, final: boolean) => void
  /** Something to tell the person; the same one is told once per outage. */
  readonly problem: (code: string, detail: string) => void
  /** Told of a bug in the handling of a frame. */
  readonly crashed: (error: unknown) => void
}

export interface Connection {
  start(): void
  /** Dials now, if it waits, was stopped by a refusal, or gave way. */
  retry(): void
  /** Leaves the place to another program; `why` is a sentence. */
  giveWay(why: string): void
  readonly attachment: Attachment | undefined
  /** False when not attached: then nothing was sent. */
  send(texts: readonly string[]): boolean
  /** Bytes that the server has not taken yet. */
  readonly buffered: number
  /** Frames are still being handled, so an answer may be among them. */
  readonly busy: boolean
  /** Says goodbye. Resolves when the socket is closed, or was never open. */
  close(goodbye: string | undefined): Promise<void>
}

type Life = { readonly socket: Socket; readonly handshake: Handshake; readonly inbox: Inbox }

/** A refusal after which dialling again by itself would be wrong until a person acts. */
const final = 'SERVER_CHANGED'

export const createConnection = (options: ConnectionOptions): Connection => {
  const { ports, servers, userId, wire, hello } = options
  let attachment: Attachment | undefined
  let life: Life | undefined
  let failures = 0
  let attachedAt = 0
  let told: string | undefined
  let plainly = false
  /** Why nothing is dialled until a person says so. */
  let stopped: string | undefined
  let closing = false
  let dialling = false
  /** Why the last socket came to nothing was told already. */
  let explained = false
  let pulse: Pulse | undefined
  let pings = 0
  let cancelRetry = (): void => {}
  let gone = (): void => {}

  const tell = (code: string, detail: string): void => {
    if (told === code) return
    told = code
    options.problem(code, cleanLine(detail))
  }

  /** Dials the same server again when it `had` us, else the next: each once without delay, and then after a pause. */
  const again = (had = false): void => {
    if (closing || stopped !== undefined) return
    const pause = had || servers.next()
    if (pause) failures += 1
    cancelRetry()
    cancelRetry = ports.clock.after(pause ? reconnectMs(failures, ports.random.fraction()) : onwardMs, () => {
      void dial()
    })
  }

  const handle = async (text: string, early: AnyFrame[], handshake: Handshake): Promise<void> => {
    let frame: AnyFrame
    try {
      frame = parseFrame(text)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // what we do not understand is not an error of the person: stock servers have many frames of their own
      if (error.reason !== 'unknown_type') tell('BAD_FRAME', `The server sent something that cannot be read: ${error.message}`)
      return
    }
    const current = attachment
    if (current === undefined) {
      if (!(await handshake.receive(frame)) && early.length < maxEarly) early.push(frame)
      return
    }
    for (const before of early.splice(0)) await deliver(before, current)
    await deliver(frame, current)
  }

  const deliver = async (frame: AnyFrame, current: Attachment): Promise<void> => {
    if (frame.type === 'PONG') pulse?.answered()
    if (!ruleOf(frame.type).toUsers || frame.type === 'PONG') return
    if (frame.type === 'CHALLENGE') {
      // not a stock server after all, only slower than we waited: shake hands again
      life?.socket.close(1000, '')
      return
    }
    if (!(await mayBeBelieved(ports.crypto, frame, current))) {
      options.problem('INVALID_SIG', `A ${frame.type} that is not signed by the server was ignored.`)
      return
    }
    await options.frame(frame, current)
  }

  const closed = (socket: Socket, reason: string): void => {
    // one that was given up closes after the next was opened
    const over = life
    if (over?.socket !== socket) return
    const before = attachment
    const confused = over.handshake.confused
    over.handshake.cancel()
    over.inbox.close()
    pulse?.stop()
    life = undefined
    attachment = undefined
    gone()
    if (closing) return
    const said = reason === '' ? '' : ` (${cleanLine(reason, 120).replace(/\.$/, '')})`
    if (before !== undefined) {
      // whoever cuts us again and again is not dialled as fast as we can
      if (ports.clock.monotonic() - attachedAt >= steadyMs) failures = 0
      told = undefined
      options.lost(stopped ?? `The connection to the server was lost${said}.`, stopped !== undefined)
    } else {
      // some stock servers close on a challenge, which they do not know; one that proved itself before never gets away with that
      if (confused && servers.pin(servers.current) === undefined) plainly = true
      if (!explained) tell('REFUSED', `The server at ${servers.current} closed the connection before we were attached${said}.`)
    }
    again(before !== undefined)
  }

  /** A socket that broke without a word is found by asking. */
  const beat = (socket: Socket): void => {
    pulse = startPulse({
      clock: ports.clock,
      wall: options.wall,
      ping: () => {
        socket.send([wire.unsigned({ type: 'PING', to: attachment?.server || '*', payload: { n: (pings += 1) } })])
      },
      dead: () => {
        socket.terminate()
        closed(socket, 'the server does not answer')
      },
    })
  }

  const open =
    (url: string) =>
    (socket: Socket): SocketHandler => {
      // it was told to close while this was dialling
      if (closing) socket.terminate()
      const early: AnyFrame[] = []
      explained = false
      const handshake = createHandshake({
        ...{ ports, userId, wire, hello, plainly, alone: servers.alone },
        pin: servers.pin(url),
        accept: proven => options.accept(url, proven),
        send: texts => {
          socket.send(texts)
        },
        attached: reached => {
          attachment = reached
          attachedAt = ports.clock.monotonic()
          servers.reached(socket.remote.host)
          if (reached.caps.includes('ping')) beat(socket)
          told = undefined
          options.attached(reached)
          // what came before must not wait for the next frame
          inbox.push('')
        },
        refused: why => {
          refused(why, socket)
        },
      })
      const inbox = createInbox(socket, async text => {
        try {
          if (text !== '') await handle(text, early, handshake)
          else if (attachment !== undefined) for (const frame of early.splice(0)) await deliver(frame, attachment)
        } catch (error) {
          options.crashed(error)
        }
      })
      life = { socket, handshake, inbox }
      void handshake.start().catch((error: unknown) => {
        options.problem('INTERNAL', error instanceof Error ? error.message : 'The hello could not be signed.')
        socket.terminate()
      })
      return {
        message: text => {
          pulse?.heard()
          if (text !== '') inbox.push(text)
        },
        malformed: why => {
          tell('BAD_FRAME', malformedWords[why])
        },
        closed: (_code, reason) => {
          closed(socket, reason)
        },
      }
    }

  const refused = (why: HandshakeRefused, socket: Socket): void => {
    explained = true
    // with another server to go to nobody has to wait for a person
    if (why.code === final && servers.alone) stopped = why.message
    tell(why.code, why.message)
    socket.close(1000, '')
  }

  const dial = async (): Promise<void> => {
    if (dialling || life !== undefined || closing) return
    dialling = true
    cancelRetry()
    const url = servers.current
    try {
      await ports.network.dial(url, { timeoutMs: dialMs, maxBytes: limits.maxFrameBytes, ...servers.guard(url) }, open(url))
    } catch (error) {
      if (error instanceof NetworkError) tell('UNREACHABLE', `${error.message} Trying again.`)
      else options.problem('INTERNAL', error instanceof Error ? error.message : 'Dialling failed.')
      again()
    } finally {
      dialling = false
    }
  }

  return {
    start: () => {
      void dial()
    },
    retry: () => {
      stopped = undefined
      void dial()
    },
    giveWay: why => {
      stopped = why
      life?.socket.close(1000, '')
    },
    get attachment() {
      return attachment
    },
    send: texts => {
      if (attachment === undefined || life === undefined) return false
      life.socket.send(texts)
      return true
    },
    get buffered() {
      return life?.socket.buffered ?? 0
    },
    get busy() {
      return life?.inbox.busy ?? false
    },
    close: async goodbye => {
      closing = true
      cancelRetry()
      const current = life
      if (current === undefined) return
      await new Promise<void>(resolve => {
        const cancel = ports.clock.after(closeMs, () => {
          current.socket.terminate()
          resolve()
        })
        gone = () => {
          cancel()
          resolve()
        }
        if (goodbye !== undefined) current.socket.send([goodbye])
        current.socket.close(1000, '')
      })
    },
  }
}
