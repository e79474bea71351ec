/** A node at a past moment of its log: the same fold as at a start, stopped where one likes. */
import type { NamedEffect } from '../actors/contract.ts'
import { ApplyFailed, FoldBroken } from '../actors/host.ts'
import type { SetAside } from '../actors/replay.ts'
import type { Fact } from '../domain/facts.ts'
import type { RecordedFact } from '../store/log.ts'
import { createNodeFold, droppedBy, foldedState, restoreFold, type FoldedState, type NodeFold } from './replay.ts'
import { directoryOf, piecesOf, type Part, type PrintedDirectory } from './time-travel-parts.ts'

/** A log as time travel reads it: the file of a running or stopped node, or a list in a test. */
export interface Past {
  /** What stands for the facts that were compacted; undefined when none were. */
  readonly base?: { readonly seq: number; readonly state: FoldedState } | undefined
  /** Facts that leave the fold half written, by sequence: their streams are set aside there. Found by `surviving`. */
  readonly broken?: ReadonlyMap<number, SetAside>
  /** Facts from `from` on, in order, up to the head at the time of the call; short reads, no cursor open across a wait. */
  read(from: number): AsyncIterable<RecordedFact<Fact>>
  /** Sequence of the last fact at this moment. */
  head(): number
}

/** After the fact with this sequence, or after all facts of this time (Unix milliseconds) and before. */
export type Moment = { readonly seq: number } | { readonly at: number }

/** A moment that the log does not hold. The message is a sentence for the person. */
export class OutOfReach extends Error {
  override readonly name = 'OutOfReach'
}

/** A fact left the fold half written; whoever folds begins again without it. */
export class Breaks extends Error {
  override readonly name = 'Breaks'
  readonly at: SetAside
  constructor(at: SetAside, cause: Error) {
    super(at.why, { cause })
    this.at = at
  }
}

/**
 * Runs `work` on a log, once more for each fact that leaves the fold half written, which is passed over then with all that follow
 * in its stream, as at a start.
 */
export const surviving = async <T>(past: Past, work: (past: Past) => Promise<T>): Promise<T> => {
  const broken = new Map(past.broken)
  for (;;) {
    try {
      return await work({ ...past, broken })
    } catch (error) {
      if (!(error instanceof Breaks)) throw error
      broken.set(error.at.seq, error.at)
    }
  }
}

/** Where a traveller was. The state shares with it what never changes, so it is cheap to keep. */
export interface Mark {
  readonly seq: number
  readonly state: FoldedState
}

/** A fold on its way through a log. */
export interface Traveller {
  readonly fold: NodeFold
  /** Sequence of the last fact that is behind it, and the time of the last taken (Unix milliseconds, 0 before the first). */
  readonly seq: number
  readonly at: number
  /** Streams that cannot be folded, each from a fact on. */
  readonly failing: readonly SetAside[]
  /** Takes the next fact and answers the effects that machines named. A stream that cannot be folded is set aside, as at a start. */
  take(recorded: RecordedFact<Fact>): readonly NamedEffect[]
  /** All facts up to here are behind it: rows whose fact was erased have a number and nothing to take. */
  pass(seq: number): void
  mark(): Mark
  /** Becomes what any traveller of the same log was at the mark. */
  resume(mark: Mark): void
}

/** A traveller at the beginning of a log. */
export const createTraveller = ({ base, broken }: Pick<Past, 'base' | 'broken'>): Traveller => {
  const fold = createNodeFold()
  let seq = 0
  let at = 0
  let failing = new Map<string, SetAside>()

  const giveUp = (entry: SetAside): void => {
    failing.set(entry.stream, entry)
    fold.host.forget(entry.stream)
  }
  const apply = (recorded: RecordedFact<Fact>): readonly NamedEffect[] => {
    const breaks = broken?.get(recorded.seq)
    if (breaks !== undefined) giveUp(breaks)
    // each turn sets one stream more aside, so this ends
    while (!failing.has(recorded.stream)) {
      try {
        return fold.host.apply(recorded)
      } catch (error) {
        const { stream, fact } = recorded
        if (error instanceof FoldBroken && stream.includes(':'))
          throw new Breaks({ stream, seq: recorded.seq, why: `${stream} cannot take ${fact.type}: ${String(error.cause)}` }, error)
        if (!(error instanceof ApplyFailed) || failing.has(error.address)) throw error
        giveUp({ stream: error.address, seq: recorded.seq, why: error.message })
      }
    }
    return []
  }
  const resume = (mark: Mark): void => {
    restoreFold(fold, mark.state)
    seq = mark.seq
    at = mark.state.at
    failing = new Map(mark.state.failing.map(entry => [entry.stream, entry]))
  }
  if (base !== undefined) resume(base)

  return {
    fold,
    get seq() {
      return seq
    },
    get at() {
      return at
    },
    get failing() {
      return [...failing.values()]
    },
    take: recorded => {
      const effects = apply(recorded)
      const anew = droppedBy(recorded.fact)
      if (anew !== undefined) failing.delete(anew)
      seq = recorded.seq
      at = recorded.at
      return effects
    },
    pass: to => {
      seq = Math.max(seq, to)
    },
    mark: () => ({ seq, state: foldedState(fold, { at, failing: [...failing.values()] }) }),
    resume,
  }
}

