/** Handles what a socket brings one frame at a time and in order; when it falls behind, the socket is not read until it has caught up. */
import type { Socket } from '../ports/network.ts'

/** Frames that wait before the socket is paused, and at which it is read again. */
const inboxLimits = { pauseAt: 64, resumeAt: 16 } as const

/** Handled frames are cut off in strides of this: a stream that never lets the queue run empty must not pile up in memory. */
const stride = 256

export interface Inbox {
  push(text: string): void
  /** Frames wait or are being handled. */
  readonly busy: boolean
  /** Forgets what waits. */
  close(): void
}

/** `handle` must not reject; what it throws is its own to report. */
export const createInbox = (socket: Pick<Socket, 'pause' | 'resume'>, handle: (text: string) => Promise<void>): Inbox => {
  let waiting: string[] = []
  let at = 0
  let running = false
  let paused = false
  let closed = false

  const depth = (): number => waiting.length - at
  const run = async (): Promise<void> => {
    running = true
    while (!closed) {
      const text = waiting[at]
      if (text === undefined) break
      waiting[at] = ''
      at += 1
      if (at >= stride) {
        waiting.splice(0, at)
        at = 0
      }
      if (paused && depth() <= inboxLimits.resumeAt) {
        paused = false
        socket.resume()
      }
      await handle(text)
    }
    waiting = []
    at = 0
    running = false
  }

  return {
    push: text => {
      if (closed) return
      waiting.push(text)
      if (!paused && depth() >= inboxLimits.pauseAt) {
        paused = true
        socket.pause()
      }
      if (!running) void run()
    },
    get busy() {
      return running
    },
    close: () => {
      closed = true
    },
  }
}
