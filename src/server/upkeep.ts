/** What keeps a log small and quick to come back from: snapshots, checkpoints, compaction, read models made anew, folding again in place. */
import { replay, type SetAside } from '../actors/replay.ts'
import type { Runtime } from '../actors/runtime.ts'
import type { Fact } from '../domain/facts.ts'
import type { Clock } from '../ports/clock.ts'
import type { Crypto } from '../ports/crypto.ts'
import { toHex, utf8 } from '../protocol/encoding.ts'
import type { Address } from '../protocol/ids.ts'
import type { Checkpoint, DurableLog, Sign } from '../store/durable-log.ts'
import type { Log } from './events.ts'
import { type Folded, foldFromBase, recordSetAside, type Recovered } from './recovery.ts'
import { jsonInTurns } from './json-in-turns.ts'
import { droppedBy, FOLD_VERSION, foldedState, type FoldedState, type NodeFold, restoreFold } from './replay.ts'

/** An operator asked for what cannot be done now. The message is a sentence for them. */
export class UpkeepRefused extends Error {
  override readonly name = 'UpkeepRefused'
}

/** What upkeep works on: a running node, or a stopped node's log that a command has opened. */
export interface Premises {
  readonly log: DurableLog<Fact>
  readonly fold: NodeFold
  readonly runtime: Runtime<Fact>
  readonly clock: Clock
  readonly sha256: Crypto['sha256']
  /** Signs as the node. */
  readonly sign: Sign
  readonly write: Log
  readonly recovered: Recovered
}

export interface Upkeep {
  /** Runs `work` when all that was asked for before is done: maintenance comes one at a time. */
  alone<T>(work: () => Promise<T>): Promise<T>
  /** Streams that this program cannot fold. */
  readonly failing: readonly SetAside[]
  /** An operator gave the stream up: what could not be folded of it no longer matters. */
  dropped(stream: Address): void
  /** Facts since the last snapshot. */
  sinceSnapshot(): number
  /** Keeps the present state; undefined when the newest snapshot has it already. The same three also for within `alone`. */
  snapshot(): Promise<{ readonly seq: number; readonly characters: number } | undefined>
  /** Signs where the log stands; undefined when no fact came since the last time. */
  checkpoint(): Promise<Checkpoint | undefined>
  /** Drops all facts but the newest `keep`; what they made stays, as a signed base. Rejects with `UpkeepRefused` while streams are set aside. */
  compact(keep: number): Promise<{ readonly dropped: number; readonly base: number }>
  /** Compacts half of the facts when the log is larger than `limit` bytes, and has grown by half since the last time; undefined when not. */
  shrink(limit: number): Promise<{ readonly dropped: number; readonly bytes: number } | undefined>
  /** What the log takes of its disk. */
  bytes(): Promise<number>
  /** Makes the read models anew; answers their numbers of rows. */
  rebuild(): Promise<Readonly<Record<string, number>>>
  /** Folds base and facts once more, beside the live state, giving the node its turn in between. */
  refold(): Promise<Folded>
  /** Makes the live state what the log says now: after facts were erased, or can be folded that could not be. */
  foldAgain(): Promise<void>
}

/** How often an instant without uncommitted facts is waited for. */
const PATIENCE = 10_000

