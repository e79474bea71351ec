/** Folds a log into a host; a stream that cannot be folded is set aside from that fact on, and the rest comes up. */
import type { Address } from '../protocol/ids.ts'
import type { EventLog, RecordedFact } from '../store/log.ts'
import { ApplyFailed, type Host } from './host.ts'

/** A stream that takes no more facts, and the first fact that could not be folded. */
export interface SetAside {
  readonly stream: Address
  readonly seq: number
  readonly error: ApplyFailed
}

export interface Replayed {
  readonly facts: number
  /** Time of the latest fact in Unix milliseconds, 0 in an empty log. */
  readonly lastAt: number
  readonly setAside: readonly SetAside[]
}

/** Reads the log from the beginning and applies every fact; the effects that are named go nowhere. Rejects when the log or the fold breaks. */
export const replay = async <F extends { readonly type: string }>(log: Pick<EventLog<F>, 'read'>, host: Host<F>): Promise<Replayed> => {
  const setAside = new Map<Address, SetAside>()
  let facts = 0
  let lastAt = 0

  const take = (recorded: RecordedFact<F>): void => {
    // each turn sets one machine more aside, so this ends
    while (!setAside.has(recorded.stream)) {
      try {
        host.apply(recorded)
        return
      } catch (error) {
        if (!(error instanceof ApplyFailed) || setAside.has(error.address)) throw error
        setAside.set(error.address, { stream: error.address, seq: recorded.seq, error })
        host.forget(error.address)
      }
    }
  }

  for await (const recorded of log.read(1)) {
    facts += 1
    lastAt = Math.max(lastAt, recorded.at)
    take(recorded)
  }
  return { facts, lastAt, setAside: [...setAside.values()] }
}
