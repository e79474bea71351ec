/** The outgoing side of one socket: order kept in each lane whatever order signatures finish in, one write a tick, bounded. */
import type { Clock } from '../ports/clock.ts'
import type { Socket } from '../ports/network.ts'
import { createReaderPace } from './reader-pace.ts'

/**
 * Control frames; presence and messages, which keep their causal order; files, which must not hold the others up.
 */
export type Lane = 'control' | 'traffic' | 'file'

export interface ChannelLimits {
  /** Frames that may wait for their signature. */
  readonly frames: number
  /** Bytes that the other end may leave unread before it is cut. */
  readonly bytes: number
}

export interface Channel {
  /**
   * Sends a text, or one that is still being signed, after all that is in the lane already.
   * `failed` is told when it could not be signed; it is dropped then and the lane goes on.
   */
  send(lane: Lane, text: string | Promise<string>, failed?: (error: unknown) => void): void
  /** Opens a lane's next frame only after everything that is in another lane now: a file's start follows its sender's presence. */
  barrier(lane: Lane, after: Lane): void
  /** Says goodbye once everything that can be sent was sent. */
  close(code: number, reason: string): void
  terminate(): void
  /** Frames that wait, over all lanes. */
  readonly waiting: number
  /** Bytes that the other end has not taken. */
  readonly unread: number
  /** The same with frames of files that still wait for their signature, each counted as the largest. */
  readonly backlog: number
  /** For how many milliseconds it has not; to be asked about once a second, with monotonic time. */
  unreadFor(now: number): number
}

/** A chunk of 24 blocks in base64url, and what is around it. */
export const FILE_FRAME_BYTES = 18_432

type Entry = { text?: string; dropped?: boolean; readonly barrier?: () => boolean }

/** `tooSlow` is called once when the other end does not read; the caller closes it. */
export const createChannel = (socket: Socket, clock: Pick<Clock, 'endOfTick'>, limits: ChannelLimits, tooSlow: () => void): Channel => {
  const lanes: Record<Lane, Entry[]> = { control: [], traffic: [], file: [] }
  const sentOf: Record<Lane, number> = { control: 0, traffic: 0, file: 0 }
  const addedTo: Record<Lane, number> = { control: 0, traffic: 0, file: 0 }
  let ready: string[] = []
  let scheduled = false
  let closing: { code: number; reason: string } | undefined
  let over = false
  let waiting = 0
  const pace = createReaderPace()

  const flush = (): void => {
    scheduled = false
    if (over) return
    if (ready.length > 0) {
      const before = socket.buffered
      socket.send(ready)
      pace.added(socket.buffered - before)
    }
    ready = []
    if (socket.buffered > limits.bytes) {
      cut()
      return
    }
    if (closing !== undefined && waiting === 0) {
      over = true
      socket.close(closing.code, closing.reason)
    }
  }
  const schedule = (): void => {
    if (scheduled || over) return
    scheduled = true
    clock.endOfTick(flush)
  }
  const cut = (): void => {
    over = true
    tooSlow()
  }
  /** Moves what is ready from the heads of the lanes; again until no barrier opens any more. */
  const drain = (): void => {
    let moved = false
    for (const lane of ['control', 'traffic', 'file'] as const) {
      const entries = lanes[lane]
      let taken = 0
      for (const entry of entries) {
        const passable = entry.barrier?.() ?? (entry.dropped === true || entry.text !== undefined)
        if (!passable) break
        if (entry.text !== undefined) ready.push(entry.text)
        if (entry.barrier === undefined) {
          sentOf[lane] += 1
          waiting -= 1
        }
        taken += 1
      }
      if (taken > 0) entries.splice(0, taken)
      moved ||= taken > 0
    }
    if (moved && lanes.file[0]?.barrier?.() === true) drain()
    if (ready.length > 0 || closing !== undefined) schedule()
  }

  return {
    get waiting() {
      return waiting
    },
    get unread() {
      return socket.buffered
    },
    get backlog() {
      return socket.buffered + lanes.file.length * FILE_FRAME_BYTES
    },
    unreadFor: now => (over ? 0 : pace.look(socket.buffered, now)),
    send(lane, text, failed) {
      if (over || closing !== undefined) return
      if (waiting >= limits.frames) {
        cut()
        return
      }
      const entry: Entry = {}
      lanes[lane].push(entry)
      addedTo[lane] += 1
      waiting += 1
      if (typeof text === 'string') {
        entry.text = text
        drain()
        return
      }
      text.then(
        signed => {
          entry.text = signed
          drain()
        },
        (error: unknown) => {
          entry.dropped = true
          drain()
          failed?.(error)
        },
      )
    },
    barrier(lane, after) {
      const target = addedTo[after]
      if (sentOf[after] < target) lanes[lane].push({ barrier: () => sentOf[after] >= target })
    },
    close(code, reason) {
      if (over || closing !== undefined) return
      closing = { code, reason }
      schedule()
    },
    terminate() {
      over = true
      socket.terminate()
    },
  }
}