export const createUpkeep = (premises: Premises): Upkeep => {
  const { log, fold, runtime, clock, sign, recovered } = premises
  let queue: Promise<unknown> = Promise.resolve()
  let failing = recovered.setAside
  let kept = recovered.beginning.from === 'snapshot' ? recovered.beginning.seq : 0
  /** Facts that the newest snapshot does not cover: those of the tail, and what came since `mark`. */
  let tail = recovered.facts
  let mark = 0
  let signedAt = 0
  /** Bytes that the last compaction for want of room left. */
  let shrunk = 0

  const pause = (): Promise<void> =>
    new Promise(resolve => {
      clock.endOfTick(resolve)
    })

  /** Runs `take` when the state is that of the last committed fact, and of no other. */
  const still = async <T>(take: (seq: number) => T): Promise<T> => {
    for (let attempt = 0; attempt < PATIENCE; attempt += 1) {
      await runtime.flushed()
      if (runtime.pending() > 0) continue
      const before = runtime.recorded()
      const seq = await log.head()
      if (runtime.recorded() === before) return take(seq)
    }
    throw new UpkeepRefused('Facts come in faster than they are committed: try again when there is less to do.')
  }

  /** A state shares with the live one only what is never changed, so it may be made text while the node goes on. */
  const textOf = (state: FoldedState): Promise<string> => jsonInTurns(state, pause)
  const present = (): FoldedState => foldedState(fold, { at: runtime.lastAt(), failing })

  const refold = async (): Promise<Folded> => {
    await log.check(1)
    return foldFromBase(log, { pause })
  }

  /** The state at a fact of the past. */
  const stateAt = async (upTo: number): Promise<FoldedState> => {
    const { fold: past, lastAt, failing: lost } = await foldFromBase(log, { upTo, pause })
    if (lost.length > 0) throw new UpkeepRefused(waitsFor(lost.map(({ stream }) => stream)))
    return foldedState(past, { at: lastAt, failing: [] })
  }

  const compact: Upkeep['compact'] = async keep => {
    if (fold.state.aside.size > 0) throw new UpkeepRefused(waitsFor([...fold.state.aside.keys()]))
    const base = (await log.base())?.seq ?? 0
    const { upTo, state } = await still(seq => ({ upTo: seq - keep, state: keep === 0 ? present() : undefined }))
    if (upTo <= base) return { dropped: 0, base }
    const text = await textOf(state ?? (await stateAt(upTo)))
    const { dropped } = await log.compact({ upTo, state: text, at: clock.now(), sign })
    return { dropped, base: upTo }
  }

  return {
    alone(work) {
      const result = queue.then(work)
      queue = result.catch(() => {})
      return result
    },
    get failing() {
      return failing
    },
    dropped(stream) {
      failing = failing.filter(entry => entry.stream !== stream)
    },
    sinceSnapshot: () => tail + runtime.recorded() - mark,
    async snapshot() {
      const { seq, state, recorded } = await still(seq => ({
        seq,
        state: seq > kept ? present() : undefined,
        recorded: runtime.recorded(),
      }))
      if (state === undefined) return undefined
      const text = await textOf(state)
      await log.snapshots.save({ seq, foldVersion: FOLD_VERSION, state: text })
      kept = seq
      tail = 0
      mark = recorded
      return { seq, characters: text.length }
    },
    async checkpoint() {
      const { seq, state } = await still(seq => ({ seq, state: seq > signedAt ? present() : undefined }))
      if (state === undefined) return undefined
      const stateHash = toHex(premises.sha256(utf8(await textOf(state))))
      const checkpoint = await log.checkpoint({ seq, stateHash, at: clock.now(), sign })
      signedAt = seq
      return checkpoint
    },
    compact,
    async shrink(limit) {
      // a state that is larger than the limit is not compacted over and over
      if ((await log.bytes()) <= Math.max(limit, 1.5 * shrunk)) return undefined
      const facts = (await log.head()) - ((await log.base())?.seq ?? 0)
      const { dropped } = await compact(Math.floor(facts / 2))
      shrunk = await log.bytes()
      return { dropped, bytes: shrunk }
    },
    bytes: () => log.bytes(),
    rebuild: () => log.rebuild(),
    refold,
    async foldAgain() {
      const again = await refold()
      let { seq } = again
      const before = [...fold.state.aside.keys()]
      for (;;) {
        // the facts that came while the long part was folded, until none is left that this one lacks
        const missed = await replay(log, again.fold.host, { from: seq + 1, setAside: again.failing, dropped: droppedBy })
        seq = missed.seq
        const swapped = await still(head => {
          if (head !== seq) return false
          const { node, machines } = foldedState(again.fold, { at: 0, failing: [] })
          restoreFold(fold, { node, machines })
          failing = again.failing
          return true
        })
        if (swapped) break
      }
      for (const stream of before) if (!fold.state.aside.has(stream)) runtime.readmit(stream)
      for (const { stream } of failing) runtime.setAside(stream)
      recordSetAside(fold, runtime, { setAside: failing })
      // whatever was kept is of the state before
      kept = 0
    },
  }
}

const waitsFor = (streams: readonly string[]): string =>
  `${streams.length} stream${streams.length === 1 ? ' is' : 's are'} set aside, and the facts that could not be folded would be lost: decide about them first, with "socp log dead".`
