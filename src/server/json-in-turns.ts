/** Makes a large state text without keeping the loop for long: a big node's is tens of megabytes. */

/** Entries of a list or table between two pauses: about 2 MB of users with their keys. */
const ENTRIES = 2_000

/** JSON of the entries, without what encloses them. */
const inTurns = async <T>(
  entries: readonly T[],
  write: (some: readonly T[]) => string,
  pause: () => Promise<void>,
): Promise<readonly string[]> => {
  const parts: string[] = []
  for (let at = 0; at < entries.length; at += ENTRIES) {
    if (at > 0) await pause()
    parts.push(write(entries.slice(at, at + ENTRIES)))
  }
  return parts
}

/**
 * The text of `JSON.stringify(value)`, for a value that does not change meanwhile. Lists and tables are written in parts down to the
 * second level, where a node's state has its large ones.
 */
export const jsonInTurns = async (value: unknown, pause: () => Promise<void>, levels = 2): Promise<string> => {
  if (levels < 0 || typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${(await inTurns(value, some => JSON.stringify(some).slice(1, -1), pause)).join(',')}]`
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
  // the innermost are many and small, the others few and large
  if (levels === 0 || entries.length > ENTRIES)
    return `{${(await inTurns(entries, some => JSON.stringify(Object.fromEntries(some)).slice(1, -1), pause)).join(',')}}`
  const parts: string[] = []
  for (const [key, entry] of entries) parts.push(`${JSON.stringify(key)}:${await jsonInTurns(entry, pause, levels - 1)}`)
  return `{${parts.join(',')}}`
}
