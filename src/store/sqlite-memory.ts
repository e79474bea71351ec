/** A database in memory that outlives the logs on it: the disk of a simulated machine. */
import Database from 'better-sqlite3'

export type MemoryDatabase = Database.Database

/** An empty one; give it as `database` to one log after the other, and close it when its machine is gone. */
export const memoryDatabase = (): MemoryDatabase => new Database(':memory:')
