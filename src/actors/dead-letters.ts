/** Messages that nobody took: kept for a while, counted for ever, and sent again on demand. */

export const deadReasons = {
  full: 'The mailbox was full.',
  unknown: 'There was no such actor.',
  stopped: 'The actor stopped before it came to this message.',
  crashed: 'The actor threw while it handled this message.',
} as const
export type DeadReason = keyof typeof deadReasons

export interface DeadLetter {
  readonly id: number
  /** Unix milliseconds. */
  readonly at: number
  readonly address: string
  readonly reason: DeadReason
  readonly message: unknown
  readonly bytes: number
}

export interface DeadLetters {
  /** What is kept, oldest first. */
  list(): readonly DeadLetter[]
  /** Sends a letter again and forgets it; false when it is not kept any more, or when it was refused again (then it is a new letter). */
  replay(id: number): boolean
  /** How many there were since the start, by reason. */
  counts(): Readonly<Record<DeadReason, number>>
}

export interface DeadLetterOffice extends DeadLetters {
  add(letter: Omit<DeadLetter, 'id' | 'at'>): void
}

/** `capacity` is the most letters that are kept; the oldest goes first. */
export const createDeadLetters = (options: {
  readonly capacity: number
  readonly now: () => number
  readonly tell: (address: string, message: unknown, bytes: number) => boolean
}): DeadLetterOffice => {
  // a Map keeps the order of adding, so its first key is the oldest letter
  const kept = new Map<number, DeadLetter>()
  const counts: Record<DeadReason, number> = { full: 0, unknown: 0, stopped: 0, crashed: 0 }
  let lastId = 0
  return {
    add: letter => {
      counts[letter.reason] += 1
      lastId += 1
      kept.set(lastId, { ...letter, id: lastId, at: options.now() })
      if (kept.size > options.capacity) for (const oldest of kept.keys().take(1)) kept.delete(oldest)
    },
    list: () => [...kept.values()],
    replay: id => {
      const letter = kept.get(id)
      if (letter === undefined) return false
      kept.delete(id)
      return options.tell(letter.address, letter.message, letter.bytes)
    },
    counts: () => ({ ...counts }),
  }
}
