/** One connection between two simulated machines: two ends, two directions, each in order; it may be cut, or go deaf without a word. */
import type { Socket, SocketHandler } from '../ports/network.ts'
import type { Life } from './life.ts'
import type { Machine, Way, WireTap } from './network.ts'
import type { Schedule } from './schedule.ts'

interface Side {
  readonly machine: Machine
  readonly life: Life
  readonly maxBytes: number
  readonly port: number
}

export interface End {
  readonly machine: Machine
  readonly socket: Socket
  /** Told that it is over; nothing arrives or leaves here any more. */
  readonly over: boolean
  /** The program here takes the connection now. */
  open(taken: (socket: Socket) => SocketHandler | undefined): void
  /** The same when the answer of the other side has come, in `ms` milliseconds. */
  opens(ms: number, taken: (socket: Socket) => SocketHandler | undefined): void
}

export interface Connection {
  readonly ends: readonly [End, End]
  /** Both ends stand and hear each other: no end has closed, nothing is deaf, held or blocked. */
  readonly healthy: boolean
  /** Since when frames are on their way in a direction; undefined when none are. */
  readonly waitingSince: number | undefined
  /** Sends in the name of the program at `from`, which does not know of it. */
  inject(from: Machine, text: string): void
  /** Both ends hear that it broke. */
  cut(): void
  /** From now on everything is lost on the way, and no end hears of it. */
  deafen(): void
  /** Holds back what leaves `from`, until `free`. */
  hold(from: Machine): void
  /** What waited leaves `from` again, after a while. */
  free(from: Machine, afterMs: () => number): void
  /** The program at that machine is gone. */
  orphan(machine: Machine): void
}

interface Flow {
  lastAt: number
  held: (() => void)[]
  holding: boolean
  bytes: number
  /** Since when there are some. */
  since: number
}

interface Draft extends End {
  readonly side: Side
  over: boolean
  handler: SocketHandler | undefined
  readonly inbox: string[]
  goodbye: { readonly code: number; readonly reason: string } | undefined
  paused: boolean
  closing: boolean
  /** Its program is gone and nobody was told. */
  gone: boolean
}

const FORCED_CLOSE_MS = 2_000

