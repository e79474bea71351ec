/** Walks through a log fact by fact, forwards and backwards; marks on the way make going back short. */
import { Breaks, checkReach, createTraveller, type Mark, type Past, type Traveller } from './time-travel.ts'
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
  const broken = new Map(past.broken)
  const traveller = createTraveller({ base: past.base, broken })
  let marks: readonly Mark[] = [traveller.mark()]
  let between = gap
  let step: Footstep | undefined

  const keepMark = (): void => {
    if (traveller.seq < (marks.at(-1)?.seq ?? 0) + between) return
    marks = [...marks, traveller.mark()]
    if (marks.length <= most) return
    marks = marks.filter((_, index) => index % 2 === 0)
    between *= 2
  }

  const go = async (seq: number): Promise<void> => {
    const nearest = marks.findLast(mark => mark.seq < seq) ?? marks[0]
    if (nearest !== undefined && (seq <= traveller.seq || nearest.seq > traveller.seq)) traveller.resume(nearest)
    step = undefined
    if (seq > traveller.seq)
      for await (const recorded of past.read(traveller.seq + 1)) {
        if (recorded.seq > seq) break
        if (recorded.seq === seq) step = takeWatched(traveller, recorded)
        else traveller.take(recorded)
        keepMark()
        if (recorded.seq === seq) break
      }
    traveller.pass(seq)
  }

  return {
    traveller,
    get step() {
      return step
    },
    to: async seq => {
      checkReach(past, { seq })
      for (;;) {
        try {
          await go(seq)
          return
        } catch (error) {
          if (!(error instanceof Breaks)) throw error
          broken.set(error.at.seq, error.at)
          if (marks[0] !== undefined) traveller.resume(marks[0])
        }
      }
    },
  }
}
