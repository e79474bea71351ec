/** How fast the other end of a socket reads what is written to it: the age of the oldest byte that it has not taken, from sizes alone. */

export interface ReaderPace {
  /** Bytes were queued for the other end. */
  added(bytes: number): void
  /** For how many milliseconds at least the oldest unread byte has waited, as of the last two looks; 0 when nothing is unread. */
  look(unread: number, now: number): number
}

/** Looked at about once a second: the answer is as exact as the looks are close. */
export const createReaderPace = (): ReaderPace => {
  /** Bytes since the mark, and what was unread at it: when as many were taken, all that is unread is younger than the mark. */
  let mark: { readonly at: number; readonly unread: number } | undefined
  let since = 0
  return {
    added(bytes) {
      since += bytes
    },
    look(unread, now) {
      if (unread === 0) {
        mark = undefined
        return 0
      }
      const taken = mark === undefined ? Infinity : mark.unread + since - unread
      if (mark === undefined || taken >= mark.unread) {
        mark = { at: now, unread }
        since = 0
        return 0
      }
      return now - mark.at
    },
  }
}