export const createConnection = ({
  schedule,
  tap,
  takes,
  way,
  sides,
  over,
}: {
  readonly schedule: Schedule
  readonly tap: WireTap
  readonly takes: (from: Machine, to: Machine) => number
  readonly way: (from: Machine, to: Machine) => Way
  readonly sides: readonly [Side, Side]
  /** Both ends are over. */
  readonly over: () => void
}): Connection => {
  let deaf = false
  const flows = new Map<Machine, Flow>(sides.map(({ machine }) => [machine, { lastAt: 0, held: [], holding: false, bytes: 0, since: 0 }]))
  const flowFrom = (end: Draft): Flow => flows.get(end.machine) as Flow
  const otherOf = (end: Draft): Draft => (end === near ? far : near)

  /** Has something arrive at the other end, after all that left before. */
  const travel = (from: Draft, arrive: () => void): void => {
    if (deaf) return
    const flow = flowFrom(from)
    const to = otherOf(from)
    if (flow.holding || flow.held.length > 0 || way(from.machine, to.machine).blocked > 0) {
      flow.held.push(arrive)
      return
    }
    flow.lastAt = Math.max(schedule.now() + takes(from.machine, to.machine), flow.lastAt)
    schedule.after(flow.lastAt - schedule.now(), () => {
      if (!deaf) arrive()
    })
  }

  const finish = (end: Draft, code: number, reason: string): void => {
    if (end.over) return
    end.over = true
    end.inbox.length = 0
    // a program that stands still takes the connection first, and hears of its end then
    end.side.life.enter(() => end.handler?.closed(code, reason))
    if (otherOf(end).over) over()
  }

  /** The other end hears of a reset, unless nobody can tell it. */
  const reset = (end: Draft): void => {
    travel(end, () => {
      finish(otherOf(end), 1006, '')
    })
  }

  /** Hands over what may be handed over, then the goodbye. */
  const pump = (end: Draft): void => {
    while (!end.over && !end.paused && end.inbox.length > 0) {
      const text = end.inbox.shift() as string
      const flow = flowFrom(otherOf(end))
      flow.bytes -= text.length
      if (text.length > end.side.maxBytes) {
        end.closing = true
        end.side.life.enter(() => end.handler?.malformed('too_large'))
        otherOf(end).goodbye = { code: 1009, reason: '' }
        travel(end, () => {
          pump(otherOf(end))
        })
        return
      }
      tap.arrived(otherOf(end).machine, end.machine, text)
      end.side.life.enter(() => {
        if (!end.over) end.handler?.message(text)
      })
    }
    if (end.over || end.goodbye === undefined || end.inbox.length > 0) return
    const { code, reason } = end.goodbye
    finish(end, code, reason)
    // the echo of the goodbye ends the other side
    travel(end, () => {
      finish(otherOf(end), code, reason)
    })
  }

  const arrives = (end: Draft, texts: readonly string[]): void => {
    if (end.gone) {
      // a machine that is up again knows nothing of this connection
      if (!end.machine.dark) finish(otherOf(end), 1006, '')
      return
    }
    if (end.over) return
    end.inbox.push(...texts)
    pump(end)
  }

  const put = (end: Draft, texts: readonly string[], slipped = false): void => {
    for (const text of texts) {
      const flow = flowFrom(end)
      if (flow.bytes === 0) flow.since = schedule.now()
      flow.bytes += text.length
      tap.sent(end.machine, otherOf(end).machine, text, slipped)
    }
    travel(end, () => {
      arrives(otherOf(end), texts)
    })
  }

  const endOf = (side: Side, other: Side): Draft => {
    const end: Draft = {
      side,
      machine: side.machine,
      over: false,
      handler: undefined,
      inbox: [],
      goodbye: undefined,
      paused: false,
      closing: false,
      gone: false,
      open(taken) {
        side.life.enter(() => {
          end.handler = taken(end.socket)
          pump(end)
        })
      },
      opens(ms, taken) {
        const flow = flowFrom(otherOf(end))
        flow.lastAt = schedule.now() + ms
        schedule.after(ms, () => {
          if (end.over) return
          if (side.life.alive) end.open(taken)
          else reset(end)
        })
      },
      socket: {
        remote: { host: other.machine.address, port: other.port },
        send(messages) {
          if (!side.life.calls() || end.closing || end.over) return
          put(end, [...messages])
        },
        get buffered() {
          return flowFrom(end).bytes
        },
        pause() {
          end.paused = true
        },
        resume() {
          end.paused = false
          schedule.after(0, () => {
            pump(end)
          })
        },
        close(code, reason) {
          if (!side.life.calls() || end.closing || end.over) return
          end.closing = true
          end.paused = false
          travel(end, () => {
            const there = otherOf(end)
            there.goodbye ??= { code, reason }
            pump(there)
          })
          schedule.after(FORCED_CLOSE_MS, () => {
            if (end.over) return
            finish(end, 1006, '')
            reset(end)
          })
        },
        terminate() {
          if (!side.life.calls() || end.over) return
          end.closing = true
          schedule.after(0, () => {
            if (end.over) return
            finish(end, 1006, '')
            reset(end)
          })
        },
      },
    }
    return end
  }

  const near: Draft = endOf(sides[0], sides[1])
  const far: Draft = endOf(sides[1], sides[0])
  const ends = [near, far] as const
  const at = (machine: Machine): Draft => (near.machine === machine ? near : far)

  return {
    ends,
    get healthy() {
      if (deaf) return false
      return ends.every(end => {
        const flow = flowFrom(end)
        if (end.over || end.closing || end.gone || end.paused || end.handler === undefined || end.side.life.paused) return false
        return !flow.holding && flow.held.length === 0 && way(end.machine, otherOf(end).machine).blocked === 0
      })
    },
    get waitingSince() {
      const waiting = flows.values().filter(({ bytes }) => bytes > 0)
      return waiting.reduce<number | undefined>((first, { since }) => Math.min(first ?? since, since), undefined)
    },
    inject(from, text) {
      const end = at(from)
      if (!end.over && !end.closing && !end.gone) put(end, [text], true)
    },
    cut() {
      for (const end of ends) finish(end, 1006, '')
    },
    deafen() {
      deaf = true
    },
    hold(from) {
      flowFrom(at(from)).holding = true
    },
    free(from, afterMs) {
      const end = at(from)
      const flow = flowFrom(end)
      flow.holding = false
      if (flow.held.length === 0) return
      schedule.after(afterMs(), () => {
        if (flow.holding || way(end.machine, otherOf(end).machine).blocked > 0) return
        const due = flow.held
        flow.held = []
        for (const arrive of due) travel(end, arrive)
      })
    },
    orphan(machine) {
      const end = at(machine)
      if (end.over) return
      end.gone = true
      end.over = true
      if (!machine.dark) reset(end)
      if (otherOf(end).over) over()
    },
  }
}
