/** The thread in which a large log is written anew: `workerData` names the file, the one message says how it went. */
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { isSqliteError } from './sqlite-errors.ts'
import { rewrite, type Wiped } from './sqlite-wipe.ts'

/** How long it waits for readers. */
const PATIENCE_MS = 5_000

const run = (file: string): Wiped => {
  const db = new Database(file, { timeout: PATIENCE_MS, fileMustExist: true })
  try {
    db.pragma('synchronous = FULL')
    return { wiped: rewrite(db) }
  } catch (error) {
    if (!isSqliteError(error)) throw error
    return { code: error.code, message: error.message }
  } finally {
    db.close()
  }
}

parentPort?.postMessage(run((workerData as { readonly file: string }).file))
