/** What waits for the server's word on it: one answer for everything that was sent, within a time, and a bound on how much may wait. */
import type { Clock } from '../ports/clock.ts'

/** Milliseconds that the server has to acknowledge. */
export const ackMs = 10_000
/** What may wait at once; more is refused. */
const maxWaiting = 100_000
/** An answer may stand behind frames that are still being handled; waiting for them has an end too. */
const maxGraceMs = 60_000

/** Why something was not sent: a sentence for the person. */
export class NotSent extends Error {
  override readonly name = 'NotSent'
}

export interface Answer {
  /** Resolves on `taken`, rejects with `NotSent` on a refusal, a loss, or too long a wait after `startTimer`. */
  readonly settled: Promise<unknown>
  /** The last of it left: from now on the server has `ackMs`. */
  startTimer(): void
  /** Nobody waits any more. */
  withdraw(): void
}

export interface Outbox {
  /** Call it before the frame leaves, or the answer may be faster. */
  expect(ref: string): Answer
  taken(ref: string): void
  /** True when somebody waited for that. */
  refused(ref: string, why: string): boolean
  /** Everything that waits fails. */
  lost(why: string): void
}

export const createOutbox = ({ clock, busy }: { readonly clock: Clock; readonly busy: () => boolean }): Outbox => {
  const waiting = new Map<string, (why: string | undefined) => void>()

  return {
    expect: ref => {
      if (waiting.size >= maxWaiting) throw new NotSent('Too much is waiting for the server; wait until some of it is through.')
      let cancel = (): void => {}
      const { promise, resolve, reject } = Promise.withResolvers<undefined>()
      // whoever sends may fail before it comes to waiting for the answer
      promise.catch(() => {})
      const settle = (why: string | undefined): void => {
        cancel()
        if (waiting.get(ref) === settle) waiting.delete(ref)
        if (why === undefined) resolve(undefined)
        else reject(new NotSent(why))
      }
      waiting.get(ref)?.('It was sent again.')
      waiting.set(ref, settle)
      const wait = (ms: number, since: number): void => {
        cancel = clock.after(ms, () => {
          if (busy() && clock.monotonic() - since < maxGraceMs) wait(1_000, since)
          else settle(`The server did not acknowledge it within ${Math.round((clock.monotonic() - since) / 1_000)} s.`)
        })
      }
      return {
        settled: promise,
        startTimer: () => {
          if (waiting.get(ref) === settle) wait(ackMs, clock.monotonic())
        },
        withdraw: () => {
          settle(undefined)
        },
      }
    },
    taken: ref => {
      waiting.get(ref)?.(undefined)
    },
    refused: (ref, why) => {
      const settle = waiting.get(ref)
      settle?.(why)
      return settle !== undefined
    },
    lost: why => {
      for (const settle of [...waiting.values()]) settle(why)
    },
  }
}
