/** Snapshots in the log's file: written between two commits, believed only when version, hash and chain agree. */
import type Database from 'better-sqlite3'
import { toHex } from '../protocol/encoding.ts'
import type { Snapshot, SnapshotStore } from './durable-log.ts'
import type { SnapshotEntry } from './log-reader.ts'
import { sameBytes } from './chain.ts'
import { LogUnusable } from './log.ts'
import { isSqliteError } from './sqlite-errors.ts'
import { chainAt, headOf, textOf } from './sqlite-rows.ts'
import type { Writing } from './sqlite-writing.ts'

/** The newest, and the one before for when it is damaged. */
const KEPT = 2

type Sha256 = (bytes: Uint8Array) => Uint8Array

/** Over everything that a snapshot says. */
const hashOf = (sha256: Sha256, seq: number, chain: Uint8Array, foldVersion: string, state: Uint8Array): Uint8Array =>
  sha256(Buffer.concat([Buffer.from(`${seq} ${foldVersion}\n`), chain, sha256(state)]))

interface Row {
  readonly seq: number
  readonly chain: Uint8Array
  readonly foldVersion: string
  readonly state: Uint8Array
  readonly hash: Uint8Array
}

const READ = 'SELECT seq, chain, fold_version AS foldVersion, state, hash FROM snapshots WHERE seq = ?'

/** The snapshots that a file holds, newest first, whether they are valid or not. */
export const listSnapshots = (db: Database.Database): readonly SnapshotEntry[] =>
  db.prepare<[], SnapshotEntry>('SELECT seq, fold_version AS foldVersion, length(state) AS bytes FROM snapshots ORDER BY seq DESC').all()

const fault = (db: Database.Database, row: Row, foldVersion: string, sha256: Sha256): string | undefined => {
  if (row.foldVersion !== foldVersion) return `was made by version ${row.foldVersion} of the fold, today's is ${foldVersion}`
  if (row.seq > headOf(db)) return 'is ahead of the log'
  if (!sameBytes(chainAt(db, row.seq) ?? new Uint8Array(), row.chain)) return 'does not stand on the chain of this log'
  if (!sameBytes(hashOf(sha256, row.seq, row.chain, row.foldVersion, row.state), row.hash)) return 'does not match its hash'
  return undefined
}

/** The newest snapshot that can be believed; `ignored` hears of each that cannot. Never throws because of a damaged one. */
const newestSnapshot = (
  db: Database.Database,
  sha256: Sha256,
  foldVersion: string,
  ignored: (why: string) => void,
): Snapshot | undefined => {
  let seqs: readonly number[] = []
  try {
    seqs = db.prepare<[], number>('SELECT seq FROM snapshots ORDER BY seq DESC').pluck().all()
  } catch (error) {
    if (!isSqliteError(error)) throw error
    ignored(`the snapshots cannot be read (${error.message})`)
  }
  for (const seq of seqs) {
    try {
      const row = db.prepare<[number], Row>(READ).get(seq)
      const why = row === undefined ? 'is gone' : fault(db, row, foldVersion, sha256)
      if (row !== undefined && why === undefined) return { seq, chain: toHex(row.chain), foldVersion, state: textOf(row.state) }
      ignored(`the snapshot at ${seq} ${why}: it is ignored`)
    } catch (error) {
      if (!isSqliteError(error)) throw error
      ignored(`the snapshot at ${seq} cannot be read (${error.message}): it is ignored`)
    }
  }
  return undefined
}

export const createSnapshots = <T extends { readonly type: string }>({ db, sha256, queue, transact }: Writing<T>): SnapshotStore => {
  /** One by one: one that lies on a damaged page cannot be taken away, and stays to be passed over. */
  const drop = async (seqs: readonly number[]): Promise<number> => {
    let left = 0
    for (const seq of seqs) {
      try {
        await transact(() => db.prepare<[number]>('DELETE FROM snapshots WHERE seq = ?').run(seq))
      } catch (error) {
        if (!(error instanceof LogUnusable)) throw error
        left += 1
      }
    }
    return left
  }

  return {
    async save({ seq, foldVersion, state }) {
      await queue.reached(seq)
      const stale = await transact(() => {
        const chain = chainAt(db, seq)
        // a compaction may have gone past it meanwhile, and made it worthless
        if (chain === undefined) return []
        const bytes = Buffer.from(state)
        db.prepare<[number, Uint8Array, string, Uint8Array, Uint8Array]>(
          'INSERT OR REPLACE INTO snapshots (seq, chain, fold_version, state, hash) VALUES (?, ?, ?, ?, ?)',
        ).run(seq, chain, foldVersion, bytes, hashOf(sha256, seq, chain, foldVersion, bytes))
        return db.prepare<[number], number>('SELECT seq FROM snapshots ORDER BY seq DESC LIMIT -1 OFFSET ?').pluck().all(KEPT)
      })
      await drop(stale)
    },
    newest: (foldVersion, ignored = () => {}) =>
      new Promise(resolve => {
        resolve(newestSnapshot(db, sha256, foldVersion, ignored))
      }),
    async clear() {
      const left = await drop(listSnapshots(db).map(({ seq }) => seq))
      if (left > 0) throw new LogUnusable(`${left} snapshots lie on damaged pages: put a backup of the log in its place.`)
    },
  }
}
