/** Virtual time: everything that will happen in a simulated world, in one order that a seed decides. */
import TinyQueue from 'tinyqueue'
import type { Clock } from '../ports/clock.ts'

export interface Schedule {
  /** Milliseconds since the world began. */
  now(): number
  /** Calls `run` once in `ms` milliseconds; the answer cancels it. Among those that are due together, the first asked for is first. */
  after(ms: number, run: () => void): () => void
  /** Nothing more happens until `work` has settled; for what really takes time. */
  hold(work: Promise<unknown>): void
  /** Lets time pass until `until`, each thing in its turn with all promises settled in between. Rejects with what one throws. */
  run(until: number): Promise<void>
}

interface Due {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

/** Things that happen in one go of the real loop: each go costs a system call, and promises settle after each thing all the same. */
const AT_ONCE = 64

/** @param loop what ends a tick of the real loop; callbacks of one tick run apart, with the promises settled between them */
export const createSchedule = (loop: Pick<Clock, 'endOfTick'>): Schedule => {
  const queue = new TinyQueue<Due>([], (a, b) => a.at - b.at || a.order - b.order)
  let now = 0
  let order = 0
  let holding = 0
  let resume = (): void => {}

  const released = (): void => {
    holding -= 1
    if (holding === 0) resume()
  }

  return {
    now: () => now,
    after(ms, run) {
      const due: Due = { at: now + Math.max(0, ms), order: order++, run }
      queue.push(due)
      return () => {
        due.run = undefined
      }
    },
    hold: work => {
      holding += 1
      work.then(released, released)
    },
    run: until =>
      new Promise((resolve, reject) => {
        let over = false
        const one = (): void => {
          if (over || holding > 0) return
          let next = queue.peek()
          while (next !== undefined && next.run === undefined) {
            queue.pop()
            next = queue.peek()
          }
          if (next === undefined || next.at > until) {
            over = true
            now = until
            resolve()
            return
          }
          queue.pop()
          now = next.at
          try {
            next.run?.()
          } catch (error) {
            over = true
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        }
        const go = (): void => {
          for (let index = 0; index < AT_ONCE; index += 1) loop.endOfTick(one)
          loop.endOfTick(() => {
            if (!over && holding === 0) go()
          })
        }
        resume = () => {
          if (!over) loop.endOfTick(go)
        }
        go()
      }),
  }
}
