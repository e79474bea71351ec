/** Whether the server still is at the other end: asked every few seconds, and at once after the machine slept. */
import type { Clock } from '../ports/clock.ts'

export const pulse = {
  /** Milliseconds between pings. */
  pingMs: 5_000,
  /** Milliseconds without a frame after which the server counts as gone; a person hears of it within a second more. */
  deadMs: 12_000,
  /** The same without an answer, whatever else comes: what we send may not arrive. More, for an answer waits behind what was sent before it. */
  unansweredMs: 30_000,
  /** Milliseconds between looks. */
  lookMs: 1_000,
  /** So much more of the wall clock than of our own between two looks: the machine slept, or its clock was set. */
  sleptMs: 5_000,
  /** Milliseconds for the first frame after that. */
  awakeMs: 3_000,
} as const

export interface Pulse {
  /** A frame came. */
  heard(): void
  /** It was the answer to a ping. */
  answered(): void
  stop(): void
}

/** @param wall Unix milliseconds as the machine says them, jumps and all */
export const startPulse = (options: {
  readonly clock: Clock
  readonly wall: () => number
  readonly ping: () => void
  readonly dead: () => void
}): Pulse => {
  const { clock, wall, ping, dead } = options
  let heardAt = clock.monotonic()
  let answeredAt = heardAt
  let pingedAt = heardAt
  let lookedAt = heardAt
  let wallAt = wall()
  let patience: number = pulse.deadMs
  let cancel = (): void => {}

  const ask = (now: number): void => {
    pingedAt = now
    ping()
  }
  const look = (): void => {
    const now = clock.monotonic()
    const slept = wall() - wallAt - (now - lookedAt) > pulse.sleptMs
    // whoever stood still cannot say that the other end was silent
    const late = now - lookedAt > 3 * pulse.lookMs
    lookedAt = now
    wallAt = wall()
    if (slept || late) {
      patience = pulse.awakeMs
      heardAt = now
      answeredAt = now
      ask(now)
    } else if (now - heardAt > patience || now - answeredAt > pulse.unansweredMs) {
      dead()
      return
    } else if (now - pingedAt >= pulse.pingMs) ask(now)
    cancel = clock.after(pulse.lookMs, look)
  }
  cancel = clock.after(pulse.lookMs, look)

  return {
    heard: () => {
      heardAt = clock.monotonic()
      patience = pulse.deadMs
    },
    answered: () => {
      answeredAt = clock.monotonic()
    },
    stop: () => {
      cancel()
    },
  }
}
