/** Folds a log into a host; a stream that cannot be folded is set aside from that fact on, and the rest comes up. */
import type { Address } from '../protocol/ids.ts'
import type { EventLog, RecordedFact } from '../store/log.ts'
import { ApplyFailed, FoldBroken, type Host } from './host.ts'

/** A stream that takes no more facts, and the first fact that could not be folded. */
export interface SetAside {
  readonly stream: Address
  readonly seq: number
  readonly why: string
}

export interface ReplayOptions<F extends { readonly type: string }> {
  /** The first fact to fold; the host and its fold stand before it. 1 when left out. */
  readonly from?: number
  /** Time of the fact before `from`, Unix milliseconds. */
  readonly lastAt?: number
  /** Streams that could not be folded before `from`. */
  readonly setAside?: readonly SetAside[]
  /** Brings host and fold back to where they stood before `from`: a fact that breaks the fold half-way is passed over in a second run. */
  readonly reset?: () => void
  /** The stream that begins anew after this fact, whatever could not be folded of it. */
  readonly dropped?: (fact: F) => Address | undefined
  /** Called every few hundred facts, where a node that runs meanwhile has to be given its turn. */
  readonly pause?: () => Promise<void>
}

export interface Replayed {
  readonly facts: number
  /** Sequence of the last fact that was read; the one before `from` when there was none. */
  readonly seq: number
  /** Time of the latest fact in Unix milliseconds, 0 in an empty log. */
  readonly lastAt: number
  readonly setAside: readonly SetAside[]
}

const FACTS_A_TURN = 500

/** A backend that reads without waiting needs no promise for each fact. */
const isAtHand = <T>(source: AsyncIterable<T>): source is AsyncIterable<T> & Iterable<T> => Symbol.iterator in source

/** Applies the facts of a log; the effects that are named go nowhere. Rejects when the log is damaged or the fold breaks for good. */
export const replay = async <F extends { readonly type: string }>(
  log: Pick<EventLog<F>, 'read'>,
  host: Host<F>,
  { from = 1, lastAt: before = 0, setAside: known = [], reset, dropped, pause }: ReplayOptions<F> = {},
): Promise<Replayed> => {
  /** Facts that left the fold half written, by sequence. */
  const broken = new Map<number, SetAside>()

  const run = async (): Promise<Replayed | undefined> => {
    const setAside = new Map(known.map(entry => [entry.stream, entry]))
    let facts = 0
    let lastAt = before
    let seq = from - 1

    const giveUp = (entry: SetAside): void => {
      setAside.set(entry.stream, entry)
      host.forget(entry.stream)
    }
    const take = (recorded: RecordedFact<F>): void => {
      const breaks = broken.size > 0 ? broken.get(recorded.seq) : undefined
      if (breaks !== undefined) giveUp(breaks)
      // each turn sets one machine more aside, so this ends; nearly always none is, and the stream's name need not be hashed
      while (setAside.size === 0 || !setAside.has(recorded.stream)) {
        try {
          host.apply(recorded)
          return
        } catch (error) {
          if (!(error instanceof ApplyFailed) || setAside.has(error.address)) throw error
          giveUp({ stream: error.address, seq: recorded.seq, why: error.message })
        }
      }
    }

    /** False when the fold broke, and has to begin anew without this fact. */
    const fold = (recorded: RecordedFact<F>): boolean => {
      facts += 1
      seq = recorded.seq
      lastAt = Math.max(lastAt, recorded.at)
      try {
        take(recorded)
      } catch (error) {
        const { stream } = recorded
        // without its own stream a node or client is nothing
        if (!(error instanceof FoldBroken) || reset === undefined || !stream.includes(':')) throw error
        const why = error.cause instanceof Error ? error.cause.message : String(error.cause)
        broken.set(seq, { stream, seq, why: `${stream} cannot take ${recorded.fact.type}: ${why}` })
        return false
      }
      const anew = dropped?.(recorded.fact)
      if (anew !== undefined) setAside.delete(anew)
      return true
    }

    const source = log.read(from)
    if (isAtHand(source))
      for (const recorded of source) {
        if (!fold(recorded)) return undefined
        if (pause !== undefined && facts % FACTS_A_TURN === 0) await pause()
      }
    else
      for await (const recorded of source) {
        if (!fold(recorded)) return undefined
        if (pause !== undefined && facts % FACTS_A_TURN === 0) await pause()
      }
    return { facts, seq, lastAt, setAside: [...setAside.values()] }
  }

  for (;;) {
    const replayed = await run()
    if (replayed !== undefined) return replayed
    reset?.()
  }
}
