/** Opens a log's database file: settings, identity, version and forward-only migrations. */
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { LogUnusable } from './log.ts'
import { unusable } from './sqlite-errors.ts'

/** "SOCP" in ASCII: tells our databases from others'. */
const APPLICATION_ID = 0x534f4350
/** Before it, a checkpoint that raced with a commit that restarts the WAL could damage the database (sqlite.org/wal.html#walresetbug). */
const OLDEST_SQLITE = '3.51.3'

export const migrationsFolder = (): URL => new URL('../../migrations/', import.meta.url)

/** The numbered SQL files of a folder in order; the position is the version that a migration leads to. */
export const readMigrations = (folder: URL): readonly string[] => {
  const names = readdirSync(folder)
    .filter(name => name.endsWith('.sql'))
    .sort()
  return names.map((name, index) => {
    if (Number(name.slice(0, 4)) !== index + 1)
      throw new LogUnusable(`Migration ${index + 1} is missing (found ${name}): install the package again.`)
    return readFileSync(new URL(name, folder), 'utf8')
  })
}

/** Compares dotted versions by number: negative when `a` is older. */
export const compareVersions = (a: string, b: string): number => {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)]
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

const number = (db: Database.Database, pragma: string): number => Number(db.pragma(pragma, { simple: true }))

const checkEngine = (db: Database.Database): void => {
  const version = db.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '0'
  if (compareVersions(version, OLDEST_SQLITE) < 0) {
    throw new LogUnusable(`SQLite ${version} is too old for a log (${OLDEST_SQLITE} is needed): install better-sqlite3 13 or later.`)
  }
}

/** Checks that the file is a log that this program knows; answers its version, 0 for a file without anything in it. */
const checkIdentity = (db: Database.Database, file: string, known: number): number => {
  const version = number(db, 'user_version')
  const objects = db.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get()
  if (objects === 0 && version === 0) return 0
  if (number(db, 'application_id') !== APPLICATION_ID) {
    throw new LogUnusable(`The file ${file} is a database of another program: move it away, or give another directory.`)
  }
  if (version > known) {
    throw new LogUnusable(
      `The log ${file} was written by a newer version of this program (database version ${version}, known are 1 to ${known}): use that version.`,
    )
  }
  return version
}

/** The file is made before SQLite makes it, so that nobody else may read it; SQLite gives its side files the same rights. */
export const makePrivateFile = (path: string): void => {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    // an existing file is not even opened: closing it would drop the locks that this process has on it (POSIX fcntl)
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

const migrate = (db: Database.Database, file: string, migrations: readonly string[]): void => {
  db.transaction(() => {
    // looked at within the transaction: it must not change in between
    const version = checkIdentity(db, file, migrations.length)
    for (const sql of migrations.slice(version)) db.exec(sql)
    db.pragma(`application_id = ${APPLICATION_ID}`)
    db.pragma(`user_version = ${migrations.length}`)
  }).exclusive()
}

/** Settings and schema of a database that is to be written. Throws `LogUnusable`, or what SQLite throws. */
export const prepareForWriting = (db: Database.Database, file: string, migrations: readonly string[]): void => {
  checkEngine(db)
  const version = checkIdentity(db, file, migrations.length)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL') // better-sqlite3 is built with NORMAL for WAL, which may lose the last commits
  db.pragma('secure_delete = ON')
  db.pragma('mmap_size = 0')
  db.pragma('foreign_keys = OFF') // they cost a look-up a row; the writer makes the stream first, and verify would see it missing
  db.pragma('wal_autocheckpoint = 4000') // pages; presence writes the same few again and again, which is written back once
  db.pragma('journal_size_limit = 67108864')
  if (version < migrations.length) migrate(db, file, migrations)
}

/** Opens for writing, makes or migrates the schema. Throws `LogUnusable`. The caller holds the writer's lock. */
export const openForWriting = (file: string, migrations: readonly string[]): Database.Database => {
  let db: Database.Database | undefined
  try {
    makePrivateFile(file)
    db = new Database(file, { timeout: 1000 })
    prepareForWriting(db, file, migrations)
    return db
  } catch (error) {
    db?.close()
    throw unusable(file, error)
  }
}

/** Opens for reading what a node writes or wrote; never changes it. Throws `LogUnusable`. */
export const openForReading = (file: string, known: number): Database.Database => {
  const db = new Database(file, { readonly: true, timeout: 1000 })
  try {
    checkEngine(db)
    const version = checkIdentity(db, file, known)
    if (version === 0) throw new LogUnusable(`The log ${file} is empty: nothing was ever recorded in it.`)
    if (version < known) {
      throw new LogUnusable(
        `The log ${file} is of an older version (${version}, today's is ${known}): start its node once, which brings it up to date.`,
      )
    }
    db.pragma('mmap_size = 0')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}
