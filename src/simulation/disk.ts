/** The disk of a simulated machine: a real database in memory that outlives its programs, and commits that may go wrong. */
import type { Crypto } from '../ports/crypto.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { DurableLog } from '../store/durable-log.ts'
import { LogRefused, type NewFact, type RecordedFact } from '../store/log.ts'
import type { Projections } from '../store/projections.ts'
import { openSqliteLog } from '../store/sqlite-log.ts'
import { memoryDatabase, type MemoryDatabase } from '../store/sqlite-memory.ts'
import type { Upcasters } from '../store/upcasters.ts'
import type { Life } from './life.ts'
import type { Schedule } from './schedule.ts'

/**
 * What the next commit comes to: refused before or after it was written, written and told late, or written and never told. Each
 * but `slow` ends the process or leaves it waiting for ever.
 */
export type CommitFault = 'before' | 'after' | 'slow' | 'never'

type Expected = Parameters<DurableLog['append']>[1]

/** Milliseconds until a commit is told: a good disk, the same one when it has much to do, and one that hardly moves. */
const COMMIT_MS = 0.4
const BUSY = { chance: 0.1, ms: 40 } as const
const SLOW_MS = 2_500

export interface Disk {
  readonly database: MemoryDatabase
  /** What happens to the next commit. */
  fault: CommitFault | undefined
  /** Appends that were not told how they ended: until then the program is ahead of its log. */
  pending: number
}

export const createDisk = (): Disk => ({ database: memoryDatabase(), fault: undefined, pending: 0 })

export interface DiskOptions<T extends { readonly type: string }> {
  readonly name: string
  readonly disk: Disk
  readonly schedule: Schedule
  readonly life: Life
  readonly clock: Clock
  readonly random: Random
  readonly sha256: Crypto['sha256']
  readonly upcasters?: Upcasters
  readonly projections?: Projections<T>
  /** Hears of every fact once it is durable. */
  readonly committed: (facts: readonly RecordedFact<T>[]) => void
}

/** Opens the log of an incarnation. */
export const openDisk = async <T extends { readonly type: string }>(options: DiskOptions<T>): Promise<DurableLog<T>> => {
  const { disk, schedule, life, clock, random } = options
  disk.pending = 0
  const log = await openSqliteLog<T>({
    file: options.name,
    database: disk.database,
    sha256: options.sha256,
    randomBytes: length => random.bytes(length),
    endOfTick: run => {
      clock.endOfTick(run)
    },
    ...(options.upcasters !== undefined && { upcasters: options.upcasters }),
    ...(options.projections !== undefined && { projections: options.projections }),
  })
  let refused: LogRefused | undefined
  /** Commits are written, and told, one after the other. */
  let before: Promise<void> = Promise.resolve()

  const passed = (ms: number): Promise<void> =>
    new Promise(resolve => {
      schedule.after(ms, () => {
        life.enter(resolve)
      })
    })
  const never = new Promise<never>(() => {})

  const write = async (
    facts: readonly NewFact<T>[],
    expected: Expected,
    fault: CommitFault | undefined,
  ): Promise<{ readonly firstSeq: number }> => {
    if (fault === 'before') refused ??= new LogRefused('The disk refused to write.')
    if (refused !== undefined) throw refused
    const ms = random.fraction() < BUSY.chance ? BUSY.ms * random.fraction() : COMMIT_MS
    // it is durable some time before that is told, and not from the beginning
    const first = fault === 'slow' ? SLOW_MS : ms * random.fraction()
    await passed(first)
    const written = await log.append(facts, expected)
    options.committed(facts.map((fact, index) => ({ ...fact, seq: written.firstSeq + index, version: 0, epoch: log.epoch })))
    if (fault === 'after') refused = new LogRefused('The disk wrote, and said that it had not.')
    if (refused !== undefined) throw refused
    if (fault === 'never') await never
    await passed(ms)
    return written
  }

  return {
    ...log,
    append(facts, expected) {
      if (!life.calls()) return never
      const { fault } = disk
      disk.fault = undefined
      const written = before.then(() => write(facts, expected, fault))
      disk.pending += 1
      const told = (): void => {
        if (life.alive) disk.pending -= 1
      }
      before = written.then(told, told)
      return written
    },
  }
}
