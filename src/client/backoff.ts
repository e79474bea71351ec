/** How long to wait before dialling again: doubling, capped, and spread out so that not everybody returns at once. */

export const reconnect = { firstMs: 500, capMs: 10_000 } as const

/**
 * Milliseconds to wait after `failures` failures in a row (1 or more): 0.5 s doubling up to 10 s, of which a random half is jitter.
 * @param fraction in [0, 1), from the Random port
 */
export const reconnectMs = (failures: number, fraction: number): number => {
  const whole = Math.min(reconnect.capMs, reconnect.firstMs * 2 ** Math.min(failures - 1, 16))
  return Math.round(whole / 2 + (whole / 2) * fraction)
}

/** Times and bounds of one connection, in milliseconds unless it says otherwise. */
export const connecting = {
  dialMs: 5_000,
  /** An attachment that lasted so long ends a row of failures. */
  steadyMs: 10_000,
  /** Between one server that does not answer and the next. */
  onwardMs: 200,
  /** Frames that a stock server sends before we know that it is one. */
  maxEarly: 1_024,
  /** A goodbye and what was queued before it must be through by then. */
  closeMs: 3_000,
} as const
