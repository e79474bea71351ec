/** Lists of sequences as spans: which rows were erased, and what the facts that say so declare. */
import type { Span } from './durable-log.ts'

/** Sorted, apart from each other by at least one. */
export type SpanList = Span[]

/** The type of the fact that declares what was erased: `rows` is a list of spans. */
export const ERASED = 'data.erased'

/** Adds a span; cheapest at the end. */
export const addTo = (list: SpanList, from: number, to: number): void => {
  let [first, end] = [from, to]
  let at = list.length
  while (at > 0 && (list[at - 1] as Span)[1] >= first - 1) at -= 1
  let after = at
  for (let span = list[after]; span !== undefined && span[0] <= end + 1; span = list[after]) {
    first = Math.min(first, span[0])
    end = Math.max(end, span[1])
    after += 1
  }
  list.splice(at, after - at, [first, end])
}

/** Sequences, in order, as spans. */
export const spansOf = (seqs: readonly number[]): SpanList => {
  const list: SpanList = []
  for (const seq of seqs) addTo(list, seq, seq)
  return list
}

/** Whether a list holds all of a span. */
export const covers = (list: readonly Span[], [from, to]: Span): boolean => {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle] as Span)[0] <= from) low = middle + 1
    else high = middle
  }
  return (list[low - 1]?.[1] ?? 0) >= to
}

const isSpan = (value: unknown): value is Span =>
  Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger) && value[0] >= 1 && value[0] <= value[1]

/** What a row's fact declares erased; nothing unless it is `data.erased`. */
export const declaredBy = (type: string, data: string): readonly Span[] => {
  if (type !== ERASED) return []
  const { rows } = JSON.parse(data) as { readonly rows?: unknown }
  return Array.isArray(rows) ? rows.filter(isSpan) : []
}
