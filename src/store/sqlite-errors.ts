/** What SQLite and the file system say, as sentences for the operator. */
import Database from 'better-sqlite3'
import { LogRefused, LogUnusable } from './log.ts'

/** Start of SQLite's code or the system's code → what is wrong and what to do. The first that fits counts. */
const sentences: readonly (readonly [code: string, sentence: string])[] = [
  ['SQLITE_NOTADB', 'is not a SQLite database: move it away, or put a backup in its place.'],
  ['SQLITE_CORRUPT', 'is damaged: put a backup in its place; "socp log verify" names the first damaged row.'],
  ['SQLITE_FULL', 'could not be written, because the disk is full: free some space, then start again.'],
  ['SQLITE_BUSY', 'is being written by another program: let it finish or stop it, then start again.'],
  [
    'SQLITE_READONLY_DIRECTORY',
    'cannot be read from a directory in which this user may not write, because SQLite keeps its lock there: copy log and -wal file elsewhere, or read as their owner.',
  ],
  // only its writer may finish, or take back, what was interrupted
  ['SQLITE_READONLY_ROLLBACK', 'was being made when its node was interrupted: start that node once, which makes it whole.'],
  ['SQLITE_READONLY_RECOVERY', 'was being written when its node was interrupted: start that node once, which makes it whole.'],
  ['SQLITE_READONLY', 'may not be written by this user: change its owner or rights and those of its directory.'],
  ['SQLITE_PERM', 'may not be used by this user: change its owner or rights and those of its directory.'],
  ['SQLITE_CANTOPEN', 'cannot be opened: it has to be a file, and this user has to have the right to its directory too.'],
  ['SQLITE_IOERR', 'could not be read or written, because the disk reports an error: check the disk and its free space, then start again.'],
  ['ENOENT', 'cannot be made, because its directory does not exist: create the directory, or give another one.'],
  ['ENOTDIR', 'cannot be made, because a part of its path is not a directory: give another path.'],
  ['EACCES', 'cannot be made, because this user may not write into its directory: change the rights, or give another one.'],
  ['EPERM', 'cannot be made, because this user may not write into its directory: change the rights, or give another one.'],
  ['EROFS', 'cannot be made, because its file system is read-only: give a directory elsewhere.'],
  ['ENOSPC', 'cannot be made, because the disk is full: free some space, then start again.'],
]

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

const explain = (file: string, error: unknown): string => {
  const code = codeOf(error)
  if (code === undefined) throw error // not the disk's doing: a bug
  const sentence =
    sentences.find(([start]) => code.startsWith(start))?.[1] ?? `cannot be used (${(error as Error).message}): put a backup in its place.`
  return `The log ${file} ${sentence} [${code}]`
}

export const isSqliteError = (error: unknown): error is Error & { readonly code: string } => error instanceof Database.SqliteError

/** For opening and reading. Throws the error itself when it is a bug. */
export const unusable = (file: string, error: unknown): LogUnusable =>
  error instanceof LogUnusable ? error : new LogUnusable(explain(file, error), { cause: error })

/** For a commit that failed; it may or may not be on the disk, so this instance must stop. */
export const refused = (file: string, error: unknown): LogRefused =>
  error instanceof LogRefused ? error : new LogRefused(`Nothing more can be recorded. ${explain(file, error)}`, { cause: error })
