/** Long lists in parts that each fit into a frame, whatever their entries say. */
import { limits } from '../protocol/limits.ts'

/** Bytes of a frame that are left for a list: a welcome has a voucher beside it. */
const ROOM_BYTES = limits.maxFrameBytes - 4_096

/**
 * The entries in their order, at most `most` in a part. `bytesOf` says how much of a frame an entry takes at most. There is always a first
 * part, which may be empty.
 */
export const inParts = <T>(entries: readonly T[], most: number, bytesOf: (entry: T) => number): readonly (readonly T[])[] => {
  const parts: T[][] = [[]]
  let room = ROOM_BYTES
  for (const entry of entries) {
    const bytes = bytesOf(entry)
    const part = parts.at(-1) as T[]
    if (part.length > 0 && (part.length >= most || bytes > room)) {
      parts.push([entry])
      room = ROOM_BYTES
    } else part.push(entry)
    room -= bytes
  }
  return parts
}
