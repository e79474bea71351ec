/** Writes a history into a log on disk, in big transactions: what benches of reading begin with. */
import { randomBytes } from 'node:crypto'
import { nodeCrypto } from '../src/crypto/node-crypto.ts'
import type { Fact } from '../src/domain/facts.ts'
import type { NewFact } from '../src/store/log.ts'
import { openSqliteLog, type SqliteLog } from '../src/store/sqlite-log.ts'

const BATCH = 5_000

export const openLog = (file: string): Promise<SqliteLog<Fact>> => {
  const crypto = nodeCrypto()
  return openSqliteLog<Fact>({ file, sha256: bytes => crypto.sha256(bytes), randomBytes, endOfTick: run => void setImmediate(run) })
}

/** Appends all facts to the log at `file` and closes it. */
export const filled = async (file: string, facts: Iterable<NewFact<Fact>>): Promise<void> => {
  const log = await openLog(file)
  const append = (batch: readonly NewFact<Fact>[]) => log.append(batch, { expected: { epoch: log.epoch } })
  let batch: NewFact<Fact>[] = []
  for (const fact of facts) {
    batch.push(fact)
    if (batch.length < BATCH) continue
    await append(batch)
    batch = []
  }
  await append(batch)
  await log.close()
}
