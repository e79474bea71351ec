/** Writes a log's file anew, so that what was deleted is nowhere on the disk: a large one in a thread, beside the loop. */
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { isSqliteError } from './sqlite-errors.ts'

/** What the thread answers; what SQLite refused has a code. */
export type Wiped = { readonly wiped: boolean } | { readonly code: string; readonly message: string }

/** Below so many bytes it is quicker than the start of a thread, or not much slower. */
const LARGE = 8 << 20

/** Rewrites the file without free pages and empties the WAL; false when a reader kept the WAL. Blocks. Throws `SqliteError`. */
export const rewrite = (db: Database.Database): boolean => {
  db.exec('VACUUM')
  const [answer] = db.pragma('wal_checkpoint(TRUNCATE)') as readonly { readonly busy: number }[]
  return answer?.busy === 0
}

/** Bytes of the file and of what is not yet written back into it. */
export const sizeOf = (file: string): number =>
  [file, `${file}-wal`].reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0)

/** In a checkout the program is TypeScript, installed it is not. */
const thread = (): URL => new URL(import.meta.url.endsWith('.ts') ? './sqlite-wipe-thread.ts' : './sqlite-wipe-thread.js', import.meta.url)

const rewriteApart = (file: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(thread(), { workerData: { file } })
    worker.once('error', reject)
    // after an answer it changes nothing
    worker.once('exit', code => {
      reject(new Error(`the thread that writes the log anew ended with ${code}, without an answer`))
    })
    worker.once('message', (answer: Wiped) => {
      if ('code' in answer) reject(new Database.SqliteError(answer.message, answer.code))
      else resolve(answer.wiped)
    })
  })

/**
 * Overwrites what was deleted from a log; false when a reader or a full disk stood against it. While it runs nothing else may write to
 * the file: a commit would wait for it, and the loop with the commit. A crash leaves the file as it was before.
 */
export const wipe = async (db: Database.Database, file: string): Promise<boolean> => {
  try {
    return sizeOf(file) < LARGE ? rewrite(db) : await rewriteApart(file)
  } catch (error) {
    if (isSqliteError(error) && /^SQLITE_(FULL|BUSY)/.test(error.code)) return false
    throw error
  }
}
