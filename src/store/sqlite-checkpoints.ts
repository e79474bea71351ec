/** Signed checkpoints in the log's file. */
import type Database from 'better-sqlite3'
import { toHex } from '../protocol/encoding.ts'
import type { Checkpoint, DurableLog } from './durable-log.ts'
import { LogUnusable } from './log.ts'
import { chainAt } from './sqlite-rows.ts'
import type { Writing } from './sqlite-writing.ts'
import { checkpointText } from './statements.ts'

interface Row {
  readonly seq: number
  readonly chain: Uint8Array
  readonly stateHash: string
  readonly at: number
  readonly sig: string
}

/** All checkpoints, in the order of their sequences. */
export const readCheckpoints = (db: Database.Database): readonly Checkpoint[] =>
  db
    .prepare<[], Row>('SELECT seq, chain, state_hash AS stateHash, at, sig FROM checkpoints ORDER BY seq')
    .all()
    .map(row => ({ ...row, chain: toHex(row.chain) }))

export const createCheckpoint =
  <T extends { readonly type: string }>({ db, file, queue, transact, outside }: Writing<T>): DurableLog<T>['checkpoint'] =>
  async ({ seq, stateHash, at, sign }) => {
    await queue.reached(seq)
    const bytes = await outside(() => Promise.resolve(chainAt(db, seq)))
    if (bytes === undefined) throw new LogUnusable(`Fact ${seq} of the log ${file} was dropped: sign a later one.`)
    const unsigned = { seq, chain: toHex(bytes), stateHash, at }
    const checkpoint = { ...unsigned, sig: await sign(checkpointText(unsigned)) }
    await transact(() =>
      db
        .prepare<[number, Uint8Array, string, number, string]>(
          'INSERT OR REPLACE INTO checkpoints (seq, chain, state_hash, at, sig) VALUES (?, ?, ?, ?, ?)',
        )
        .run(seq, bytes, stateHash, at, checkpoint.sig),
    )
    return checkpoint
  }
