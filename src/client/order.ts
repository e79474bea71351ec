/** The order of one sender's messages to one reader: counted by the sender inside the encrypted content, kept by the reader. Pure. */

/** [stream, number, previous]: see "Order" in docs/protocol.md. */
export type Order = readonly [stream: number, number: number, previous: number]

/** How far a sender has counted for a reader. */
export interface Counted {
  readonly stream: number
  readonly number: number
  /** The last number that has not failed; 0 before the first. */
  readonly previous: number
  /** Numbers below it that have failed, each with the one before it that had not when it was counted. */
  readonly failed: readonly (readonly [number: number, previous: number])[]
}

/** What a reader was shown of a sender. */
export interface Shown {
  readonly stream: number
  /** The highest number. */
  readonly number: number
  /** Of the message with that number. */
  readonly ts: number
  /** Numbers below it that were never shown. */
  readonly missing: readonly number[]
}

/** Numbers that are remembered as missing; older ones count as shown. */
const MAX_MISSING = 64
/** Numbers that are remembered as failed; a reader waits a while for older ones, and goes on. */
const MAX_FAILED = 256

/** The place of the next message; a sender who never counted for this reader begins a stream named after its time. */
export const nextOrder = (counted: Counted | undefined, ts: number): Order =>
  counted === undefined ? [ts, 1, 0] : [counted.stream, counted.number + 1, counted.previous]

/** A message was given its place. */
export const count = (counted: Counted | undefined, [stream, number]: Order): Counted => ({
  stream,
  number,
  previous: number,
  failed: counted?.stream === stream ? counted.failed : [],
})

/** A message failed: nobody has to wait for it, nor for those before it that failed earlier. */
export const uncount = (counted: Counted, [stream, number, previous]: Order): Counted => {
  if (counted.stream !== stream) return counted
  const failed = new Map([...counted.failed, [number, previous] as const])
  let last = counted.previous
  for (let before = failed.get(last); before !== undefined; before = failed.get(last)) last = before
  return { ...counted, previous: last, failed: [...failed].filter(([other]) => other < last).slice(-MAX_FAILED) }
}

/** Whether nothing that comes before a message is missing. */
export const isDue = (shown: Shown | undefined, [stream, , previous]: Order): boolean => {
  if (shown === undefined || stream > shown.stream) return previous === 0
  return stream < shown.stream || previous <= shown.number
}

/** Whether a message was shown before, as far as the numbers tell: a sender whose log came from a backup counts again, but at later times. */
export const wasShown = (shown: Shown | undefined, [stream, number]: Order, ts: number): boolean =>
  shown?.stream === stream && number <= shown.number && ts <= shown.ts && !shown.missing.includes(number)

/** A message was shown. */
export const show = (shown: Shown | undefined, [stream, number]: Order, ts: number): Shown => {
  if (shown !== undefined && stream < shown.stream) return shown
  const before: Shown = shown?.stream === stream ? shown : { stream, number: 0, ts: 0, missing: [] }
  if (number <= before.number) return { ...before, missing: before.missing.filter(other => other !== number) }
  const from = Math.max(before.number + 1, number - MAX_MISSING)
  const skipped = Array.from({ length: number - from }, (_, index) => from + index)
  return { stream, number, ts, missing: [...before.missing, ...skipped].slice(-MAX_MISSING) }
}