const isAfter = (recorded: RecordedFact<Fact>, moment: Moment): boolean =>
  'seq' in moment ? recorded.seq > moment.seq : recorded.at > moment.at

/** Throws `OutOfReach` for a moment that the log does not hold any more or not yet. */
export const checkReach = (past: Past, moment: Moment): void => {
  const begin = past.base?.seq ?? 0
  if ('at' in moment) {
    if (past.base !== undefined && moment.at < past.base.state.at)
      throw new OutOfReach(
        `The facts of that time were compacted: give a time from ${new Date(past.base.state.at).toISOString()} on, or a number from ${begin} on.`,
      )
    return
  }
  const head = past.head()
  if (moment.seq > head)
    throw new OutOfReach(`The log ends with fact ${head}, there is no fact ${moment.seq} yet: give a number up to ${head}, or a time.`)
  if (moment.seq < begin) throw new OutOfReach(`The facts before ${begin} were compacted: give a number from ${begin} to ${head}.`)
}

/**
 * Takes the traveller on to a moment, or to the end of the log; `take` is called for each fact on the way and has to take it.
 * Rejects with `OutOfReach` when the log does not hold that moment.
 */
export const travel = async (
  past: Past,
  traveller: Traveller,
  until: Moment | undefined,
  take: (recorded: RecordedFact<Fact>) => void = recorded => void traveller.take(recorded),
): Promise<void> => {
  if (until !== undefined) checkReach(past, until)
  const end = until !== undefined && 'seq' in until ? until.seq : past.head()
  for await (const recorded of past.read(traveller.seq + 1)) {
    if (until !== undefined && isAfter(recorded, until)) {
      if ('at' in until) return
      break
    }
    take(recorded)
  }
  traveller.pass(end)
}

/** The state of a node at a moment; keys may be added, never changed. */
export interface PastState {
  readonly seq: number
  /** Time of the last fact in Unix milliseconds, 0 before the first. */
  readonly at: number
  readonly server_id: string | null
  readonly epoch: number
  readonly running: boolean
  readonly machines: Readonly<Record<string, unknown>>
  readonly directory: PrintedDirectory
  /** Servers whose word is in doubt; each claim in `directory` says so too. */
  readonly standings: Readonly<Record<string, unknown>>
  readonly pins: { readonly users: Readonly<Record<string, unknown>>; readonly servers: Readonly<Record<string, unknown>> }
  /** Servers that the operator refuses. */
  readonly bans: Readonly<Record<string, unknown>>
  /** Streams that wait for an operator's decision, as the log says. */
  readonly set_aside: Readonly<Record<string, unknown>>
  /** Streams that today's code cannot fold and that the log says nothing of. */
  readonly failing: readonly SetAside[]
}

/** The state as it is printed and compared; sorted, so that equal states have equal texts. */
export const stateOf = ({ fold, seq, at, failing }: Traveller): PastState => {
  const { state } = fold
  const of = (part: Part) => Object.fromEntries(piecesOf(fold, part))
  return {
    seq,
    at,
    server_id: state.self ?? null,
    epoch: state.epoch,
    running: state.running,
    machines: of('machines'),
    directory: directoryOf(fold),
    standings: of('standings'),
    pins: { users: of('pins.users'), servers: of('pins.servers') },
    bans: of('bans'),
    set_aside: of('set_aside'),
    failing,
  }
}
