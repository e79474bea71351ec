/** What the log in memory does beside facts. It has no hashes: a chain there is the sequence, and a disk in memory is not damaged. */
import type { AppendQueue, WaitingRow } from './append-queue.ts'
import type { DurableLog, Erasure } from './durable-log.ts'
import { LogUnusable } from './log.ts'
import type { MemoryDisk } from './memory-log.ts'
import { eraseMail } from './memory-mail.ts'
import { ERASED, spansOf } from './spans.ts'
import { baseText, checkpointText } from './statements.ts'

const KEPT_SNAPSHOTS = 2

const chainAt = (seq: number): string => seq.toString(16).padStart(64, '0')

export const memoryUpkeep = <T extends { readonly type: string }>({
  disk,
  queue,
  fence,
  write,
}: {
  readonly disk: MemoryDisk
  readonly queue: AppendQueue
  readonly fence: () => void
  readonly write: (row: WaitingRow) => void
}): Omit<DurableLog<T>, 'epoch' | 'append' | 'read' | 'head' | 'mail' | 'close'> => {
  let last: Promise<unknown> = Promise.resolve()
  const alone = <R>(run: () => Promise<R>): Promise<R> => {
    const mine = last.then(run)
    last = mine.catch(() => {})
    return mine
  }
  const transact = async <R>(job: (head: number) => R): Promise<R> =>
    (
      await queue.between(head => {
        fence()
        return { appended: 0, answer: job(head) }
      })
    ).answer
  const baseSeq = (): number => disk.base?.seq ?? 0

  const eraseNow = ({ subject, belongs, mentions, fact: declare, at, base }: Erasure<T>, sig: string, head: number) => {
    const seqs: number[] = []
    disk.rows.forEach((row, index) => {
      if (row.data === '') return
      const named = row.stream === 'node' && (mentions?.(JSON.parse(row.data) as T) ?? false)
      if (!named && !belongs(row.stream)) return
      seqs.push(baseSeq() + 1 + index)
    })
    const streams = [...disk.versions.keys()].filter(belongs)
    const mailed = eraseMail(disk.mail, subject)
    if (mailed === 0 && seqs.length === 0 && streams.length === 0 && (base === undefined || base.state === disk.base?.state))
      return { appended: 0, rows: 0, seq: undefined }
    for (const seq of seqs) (disk.rows[seq - 1 - baseSeq()] as { data: string }).data = ''
    for (const stream of streams) disk.versions.delete(stream)
    if (disk.base && base) disk.base = { ...disk.base, state: base.state, at, sig }
    disk.snapshots = []
    const fact = declare(spansOf(seqs))
    if (fact.type !== ERASED) throw new TypeError(`what was erased is declared by ${ERASED}, not by ${fact.type}`)
    write({ stream: 'node', at, type: fact.type, data: JSON.stringify(fact) })
    return { appended: 1, rows: seqs.length, seq: head + 1 }
  }

  const signBase = (seq: number, at: number, sign: (text: string) => Promise<string>): Promise<string> =>
    sign(baseText({ seq, chain: chainAt(seq), schema: 1, stateHash: '', modelsHash: '', at }))

  return {
    snapshots: {
      async save({ seq, foldVersion, state }) {
        await queue.reached(seq)
        await transact(() => {
          if (seq < baseSeq()) return
          const others = disk.snapshots.filter(snapshot => snapshot.seq !== seq)
          disk.snapshots = [...others, { seq, chain: chainAt(seq), foldVersion, state }]
            .sort((a, b) => b.seq - a.seq)
            .slice(0, KEPT_SNAPSHOTS)
        })
      },
      newest(foldVersion, ignored = () => {}) {
        return Promise.resolve(
          disk.snapshots.find(snapshot => {
            if (snapshot.foldVersion === foldVersion) return true
            ignored(
              `the snapshot at ${snapshot.seq} was made by version ${snapshot.foldVersion} of the fold, today's is ${foldVersion}: it is ignored`,
            )
            return false
          }),
        )
      },
      async clear() {
        await transact(() => {
          disk.snapshots = []
        })
      },
    },
    check: () => Promise.resolve(),
    base: () => Promise.resolve(disk.base),
    async checkpoint({ seq, stateHash, at, sign }) {
      await queue.reached(seq)
      if (seq < baseSeq()) throw new LogUnusable(`Fact ${seq} of the log was dropped: sign a later one.`)
      const unsigned = { seq, chain: chainAt(seq), stateHash, at }
      const checkpoint = { ...unsigned, sig: await sign(checkpointText(unsigned)) }
      await transact(() => {
        disk.checkpoints = [...disk.checkpoints.filter(other => other.seq !== seq), checkpoint].sort((a, b) => a.seq - b.seq)
      })
      return checkpoint
    },
    checkpoints: () => Promise.resolve(disk.checkpoints),
    compact: ({ upTo, state, at, sign }) =>
      alone(async () => {
        await queue.reached(upTo)
        if (upTo <= baseSeq())
          throw new LogUnusable(`The log was compacted up to ${baseSeq()} before: compacting goes forward, ${upTo} does not.`)
        const sig = await signBase(upTo, at, sign)
        return transact(() => {
          const gone = disk.rows.splice(0, upTo - baseSeq())
          disk.base = { seq: upTo, chain: chainAt(upTo), state, stateHash: '', models: {}, at, sig }
          disk.snapshots = disk.snapshots.filter(({ seq }) => seq >= upTo)
          disk.checkpoints = disk.checkpoints.filter(({ seq }) => seq >= upTo)
          const left = new Set(disk.rows.map(({ stream }) => stream))
          for (const stream of [...disk.versions.keys()]) if (!left.has(stream)) disk.versions.delete(stream)
          return { dropped: gone.length }
        })
      }),
    erase: erasure =>
      alone(async () => {
        if (disk.base && !erasure.base) throw new TypeError('there is a base: its state without the person has to be given')
        const sig = disk.base && erasure.base ? await signBase(disk.base.seq, erasure.at, erasure.base.sign) : ''
        const { rows, seq } = await queue.between(head => {
          fence()
          return eraseNow(erasure, sig, head)
        })
        return { rows, seq, wiped: true }
      }),
    rebuild: () => Promise.resolve({}),
    models: () => Promise.resolve({}),
    // it takes no disk
    bytes: () => Promise.resolve(0),
  }
}
