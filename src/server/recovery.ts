/** How a node comes back: the newest snapshot that holds, else the base, else nothing, and then the facts after it. */
import { replay, type Replayed, type SetAside } from '../actors/replay.ts'
import type { Runtime } from '../actors/runtime.ts'
import type { Fact } from '../domain/facts.ts'
import type { Base, DurableLog } from '../store/durable-log.ts'
import { type EventLog, LogUnusable, type RecordedFact } from '../store/log.ts'
import type { Log } from './events.ts'
import { createNodeFold, droppedBy, FOLD_VERSION, type FoldedState, type NodeFold, restoreFold } from './replay.ts'

/** Where a fold may begin. */
export interface Beginning {
  readonly from: 'snapshot' | 'base' | 'nothing'
  /** The facts up to this one are in it. */
  readonly seq: number
  readonly state: FoldedState | undefined
}

export interface Recovered extends Replayed {
  readonly beginning: Beginning
}

/** A log may be one that only keeps facts. */
export const asDurable = (log: EventLog<Fact>): DurableLog<Fact> | undefined =>
  'snapshots' in log && 'base' in log ? (log as DurableLog<Fact>) : undefined

/** Puts the fold to a text of `foldedState`; throws when it is none. */
const begin = (fold: NodeFold, from: 'snapshot' | 'base', seq: number, text: string): Beginning => {
  const state = JSON.parse(text) as FoldedState
  restoreFold(fold, state)
  return { from, seq, state }
}

/** Puts the fold to the base of the log, or to nothing when there is none. Rejects with `LogUnusable` when the base cannot be used. */
export const beginAtBase = async (
  log: Pick<Foldable, 'base'> | undefined,
  fold: NodeFold,
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<Beginning> => {
  const base = await log?.base()
  await pause()
  if (base === undefined) {
    restoreFold(fold)
    return { from: 'nothing', seq: 0, state: undefined }
  }
  try {
    return begin(fold, 'base', base.seq, base.state)
  } catch (cause) {
    throw new LogUnusable(`The base of the log, at fact ${base.seq}, is not the state of a node: put a backup in its place.`, { cause })
  }
}

const beginAtSnapshot = async (log: DurableLog<Fact>, fold: NodeFold, write: Log): Promise<Beginning | undefined> => {
  const ignored = (why: string): void => {
    write('warn', 'a snapshot was passed over', { why })
  }
  const snapshot = await log.snapshots.newest(FOLD_VERSION, ignored)
  if (snapshot === undefined) return undefined
  try {
    return begin(fold, 'snapshot', snapshot.seq, snapshot.state)
  } catch (error) {
    ignored(`the one at fact ${snapshot.seq} is not the state of a node (${error instanceof Error ? error.message : String(error)})`)
    return undefined
  }
}

/**
 * Folds a log into a fold that has not lived, through its runtime. Streams that cannot be folded, and those that an operator has yet to
 * decide about, are set aside. Rejects with `LogUnusable` when the log or its base is damaged.
 */
export const recoverNode = async ({
  log,
  fold,
  runtime,
  write,
}: {
  readonly log: EventLog<Fact>
  readonly fold: NodeFold
  readonly runtime: Runtime<Fact>
  readonly write: Log
}): Promise<Recovered> => {
  const durable = asDurable(log)
  const beginning = (durable && (await beginAtSnapshot(durable, fold, write))) ?? (await beginAtBase(durable, fold))
  const { seq, state } = beginning
  await durable?.check(seq + 1)
  const replayed = await runtime.recover({
    from: seq + 1,
    lastAt: state?.at ?? 0,
    setAside: state?.failing ?? [],
    reset: () => {
      restoreFold(fold, state)
    },
    dropped: droppedBy,
  })
  for (const stream of fold.state.aside.keys()) runtime.setAside(stream)
  return { ...replayed, beginning }
}

/** A fold of base and facts, beside the log's writer or the live state. */
export interface Folded {
  readonly fold: NodeFold
  readonly seq: number
  /** Time of the last fact, Unix milliseconds. */
  readonly lastAt: number
  /** Streams that this program cannot fold. */
  readonly failing: readonly SetAside[]
}

/** What can be folded from its base: a log or a reader of one. */
export interface Foldable {
  base(): Base | undefined | Promise<Base | undefined>
  read(from: number): AsyncIterable<RecordedFact<Fact>>
}

/** Folds a log without snapshots. `upTo` is the last fact that is folded, `pause` gives others their turn. */
export const foldFromBase = async (
  log: Foldable,
  { upTo = Infinity, pause }: { readonly upTo?: number; readonly pause?: () => Promise<void> } = {},
): Promise<Folded> => {
  const fold = createNodeFold()
  const { seq, state } = await beginAtBase(log, fold, pause)
  const replayed = await replay({ read: from => until(log.read(from), upTo) }, fold.host, {
    from: seq + 1,
    lastAt: state?.at ?? 0,
    reset: () => {
      restoreFold(fold, state)
    },
    dropped: droppedBy,
    ...(pause === undefined ? {} : { pause }),
  })
  return { fold, seq: replayed.seq, lastAt: replayed.lastAt, failing: replayed.setAside }
}

const until = async function* (facts: AsyncIterable<RecordedFact<Fact>>, last: number): AsyncGenerator<RecordedFact<Fact>, void> {
  for await (const recorded of facts) {
    if (recorded.seq > last) return
    yield recorded
  }
}

/** Records that streams are set aside of which the log does not say so yet. */
export const recordSetAside = (fold: NodeFold, runtime: Runtime<Fact>, { setAside }: Pick<Replayed, 'setAside'>): void => {
  for (const { stream, seq, why } of setAside)
    if (!fold.state.aside.has(stream)) runtime.record('node', { type: 'stream.setAside', stream, seq, why })
}
