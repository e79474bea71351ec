/** Opens a server's log for writing, with everything that a node's log has: upcasters and read models. */
import { existsSync, statSync } from 'node:fs'
import type { Fact } from '../domain/facts.ts'
import type { Clock } from '../ports/clock.ts'
import type { Crypto } from '../ports/crypto.ts'
import type { Random } from '../ports/random.ts'
import { readModels } from '../server/read-models.ts'
import { nodeUpcasters } from '../server/upcasters.ts'
import { LogUnusable } from '../store/log.ts'
import { openSqliteLog, type SqliteLog } from '../store/sqlite-log.ts'

/**
 * Throws `LogUnusable` when a server that ran before, as `introducer` shows, has lost its log: counting from 1 again, its presence would
 * be older than what its peers remember of it.
 */
export const refuseLostLog = (file: string, introducer: string): void => {
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (!existsSync(introducer) || (size !== undefined && size > 0)) return
  throw lost(file, size === undefined ? 'is gone' : 'is empty')
}

/** The same where the file is there, and all its facts went with its -wal file. */
export const refuseEmptyLog = async (log: SqliteLog<Fact>, introducer: string): Promise<void> => {
  if (!existsSync(introducer) || (await log.head()) > 0) return
  await log.close()
  throw lost(log.file, 'has no facts, as when its -wal file was lost')
}

const lost = (file: string, how: string): LogUnusable =>
  new LogUnusable(
    `The log ${file} ${how}, though this server has run before: put a backup in its place, or begin anew in another directory.`,
  )

export const openNodeLog = (
  file: string,
  { crypto, random, clock }: { readonly crypto: Crypto; readonly random: Random; readonly clock: Clock },
  troubled: (why: string) => void,
): Promise<SqliteLog<Fact>> =>
  openSqliteLog<Fact>({
    file,
    sha256: bytes => crypto.sha256(bytes),
    randomBytes: length => random.bytes(length),
    endOfTick: run => {
      clock.endOfTick(run)
    },
    upcasters: nodeUpcasters,
    projections: readModels,
    troubled,
  })
