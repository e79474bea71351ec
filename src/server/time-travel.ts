/** A node at a past moment of its log: the same fold as at a start, stopped where one likes. */
import type { NamedEffect } from '../actors/contract.ts'
import { ApplyFailed, type HostSnapshot } from '../actors/host.ts'
import type { Fact } from '../domain/facts.ts'
import { restoreNode, snapshotOfNode, type NodeSnapshot } from '../domain/node-snapshot.ts'
import type { Address } from '../protocol/ids.ts'
import type { RecordedFact } from '../store/log.ts'
import { createNodeFold, type NodeFold } from './replay.ts'
import { piecesOf, type Part } from './time-travel-parts.ts'

/** A log as time travel reads it: the file of a running or stopped node, or a list in a test. */
export interface Past {
  /** Facts up to this sequence were compacted; the fold begins with what `begin` makes of them. 0 when none were. */
  readonly since: number
  /** Puts a fresh fold to its state at `since`. */
  begin(fold: NodeFold): void
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

/** A stream that could not be folded any further, and the fact at which. */
export interface FailedStream {
  readonly stream: Address
  readonly seq: number
  readonly why: string
}

/** Where a traveller was; shares with it what never changes, so it is no JSON and cheap to keep. */
export interface Mark {
  readonly seq: number
  readonly at: number
  readonly failed: readonly FailedStream[]
  readonly node: NodeSnapshot
  readonly machines: HostSnapshot
}

/** A fold on its way through a log. */
export interface Traveller {
  readonly fold: NodeFold
  /** Sequence of the last fact taken, and its time in Unix milliseconds (0 before the first). */
  readonly seq: number
  readonly at: number
  readonly failed: readonly FailedStream[]
  /** Takes the next fact and answers the effects that machines named. A stream that cannot be folded is set aside, as at a start. */
  take(recorded: RecordedFact<Fact>): readonly NamedEffect[]
  /** All facts up to here are behind it: rows whose fact was erased have a number and nothing to take. */
  pass(seq: number): void
  mark(): Mark
  /** Becomes what any traveller of the same log was at the mark. */
  resume(mark: Mark): void
}

/** A traveller at the beginning of a log. */
export const createTraveller = (past: Pick<Past, 'since' | 'begin'>): Traveller => {
  const fold = createNodeFold()
  past.begin(fold)
  let failed: readonly FailedStream[] = []
  const traveller = {
    fold,
    seq: past.since,
    at: 0,
    get failed() {
      return failed
    },
    take: (recorded: RecordedFact<Fact>): readonly NamedEffect[] => {
      traveller.seq = recorded.seq
      traveller.at = recorded.at
      // each turn sets one stream more aside, so this ends
      while (!failed.some(({ stream }) => stream === recorded.stream)) {
        try {
          return fold.host.apply(recorded)
        } catch (error) {
          if (!(error instanceof ApplyFailed)) throw error
          failed = [...failed, { stream: error.address, seq: recorded.seq, why: error.message }]
          fold.host.forget(error.address)
        }
      }
      return []
    },
    pass: (seq: number): void => {
      traveller.seq = Math.max(traveller.seq, seq)
    },
    mark: (): Mark => ({
      seq: traveller.seq,
      at: traveller.at,
      failed,
      node: snapshotOfNode(fold.state),
      machines: fold.host.snapshot(),
    }),
    resume: (mark: Mark): void => {
      traveller.seq = mark.seq
      traveller.at = mark.at
      failed = mark.failed
      restoreNode(fold.state, mark.node)
      fold.host.restore(mark.machines)
    },
  }
  return traveller
}

const isAfter = (recorded: RecordedFact<Fact>, moment: Moment): boolean =>
  'seq' in moment ? recorded.seq > moment.seq : recorded.at > moment.at

/** Throws `OutOfReach` for a sequence that the log does not hold any more or not yet. */
export const checkReach = (past: Past, moment: Moment): void => {
  if (!('seq' in moment)) return
  const head = past.head()
  if (moment.seq > head)
    throw new OutOfReach(`The log ends with fact ${head}, there is no fact ${moment.seq} yet: give a number up to ${head}, or a time.`)
  if (moment.seq < past.since)
    throw new OutOfReach(`The facts before ${past.since} were compacted: give a number from ${past.since} to ${head}.`)
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
      if ('at' in until && traveller.at === 0 && past.since > 0)
        throw new OutOfReach(
          `The facts of that time were compacted, the first that is left is of ${new Date(recorded.at).toISOString()}: give a later time.`,
        )
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
  readonly directory: Readonly<Record<string, unknown>>
  readonly pins: { readonly users: Readonly<Record<string, unknown>>; readonly servers: Readonly<Record<string, unknown>> }
  /** Streams that wait for an operator's decision, as the log says. */
  readonly set_aside: Readonly<Record<string, unknown>>
  /** Streams that today's code cannot fold and that the log says nothing of. */
  readonly failed: readonly FailedStream[]
}

/** The state as it is printed and compared; sorted, so that equal states have equal texts. */
export const stateOf = ({ fold, seq, at, failed }: Traveller): PastState => {
  const { state } = fold
  const of = (part: Part) => Object.fromEntries(piecesOf(fold, part))
  return {
    seq,
    at,
    server_id: state.self ?? null,
    epoch: state.epoch,
    running: state.running,
    machines: of('machines'),
    directory: of('directory'),
    pins: { users: of('pins.users'), servers: of('pins.servers') },
    set_aside: of('set_aside'),
    failed,
  }
}
