/**
 * Records the golden log of a release, in its own checkout: `node test/golden-logs/record.ts VERSION`. A log is recorded once; with
 * `--states` the states that it leads to are written again, for a fold that was changed on purpose. Not a test.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import type { RecordedFact } from '../../src/store/log.ts'
import { openSqliteLog } from '../../src/store/sqlite-log.ts'
import { goldenOf } from '../../src/testing/golden.ts'
import { readGoldenFacts } from '../../src/testing/node-golden-log.ts'
import { seededRandom } from '../helpers/seeded-random.ts'
import { goldenScenario } from './scenario.ts'

/** Writes facts as the node wrote them: the same epochs, the same batches. */
const writeDatabase = async (file: string, facts: readonly RecordedFact<Fact>[]): Promise<void> => {
  const crypto = nodeCrypto()
  const random = seededRandom(1)
  const clock = nodeClock()
  for (const [epoch, life] of Map.groupBy(facts, fact => fact.epoch)) {
    const log = await openSqliteLog<Fact>({
      file,
      sha256: bytes => crypto.sha256(bytes),
      randomBytes: length => random.bytes(length),
      endOfTick: run => {
        clock.endOfTick(run)
      },
    })
    if (log.epoch !== epoch) throw new Error(`the log is at epoch ${log.epoch}, the node was at ${epoch}`)
    for (const [, batch] of Map.groupBy(life, fact => fact.at))
      await log.append(
        batch.map(({ stream, at, fact }) => ({ stream, at, fact })),
        { expected: { epoch } },
      )
    await log.close()
  }
}

/** The state at the end, and before every start but the first: what a crash left. */
const writeStates = async (folder: string, facts: readonly RecordedFact<Fact>[], after: unknown): Promise<void> => {
  const write = async (name: string, upTo: number): Promise<void> => {
    writeFileSync(join(folder, name), `${JSON.stringify(await goldenOf(facts.slice(0, upTo), after), undefined, 2)}\n`)
  }
  await write('state.json', facts.length)
  for (const [index, { fact }] of facts.entries())
    if (fact.type === 'node.started' && index > 0) await write(`state-at-${index}.json`, index)
}

const [version, only] = process.argv.slice(2)
if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version) || ![undefined, '--states'].includes(only))
  throw new Error('give the version that is released, 0.1.0, and --states to fold the log that is there again')
const folder = join(import.meta.dirname, version)
if (existsSync(join(folder, 'log.db')) !== (only === '--states'))
  throw new Error(only === undefined ? `the log of ${version} was recorded and is never changed` : `there is no log of ${version}`)

t.test(`the golden log of ${version}`, async t => {
  if (only === undefined) {
    mkdirSync(folder, { recursive: true })
    await writeDatabase(join(folder, 'log.db'), await goldenScenario(t))
    rmSync(join(folder, 'log.db.writer'), { force: true })
  }
  const { facts, after } = await readGoldenFacts(folder)
  await writeStates(folder, facts, after)
  t.comment([...new Set(facts.map(({ fact }) => fact.type))].sort().join(' '))
  t.ok(facts.length > 0, `${facts.length} facts`)
})
