/** Writes a history into a node's log on disk, in big transactions: what benches of reading begin with. */
import { openNodeLog } from '../src/cli/node-log.ts'
import { nodeCrypto } from '../src/crypto/node-crypto.ts'
import type { Fact } from '../src/domain/facts.ts'
import { nodeClock } from '../src/ports/node/clock.ts'
import { nodeRandom } from '../src/ports/node/random.ts'
import type { NewFact } from '../src/store/log.ts'
import type { SqliteLog } from '../src/store/sqlite-log.ts'

const BATCH = 5_000

/** As `socp serve` opens it, with the read models. */
export const openLog = (file: string): Promise<SqliteLog<Fact>> =>
  openNodeLog(file, { crypto: nodeCrypto(), random: nodeRandom(), clock: nodeClock() }, why => {
    throw new Error(why)
  })

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
