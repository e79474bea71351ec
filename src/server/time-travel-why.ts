/** The facts behind a state: those that made a machine, a user or a server what it is at a moment. */
import type { Fact } from '../domain/facts.ts'
import type { RecordedFact } from '../store/log.ts'
import { createTraveller, travel, type Moment, type Past } from './time-travel.ts'
import { takeWatched, type Change, type Footstep } from './time-travel-changes.ts'
import { valueOf, type Piece } from './time-travel-parts.ts'

export interface Because {
  readonly seq: number
  readonly at: number
  /** What there is of the subject at the moment; `value` is null for what ended. */
  readonly present: readonly (Piece & { readonly value: unknown })[]
  /** In order; of each piece those since it last came into being. `changes` are those of the subject only. */
  readonly facts: readonly { readonly recorded: RecordedFact<Fact>; readonly changes: readonly Change[] }[]
}

/** Kinds of streams that have no machine: what is folded from them stands under the id. */
const OF_AN_ID = /^(?:user|server):/

/**
 * Whether a piece belongs to a subject: an address (`link:…`, `bootstrap`, `node`), or the id of a user, server or file, to which the
 * directory's entry, the pins and the machines of that id belong.
 */
const belongs = (subject: string): ((piece: Piece) => boolean) => {
  if (subject.includes(':') && !OF_AN_ID.test(subject)) return ({ part, key }) => part === 'machines' && key === subject
  const id = subject.replace(OF_AN_ID, '')
  return ({ part, key }) =>
    key === id ||
    (part === 'machines' &&
      key
        .slice(key.indexOf(':') + 1)
        .split('/')
        .includes(id))
}

/** Answers why a subject is as it is at a moment; undefined when nothing up to then had to do with it. */
export const because = async (past: Past, subject: string, until: Moment | undefined): Promise<Because | undefined> => {
  const traveller = createTraveller(past)
  const isOf = belongs(subject)
  const pieces = new Map<string, { readonly piece: Piece; facts: Footstep[] }>()
  await travel(past, traveller, until, recorded => {
    const step = takeWatched(traveller, recorded)
    for (const change of step.changes.filter(isOf)) {
      const name = `${change.part} ${change.key}`
      const known = pieces.get(name) ?? { piece: { part: change.part, key: change.key }, facts: [] }
      // what was before it last came into being is not behind what it is now
      if (change.before === null) known.facts = []
      known.facts.push(step)
      pieces.set(name, known)
    }
  })
  if (pieces.size === 0) return undefined
  const present = [...pieces.values()].map(({ piece }) => ({ ...piece, value: valueOf(traveller.fold, piece) ?? null }))
  const living = present.some(({ value }) => value !== null)
  const steps = new Map<number, { recorded: RecordedFact<Fact>; changes: Change[] }>()
  for (const { piece, facts } of pieces.values()) {
    // of what has ended there is something to say only when nothing else is left
    if (living && valueOf(traveller.fold, piece) === undefined) continue
    for (const { recorded, changes } of facts) {
      const own = changes.filter(change => change.part === piece.part && change.key === piece.key)
      const known = steps.get(recorded.seq)
      if (known === undefined) steps.set(recorded.seq, { recorded, changes: own })
      else known.changes.push(...own)
    }
  }
  return {
    seq: traveller.seq,
    at: traveller.at,
    present: present.filter(({ value }) => !living || value !== null),
    facts: [...steps.values()].sort((a, b) => a.recorded.seq - b.recorded.seq),
  }
}
