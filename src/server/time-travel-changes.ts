/** What changed: by one fact, between two moments, or if one fact had not been. */
import type { NamedEffect } from '../actors/contract.ts'
import type { Fact } from '../domain/facts.ts'
import type { RecordedFact } from '../store/log.ts'
import { createTraveller, travel, OutOfReach, type Moment, type Past, type Traveller } from './time-travel.ts'
import { parts, piecesOf, reachOf, valueOf, type Piece } from './time-travel-parts.ts'

/** One piece of the state before and after; null when there was none. */
export interface Change extends Piece {
  readonly before: unknown
  readonly after: unknown
}

/** A fact, what it changed, and what machines wanted done because of it. */
export interface Footstep {
  readonly recorded: RecordedFact<Fact>
  readonly changes: readonly Change[]
  readonly effects: readonly NamedEffect[]
}

/** Equal as JSON, whatever the order of keys. */
export const sameValue = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => Object.hasOwn(b, key) && sameValue((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  )
}

/** Takes one fact and looks at what it does. */
export const takeWatched = (traveller: Traveller, recorded: RecordedFact<Fact>): Footstep => {
  const { fold } = traveller
  const before = new Map(
    reachOf(recorded, fold).map(piece => [`${piece.part} ${piece.key}`, { piece, value: valueOf(fold, piece) ?? null }]),
  )
  const effects = traveller.take(recorded)
  const changes: Change[] = []
  for (const { piece, value } of before.values()) {
    const after = valueOf(fold, piece) ?? null
    if (!sameValue(value, after)) changes.push({ ...piece, before: value, after })
  }
  return { recorded, changes, effects }
}

/** A change between two moments, with the sequences of the facts that made it. */
export interface Difference extends Change {
  readonly facts: readonly number[]
}

export interface Differences {
  readonly from: { readonly seq: number; readonly at: number }
  readonly to: { readonly seq: number; readonly at: number }
  readonly changes: readonly Difference[]
  /** The facts that are named by the changes, in order. */
  readonly facts: readonly RecordedFact<Fact>[]
}

const inOrder = (a: Piece, b: Piece): number => parts.indexOf(a.part) - parts.indexOf(b.part) || (a.key < b.key ? -1 : 1)

/**
 * What is different at `to` from what was at `from`, and which facts did it. What came and went in between is no difference.
 * Rejects with `OutOfReach` when the log does not hold a moment, or they stand the wrong way round.
 */
export const differencesBetween = async (past: Past, from: Moment, to: Moment | undefined): Promise<Differences> => {
  const traveller = createTraveller(past)
  await travel(past, traveller, from)
  const start = { seq: traveller.seq, at: traveller.at }
  const found = new Map<string, { piece: Piece; before: unknown; after: unknown; facts: number[] }>()
  const facts = new Map<number, RecordedFact<Fact>>()
  if (to !== undefined && (('seq' in to && to.seq < start.seq) || ('at' in to && to.at < start.at)))
    throw new OutOfReach('The second moment lies before the first: give the earlier one first, as in --diff 10..20.')
  await travel(past, traveller, to, recorded => {
    for (const { part, key, before, after } of takeWatched(traveller, recorded).changes) {
      const name = `${part} ${key}`
      const known = found.get(name)
      found.set(name, {
        piece: { part, key },
        before: known === undefined ? before : known.before,
        after,
        facts: [...(known?.facts ?? []), recorded.seq],
      })
      facts.set(recorded.seq, recorded)
    }
  })
  const changes = [...found.values()]
    .filter(({ before, after }) => !sameValue(before, after))
    .map(({ piece, before, after, facts }) => ({ ...piece, before, after, facts }))
    .sort(inOrder)
  const named = new Set(changes.flatMap(({ facts }) => facts))
  return {
    from: start,
    to: { seq: traveller.seq, at: traveller.at },
    changes,
    facts: [...facts.values()].filter(({ seq }) => named.has(seq)),
  }
}

/** Every piece in which two folds differ: `before` is of the first, `after` of the second. */
export const differencesOf = (one: Traveller, other: Traveller): readonly Change[] =>
  parts.flatMap(part => {
    const [before, after] = [new Map(piecesOf(one.fold, part)), new Map(piecesOf(other.fold, part))]
    return [...new Set([...before.keys(), ...after.keys()])]
      .sort()
      .map(key => ({ part, key, before: before.get(key) ?? null, after: after.get(key) ?? null }))
      .filter(change => !sameValue(change.before, change.after))
  })

export interface Without {
  readonly removed: RecordedFact<Fact>
  /** As it was, and as it would have been. */
  readonly real: Traveller
  readonly other: Traveller
  readonly changes: readonly Change[]
}

/** Folds a log with and without one fact. Rejects with `OutOfReach` when there is no such fact up to that moment. */
export const without = async (past: Past, seq: number, until: Moment | undefined): Promise<Without> => {
  const [real, other] = [createTraveller(past), createTraveller(past)]
  let removed: RecordedFact<Fact> | undefined
  await travel(past, real, until, recorded => {
    real.take(recorded)
    if (recorded.seq === seq) removed = recorded
    else other.take(recorded)
  })
  other.pass(real.seq)
  if (removed === undefined)
    throw new OutOfReach(
      seq > real.seq
        ? `There is no fact ${seq} up to that moment, the last is ${real.seq}: give a number up to ${real.seq}.`
        : `There is no fact ${seq} any more, it was erased or compacted: "socp log ls" shows those that there are.`,
    )
  return { removed, real, other, changes: differencesOf(real, other) }
}
