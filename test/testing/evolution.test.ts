/** What becomes of an old log when facts change their shape: upcast where it is read, and nowhere written again. */
import { copyFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import { foldFromBase } from '../../src/server/recovery.ts'
import { foldedState } from '../../src/server/replay.ts'
import { nodeUpcasters } from '../../src/server/upcasters.ts'
import type { NewFact } from '../../src/store/log.ts'
import { openSqliteLog } from '../../src/store/sqlite-log.ts'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import type { StoredFact, Upcasters } from '../../src/store/upcasters.ts'
import { compareWithGolden, goldenOf } from '../../src/testing/golden.ts'
import { readGoldenFacts, readGoldenLog } from '../../src/testing/node-golden-log.ts'

const released = join(import.meta.dirname, '../golden-logs/0.1.0')
const { sha256 } = nodeCrypto()
const { bytes: randomBytes } = nodeRandom()

const copyOf = (t: Test): string => {
  const file = join(t.testdir(), 'log.db')
  copyFileSync(join(released, 'log.db'), file)
  return file
}
const open = (file: string, upcasters: Upcasters) =>
  openSqliteLog<Fact>({ file, sha256, randomBytes, endOfTick: run => void setImmediate(run), upcasters })

/** A later version in which transfers say how they are encrypted, and a detached session says who let go. */
const later: Upcasters = {
  ...nodeUpcasters,
  'transfer.offered': [fact => ({ ...fact, cipher: 'oaep' }), ({ mode, ...fact }: StoredFact) => ({ ...fact, audience: mode })],
  'session.detached': [fact => ({ ...fact, by: 'peer' })],
}

t.test('old facts come in the new shape from the log and from a reader, and new ones stand beside them', async t => {
  const file = copyOf(t)
  const log = await open(file, later)
  const head = await log.head()
  const fresh = {
    type: 'transfer.offered',
    file: 'f',
    sender: 'a',
    recipient: 'b',
    size: 1,
    cipher: 'gcm',
    audience: 'dm',
  } as unknown as Fact
  const added: NewFact<Fact> = { stream: 'transfer:f/a/b', at: 1_760_000_000_000, fact: fresh }
  await log.append([added], { expected: { epoch: log.epoch } })
  const fromLog = await Array.fromAsync(log.read(1))
  await log.close()

  const { facts: old } = await readGoldenFacts(released)
  t.equal(fromLog.length, head + 1)
  for (const { seq, fact } of fromLog.slice(0, -1)) {
    const before = old[seq - 1]?.fact
    if (before?.type === 'transfer.offered') {
      const { mode, ...rest } = before
      t.same(fact, { ...rest, cipher: 'oaep', audience: mode }, `${seq} took both steps`)
    } else if (before?.type === 'session.detached') t.same(fact, { ...before, by: 'peer' }, `${seq} took one step`)
    else t.same(fact, before)
  }
  t.same(fromLog.at(-1)?.fact, fresh, 'a fact of today takes none')

  const reader = openLogReader<Fact>(file, { upcasters: later })
  t.same(await Array.fromAsync(reader.read(1)), fromLog)
  t.match(reader.verify(sha256), { ok: true, seq: head + 1 }, 'nothing old was written again')
  reader.close()
})

t.test('the older program reads what it wrote, and names the first row that it does not know', async t => {
  const file = copyOf(t)
  const log = await open(file, later)
  const head = await log.head()
  await log.append(
    [{ stream: 'session:a', at: 1_760_000_000_000, fact: { type: 'session.detached', user: 'a', why: '' } as unknown as Fact }],
    {
      expected: { epoch: log.epoch },
    },
  )
  await log.close()
  const older = await open(file, nodeUpcasters)
  const message = new RegExp(`^Row ${head + 1} of the log \\(session\\.detached\\) has schema version 2, and this program knows 1 to 1`)
  const read: number[] = []
  await t.rejects(
    async () => {
      for await (const { seq } of older.read(1)) read.push(seq)
    },
    { name: 'LogUnusable', message },
  )
  t.equal(read.at(-1), head)
  await older.close()
})

t.test('a step that changes nothing that counts leads to the same state', async t => {
  const file = copyOf(t)
  const log = await open(file, { 'link.failed': [fact => ({ ...fact, attempts: 1 })] })
  const { hash } = await goldenOf(log.read(1))
  await log.close()
  t.equal(hash, (await goldenOf((await readGoldenFacts(released)).facts)).hash)
})

t.test('an old log that today’s program compacts leads to the same state from its base', async t => {
  const file = copyOf(t)
  const log = await open(file, nodeUpcasters)
  const head = await log.head()
  const half = Math.floor(head / 2)
  const { fold, lastAt } = await foldFromBase(log, { upTo: half })
  const state = JSON.stringify(foldedState(fold, { at: lastAt, failing: [] }))
  await log.compact({ upTo: half, state, at: lastAt, sign: () => Promise.resolve('c2ln') })
  await log.close()
  const folder = dirname(file)
  copyFileSync(join(released, 'state.json'), join(folder, 'state.json'))
  const { facts, after, golden } = await readGoldenLog(folder)
  t.equal(facts.length, head - half)
  t.equal(facts[0]?.seq, half + 1)
  const { differences } = await compareWithGolden(facts, golden, after)
  t.same(differences, [`facts: recorded ${head}, now ${head - half}`], 'but for how many facts there are')
})

t.test('an old base comes in the new shape too', async t => {
  const file = copyOf(t)
  const log = await open(file, nodeUpcasters)
  await log.compact({ upTo: 5, state: '{"node":1}', at: 1_760_000_000_000, sign: () => Promise.resolve('c2ln') })
  await log.close()
  const newer = await open(file, { ...nodeUpcasters, base: [...(nodeUpcasters['base'] ?? []), state => ({ ...state, machines: {} })] })
  t.same(JSON.parse((await newer.base())?.state ?? ''), { node: 1, machines: {} })
  await newer.close()
})
