/** An event log in memory, by the same contract: for tests and for the simulation, where a disk outlives its process too. */
import type { Clock } from '../ports/clock.ts'
import type { Address } from '../protocol/ids.ts'
import { asyncFacts } from './async-facts.ts'
import { createAppendQueue, type WaitingRow } from './append-queue.ts'
import type { Base, Checkpoint, DurableLog, Snapshot } from './durable-log.ts'
import { changeMail, type MailDisk, memoryMail } from './memory-mail.ts'
import { LogRefused, LogUnusable, type RecordedFact } from './log.ts'
import { memoryUpkeep } from './memory-upkeep.ts'

interface StoredRow extends Omit<WaitingRow, 'data' | 'mail'> {
  readonly version: number
  readonly epoch: number
  /** Empty once erased, which JSON never is. */
  data: string
}

/** What survives the process: give the same disk to the next log to open it again. */
export interface MemoryDisk {
  /** Of the last writer; whoever opens takes over from it. */
  epoch: number
  /** The facts after the base. */
  readonly rows: StoredRow[]
  readonly versions: Map<Address, number>
  base: Base | undefined
  snapshots: readonly Snapshot[]
  checkpoints: readonly Checkpoint[]
  readonly mail: MailDisk
}

export const memoryDisk = (): MemoryDisk => ({
  epoch: 0,
  rows: [],
  versions: new Map(),
  base: undefined,
  snapshots: [],
  checkpoints: [],
  mail: new Map(),
})

/**
 * Opens a log on a disk in memory; it has no read models. A second one on the same disk takes over: the first is refused at its next commit.
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
} = {}): DurableLog<T> => {
  disk.epoch += 1
  const { epoch } = disk
  let open = true

  const dropped = (): number => disk.base?.seq ?? 0

  const fence = (): void => {
    if (disk.epoch !== epoch) throw new LogRefused(`Epoch ${disk.epoch} has taken over the log from epoch ${epoch}: this one has to stop.`)
  }

  const write = ({ mail, ...row }: WaitingRow): void => {
    const version = (disk.versions.get(row.stream) ?? 0) + 1
    disk.versions.set(row.stream, version)
    disk.rows.push({ ...row, version, epoch })
    if (mail) changeMail(disk.mail, mail)
  }

  const queue = createAppendQueue({ epoch, head: dropped() + disk.rows.length }, endOfTick, (rows, _firstSeq, done) => {
    commit(() => {
      try {
        fence()
      } catch (error) {
        done(error as LogRefused)
        return
      }
      for (const row of rows) write(row)
      done()
    })
  })

  const facts = function* (from: number, to: number): Generator<RecordedFact<T>, void> {
    for (let seq = Math.max(from, dropped() + 1); seq <= to; seq += 1) {
      if (!open) throw new LogUnusable('The log was closed while it was read.')
      const row = disk.rows[seq - dropped() - 1]
      if (!row) throw new LogUnusable('The log was compacted while it was read: read it again.')
      const { stream, version, at, epoch: written, data } = row
      if (data !== '') yield { seq, stream, version, at, epoch: written, fact: JSON.parse(data) as T }
    }
  }

  return {
    epoch,
    append: queue.append,
    read: from => asyncFacts(facts(from, queue.head())),
    head: () => Promise.resolve(queue.head()),
    mail: memoryMail(disk.mail),
    ...memoryUpkeep<T>({ disk, queue, fence, write }),
    async close() {
      await queue.close()
      open = false
    },
  }
}
