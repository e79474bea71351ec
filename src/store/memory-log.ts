/** An event log in memory, by the same contract: for tests and for the simulation, where a disk outlives its process too. */
import type { Clock } from '../ports/clock.ts'
import type { Address } from '../protocol/ids.ts'
import { asyncFacts } from './async-facts.ts'
import { createAppendQueue, type WaitingRow } from './append-queue.ts'
import { LogRefused, LogUnusable, type EventLog, type RecordedFact } from './log.ts'

interface StoredRow extends WaitingRow {
  readonly version: number
  readonly epoch: number
}

/** What survives the process: give the same disk to the next log to open it again. */
export interface MemoryDisk {
  /** Of the last writer; whoever opens takes over from it. */
  epoch: number
  readonly rows: StoredRow[]
  readonly versions: Map<Address, number>
}

export const memoryDisk = (): MemoryDisk => ({ epoch: 0, rows: [], versions: new Map() })

/**
 * Opens a log on a disk in memory. A second one on the same disk takes over: the first is refused at its next commit.
 * @param endOfTick when to commit what was appended; by default as soon as the running code has returned
 * @param commit makes a commit take time: is to call `done` when the disk would have written
 */
export const memoryLog = <T extends { readonly type: string }>({
  disk = memoryDisk(),
  endOfTick = run => {
    void Promise.resolve().then(run)
  },
  commit = done => {
    done()
  },
}: {
  readonly disk?: MemoryDisk
  readonly endOfTick?: Clock['endOfTick']
  readonly commit?: (done: () => void) => void
} = {}): EventLog<T> => {
  disk.epoch += 1
  const { epoch } = disk
  let open = true

  const write = (row: WaitingRow): void => {
    const version = (disk.versions.get(row.stream) ?? 0) + 1
    disk.versions.set(row.stream, version)
    disk.rows.push({ ...row, version, epoch })
  }

  const queue = createAppendQueue({ epoch, head: disk.rows.length }, endOfTick, (rows, _firstSeq, done) => {
    commit(() => {
      if (disk.epoch !== epoch) {
        done(new LogRefused(`Epoch ${disk.epoch} has taken over the log from epoch ${epoch}: this one has to stop.`))
        return
      }
      for (const row of rows) write(row)
      done()
    })
  })

  const facts = function* (from: number, to: number): Generator<RecordedFact<T>, void> {
    let seq = from
    for (const { stream, version, at, epoch: written, data } of disk.rows.slice(from - 1, to)) {
      if (!open) throw new LogUnusable('The log was closed while it was read.')
      yield { seq, stream, version, at, epoch: written, fact: JSON.parse(data) as T }
      seq += 1
    }
  }

  return {
    epoch,
    append: queue.append,
    read: from => asyncFacts(facts(Math.max(from, 1), queue.head())),
    head: () => Promise.resolve(queue.head()),
    async close() {
      await queue.close()
      open = false
    },
  }
}
