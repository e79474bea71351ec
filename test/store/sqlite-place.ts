/** A log file in a temporary directory and the real ports that a SQLite log needs, for the tests of the store. */
import { createHash, randomBytes as nodeRandomBytes } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { openSqliteLog, type SqliteLog } from '../../src/store/sqlite-log.ts'
import type { SampleFact } from './event-log-contract.ts'

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

export const openSample = (file: string, more: Partial<Parameters<typeof openSqliteLog>[0]> = {}): Promise<SqliteLog<SampleFact>> =>
  openSqliteLog<SampleFact>({ file, sha256, randomBytes: nodeRandomBytes, endOfTick: run => void setImmediate(run), ...more })

export const logFile = (directory: string): string => join(directory, 'log.db')

/** Changes the database behind the program's back, without its triggers, as a hex editor would. */
export const tamper = (file: string, sql: string): void => {
  const db = new Database(file)
  for (const name of db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all())
    db.exec(`DROP TRIGGER ${name}`)
  db.pragma('foreign_keys = OFF')
  db.exec(sql)
  db.close()
}
