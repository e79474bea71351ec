/** Recovers a node from a copy of its data directory as a start does, in this process, and answers what it then knows. */
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createRuntime } from '../../src/actors/runtime.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { type Beginning, recoverNode } from '../../src/server/recovery.ts'
import { createNodeFold, type NodeView, viewOfNode } from '../../src/server/replay.ts'
import { nodeUpcasters } from '../../src/server/upcasters.ts'
import { openSqliteLog } from '../../src/store/sqlite-log.ts'

/** The files of a log, without its lock, index and socket. */
export const copyLog = (from: string, to: string): void => {
  mkdirSync(to, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(from))
    if (/^log\.db(-wal|-journal)?$|^key\.pem$|^identity\.json$/.test(name)) copyFileSync(join(from, name), join(to, name))
}

export interface InPlace {
  readonly view: NodeView
  readonly from: Beginning['from']
  /** What was said about snapshots that are of no use. */
  readonly said: readonly string[]
}

/** Rejects as a start would. The log itself is not touched: `copy` is made of it. */
export const recoverCopy = async (data: string, copy: string): Promise<InPlace> => {
  copyLog(data, copy)
  const clock = nodeClock()
  const log = await openSqliteLog<Fact>({
    file: join(copy, 'log.db'),
    sha256: bytes => createHash('sha256').update(bytes).digest(),
    randomBytes,
    endOfTick: run => {
      clock.endOfTick(run)
    },
    upcasters: nodeUpcasters,
  })
  try {
    const said: string[] = []
    const fold = createNodeFold()
    const runtime = createRuntime<Fact>({
      log,
      host: fold.host,
      clock,
      perform: () => undefined,
      fatal: error => said.push(error.message),
      crashed: error => said.push(String(error)),
    })
    const { beginning } = await recoverNode({ log, fold, runtime, write: (_level, what) => said.push(what) })
    const view = viewOfNode(fold, await log.head())
    await runtime.close()
    return { view, from: beginning.from, said }
  } finally {
    await log.close()
  }
}
