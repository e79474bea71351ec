/** The log of a real node as a data directory: two nodes of a mesh linked, Ann and Bob came, and Ann left. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { openNodeLog } from '../../src/cli/node-log.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import type { PastState } from '../../src/server/time-travel.ts'
import type { RecordedFact } from '../../src/store/log.ts'
import type { SqliteLog } from '../../src/store/sqlite-log.ts'
import { createMesh, startPair } from '../server/mesh.ts'
import { attachUser } from '../server/user.ts'

export interface RecordedLog {
  readonly data: string
  readonly facts: readonly RecordedFact<Fact>[]
  /** Sequence of the last fact before Ann left, and the machines of the running node at that fact. */
  readonly withAnn: number
  readonly machinesWithAnn: PastState['machines']
  readonly ann: string
  readonly bob: string
  readonly self: string
  readonly peer: string
}

/** The facts' log, opened for writing as a node does. */
export const writeLog = async (data: string, facts: readonly RecordedFact<Fact>[]): Promise<SqliteLog<Fact>> => {
  const ports = { crypto: nodeCrypto(), random: nodeRandom(), clock: nodeClock() }
  const log = await openNodeLog(join(data, 'log.db'), ports, why => {
    throw new Error(why)
  })
  await log.append(facts, { expected: { epoch: log.epoch } })
  return log
}

/** Records such a life; everything in it happened at different times. */
export const recordLife = async (t: Test): Promise<RecordedLog> => {
  const mesh = createMesh(t)
  const [node, peer] = await startPair(mesh)
  await mesh.pass(1_000)
  const ann = await attachUser(mesh, node, 2, { name: 'Ann Example' })
  await mesh.pass(1_000)
  const bob = await attachUser(mesh, peer, 3, { name: 'Bob Example' })
  await mesh.until(() => mesh.view(node).directory.length === 2, 5_000, 'Bob is known')
  const withAnn = (await mesh.facts(node)).length
  const machinesWithAnn = mesh.view(node).machines
  await mesh.pass(1_000)
  ann.leave()
  await mesh.until(() => mesh.view(node).directory.length === 1, 60_000, 'Ann is gone')
  const facts = await mesh.facts(node)
  const data = t.testdir()
  await (await writeLog(data, facts)).close()
  return { data, facts, withAnn, machinesWithAnn, ann: ann.id, bob: bob.id, self: node.id, peer: peer.id }
}
