/** Walks through a log fact by fact, forwards and backwards; marks on the way make going back short. */
import type { RecordedFact } from '../store/log.ts'
import type { Fact } from '../domain/facts.ts'
import { checkReach, createTraveller, type Mark, type Past, type Traveller } from './time-travel.ts'
import { takeWatched, type Footstep } from './time-travel-changes.ts'

/** Facts between two marks, at first; it doubles whenever there are too many marks. */
const FIRST_GAP = 1_000
const MOST_MARKS = 32

export interface Walk {
  readonly traveller: Traveller
  /** The fact on which we stand, and what it did; undefined at the beginning and on a fact that was erased. */
  readonly step: Footstep | undefined
  /** Goes to just after the fact with this sequence. Rejects with `OutOfReach` when the log does not hold it. */
  to(seq: number): Promise<void>
}

/** A walk that stands at the beginning. `gap` and `most` bound the marks, which hold a state each. */
export const createWalk = (
  past: Past,
  { gap = FIRST_GAP, most = MOST_MARKS }: { readonly gap?: number; readonly most?: number } = {},
): Walk => {
  const traveller = createTraveller(past)
  let marks: readonly Mark[] = [traveller.mark()]
  let between = gap

  const keepMark = (): void => {
    if (traveller.seq < (marks.at(-1)?.seq ?? 0) + between) return
    marks = [...marks, traveller.mark()]
    if (marks.length <= most) return
    marks = marks.filter((_, index) => index % 2 === 0)
    between *= 2
  }

  const walk = {
    traveller,
    step: undefined as Footstep | undefined,
    to: async (seq: number): Promise<void> => {
      checkReach(past, { seq })
      const nearest = marks.findLast(mark => mark.seq < seq) ?? marks[0]
      if (nearest !== undefined && (seq <= traveller.seq || nearest.seq > traveller.seq)) traveller.resume(nearest)
      walk.step = undefined
      const take = (recorded: RecordedFact<Fact>): void => {
        if (recorded.seq === seq) walk.step = takeWatched(traveller, recorded)
        else traveller.take(recorded)
        keepMark()
      }
      if (seq > traveller.seq)
        for await (const recorded of past.read(traveller.seq + 1)) {
          if (recorded.seq > seq) break
          take(recorded)
          if (recorded.seq === seq) break
        }
      traveller.pass(seq)
    },
  }
  return walk
}
