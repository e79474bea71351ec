/** Since when each part of a world has had no fault: what is promised is promised where none is. */

/** A machine by its name, or the way between two, whichever first. */
export type Part = string

export const between = (a: { readonly name: string }, b: { readonly name: string }): Part =>
  a.name < b.name ? `${a.name}-${b.name}` : `${b.name}-${a.name}`

export interface Trouble {
  /** A fault of these parts begins; the answer ends it. */
  begin(parts: Iterable<Part>): () => void
  /** One that is over at once. */
  strike(parts: Iterable<Part>): void
  /** Whether none of the parts has, or had at `since` or later, a fault. */
  calm(parts: Iterable<Part>, since: number): boolean
  /** When the last fault of any part ended; `Infinity` while there is one. */
  lastAt(): number
}

export const createTrouble = (now: () => number): Trouble => {
  const active = new Map<Part, number>()
  const ended = new Map<Part, number>()
  let last = 0
  const begin = (parts: Iterable<Part>): (() => void) => {
    const concerned = [...parts]
    for (const part of concerned) active.set(part, (active.get(part) ?? 0) + 1)
    let over = false
    return () => {
      if (over) return
      over = true
      last = now()
      for (const part of concerned) {
        const left = (active.get(part) ?? 1) - 1
        if (left === 0) active.delete(part)
        else active.set(part, left)
        ended.set(part, now())
      }
    }
  }
  return {
    begin,
    strike: parts => {
      begin(parts)()
    },
    calm: (parts, since) => {
      for (const part of parts) if (active.has(part) || (ended.get(part) ?? -1) >= since) return false
      return true
    },
    lastAt: () => (active.size > 0 ? Infinity : last),
  }
}
