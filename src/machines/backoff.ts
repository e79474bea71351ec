/** How long to wait before trying again; jitter is added by whoever arms the timer, because a machine knows no randomness. */

export const backoff = { firstMs: 250, capMs: 5_000, patientAfterMs: 600_000, patientMs: 60_000 } as const

/**
 * Milliseconds to wait after `failures` failures in a row (1 or more), the first of which was `failingMs` ago:
 * 0.25 s doubling up to 5 s, and a minute once it has failed for ten.
 */
export const backoffMs = (failures: number, failingMs: number): number =>
  failingMs >= backoff.patientAfterMs ? backoff.patientMs : Math.min(backoff.capMs, backoff.firstMs * 2 ** (failures - 1))
