/** Streams that cannot be folded: what an operator sees of them, and what becomes of one that is retried or dropped. */
import { nextSeq } from '../domain/directory.ts'
import type { PresenceSeq } from '../domain/facts.ts'
import type { Address, UserId } from '../protocol/ids.ts'
import { type Premises, type Upkeep, UpkeepRefused } from './upkeep.ts'

/** One stream as `socp log dead` lists it. */
export interface DeadStream {
  readonly stream: Address
  /** The first fact that could not be folded, and why. */
  readonly seq: number
  readonly why: string
  /** False while this program cannot fold it either: then it can only be dropped. */
  readonly foldable: boolean
}

/** What a running node does when a stream takes facts again. */
export interface Readmission {
  /** Arms again what its machine waits for; meets the server again. */
  retried(stream: Address): void
  /** A user is no longer listed here; the sequence names the USER_REMOVE. */
  removed(user: UserId, seq: PresenceSeq): void
}

export interface SetAsideStreams {
  list(): readonly DeadStream[]
  /** Folds the log once more, and takes the stream in again if it can be folded now. Rejects with `UpkeepRefused` when it cannot. */
  retry(stream: string): Promise<void>
  /** Gives up what could not be folded; the stream begins anew. Rejects with `UpkeepRefused` when it is not set aside. */
  drop(stream: string): Promise<void>
}

export const createSetAsideStreams = (
  { log, fold, runtime }: Premises,
  upkeep: Upkeep,
  readmission: Readmission | undefined,
): SetAsideStreams => {
  const known = (given: string): Address => {
    const stream = given as Address
    if (!fold.state.aside.has(stream)) throw new UpkeepRefused(`No stream ${given} is set aside: "socp log dead" lists those that are.`)
    return stream
  }
  return {
    list: () =>
      [...fold.state.aside].map(([stream, { seq, why }]) => ({
        stream,
        seq,
        why,
        foldable: !upkeep.failing.some(entry => entry.stream === stream),
      })),
    async retry(given) {
      const stream = known(given)
      const failed = (await upkeep.refold()).failing.find(entry => entry.stream === stream)
      if (failed !== undefined)
        throw new UpkeepRefused(
          `${stream} still cannot be folded, at fact ${failed.seq}: ${failed.why}. A newer program may; "socp log dead drop" gives up what came since.`,
        )
      // they say that it cannot be folded, and a start would believe them
      await log.snapshots.clear()
      runtime.record('node', { type: 'stream.retried', stream })
      await upkeep.foldAgain()
      runtime.readmit(stream)
      readmission?.retried(stream)
    },
    async drop(given) {
      const stream = known(given)
      const user = stream.slice(stream.indexOf(':') + 1) as UserId
      const listed = stream.startsWith('session:') && fold.state.directory.users.get(user)?.local !== undefined
      const removal = listed ? nextSeq(fold.state.directory) : undefined
      runtime.record('node', { type: 'stream.dropped', stream, ...(removal === undefined ? {} : { removal }) })
      upkeep.dropped(stream)
      runtime.readmit(stream)
      await runtime.flushed()
      if (removal !== undefined) readmission?.removed(user, removal)
      readmission?.retried(stream)
    },
  }
}
