/** Opens a server's log for writing, with everything that a node's log has: upcasters and read models. */
import type { Fact } from '../domain/facts.ts'
import type { Clock } from '../ports/clock.ts'
import type { Crypto } from '../ports/crypto.ts'
import type { Random } from '../ports/random.ts'
import { readModels } from '../server/read-models.ts'
import { nodeUpcasters } from '../server/upcasters.ts'
import { openSqliteLog, type SqliteLog } from '../store/sqlite-log.ts'

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
