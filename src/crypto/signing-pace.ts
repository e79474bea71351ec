/** How many signatures a second this machine makes: measured at the start, and from then on by each that is made. */
import type { Clock } from '../ports/clock.ts'
import type { Crypto, PrivateKey } from '../ports/crypto.ts'

export interface SigningPace {
  /** One begins; call the answer when it is made. */
  begin(): () => void
  /** With all cores at it, as of late. */
  perSecond(): number
}

export interface PaceOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  /** As many at once as the queue has. */
  readonly inFlight: number
  /** Until something was signed. */
  readonly perSecond: number
}

/** Part that one signature has in the mean: a wrong start is forgotten within a hundred of them, a fraction of a second under load. */
const WEIGHT = 1 / 32
/** One that took longer than so many usual ones says more of the moment than of the machine: a pause must not look like a slow core. */
const MOST_TIMES = 4
/** Milliseconds below which none is believed to be: a clock that stands still says 0. */
const LEAST_MS = 0.05

export const createSigningPace = ({ clock, inFlight, perSecond }: PaceOptions): SigningPace => {
  let usualMs = Math.max(LEAST_MS, (inFlight * 1_000) / perSecond)
  return {
    begin: () => {
      const started = clock.monotonic()
      return () => {
        const tookMs = Math.min(clock.monotonic() - started, usualMs * MOST_TIMES)
        usualMs = Math.max(LEAST_MS, usualMs + (tookMs - usualMs) * WEIGHT)
      }
    },
    perSecond: () => (inFlight * 1_000) / usualMs,
  }
}

export interface MeasureOptions {
  readonly crypto: Crypto
  readonly privateKey: PrivateKey
  readonly clock: Clock
  /** As many at once as the queue will have. */
  readonly inFlight: number
  /** Wall time to spend, in milliseconds. */
  readonly budgetMs?: number
}

/** More than this fits in no budget on any machine; it ends the measurement on a clock that stands still. */
const MAX_SAMPLES = 64

/** Measures this machine with RSA-4096 signatures, `inFlight` at once. Spends about `budgetMs`, but at least one signature each. */
export const measuredPace = async ({ crypto, privateKey, clock, inFlight, budgetMs = 50 }: MeasureOptions): Promise<SigningPace> => {
  const started = clock.monotonic()
  let done = 0
  const worker = async (): Promise<void> => {
    let now = clock.monotonic()
    let last = 0
    // starts another only if it will be over in time
    while (now + last - started <= budgetMs && done < MAX_SAMPLES) {
      await crypto.sign(privateKey, new Uint8Array(32))
      done += 1
      const after = clock.monotonic()
      last = after - now
      now = after
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return createSigningPace({ clock, inFlight, perSecond: (done * 1_000) / Math.max(1, clock.monotonic() - started) })
}
