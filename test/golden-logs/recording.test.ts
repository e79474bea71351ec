/**
 * The scenario of golden logs can be recorded by today's program. With the version of a release as an argument, in its own checkout, this
 * records its log: `node test/golden-logs/recording.test.ts VERSION`. A log is recorded once; with `--states` the states that it leads to
 * are written again, for a fold that was changed on purpose.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import type { RecordedFact } from '../../src/store/log.ts'
import { openSqliteLog } from '../../src/store/sqlite-log.ts'
import { compareWithGolden, goldenOf } from '../../src/testing/golden.ts'
import { readGoldenFacts, readGoldenLog } from '../../src/testing/node-golden-log.ts'
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

const record = async (t: Test, folder: string): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  await writeDatabase(join(folder, 'log.db'), await goldenScenario(t))
  rmSync(join(folder, 'log.db.writer'), { force: true })
}

const kindsOf = (facts: readonly RecordedFact<Fact>[]): readonly string[] => [...new Set(facts.map(({ fact }) => fact.type))].sort()

const [version, only] = process.argv.slice(2)

if (version === undefined) {
  t.test('a log that is recorded today holds every kind of fact that the logs before hold', async t => {
    const folder = join(t.testdir(), 'today')
    await record(t, folder)
    const { facts, after } = await readGoldenFacts(folder)
    await writeStates(folder, facts, after)
    const kinds = kindsOf(facts)
    for (const { name } of readdirSync(import.meta.dirname, { withFileTypes: true }).filter(entry => entry.isDirectory())) {
      const { facts: old } = await readGoldenFacts(join(import.meta.dirname, name))
      t.same(
        kindsOf(old).filter(kind => !kinds.includes(kind)),
        [],
        name,
      )
    }
    const { golden } = await readGoldenLog(folder)
    t.same(await compareWithGolden(facts, golden), { same: true, hash: golden.hash, differences: [] })
  })
} else {
  t.test(`the golden log of ${version}`, async t => {
    const folder = join(import.meta.dirname, version)
    const there = existsSync(join(folder, 'log.db'))
    if (!/^\d+\.\d+\.\d+(-\d+)?$/.test(version))
      throw new Error('give the version that is released, as 0.2.0, or the one before it, as 0.2.0-1')
    if (there && only !== '--states') throw new Error(`the log of ${version} was recorded and is never changed; --states folds it again`)
    if (!there) await record(t, folder)
    const { facts, after } = await readGoldenFacts(folder)
    await writeStates(folder, facts, after)
    t.ok(facts.length > 0, `${facts.length} facts: ${kindsOf(facts).join(' ')}`)
  })
}
