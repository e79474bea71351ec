/** Golden logs of people who embed a node: written, read, compared; and what a difference looks like. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Given } from '../../src/testing/facts.ts'
import { foldFacts } from '../../src/testing/fold.ts'
import { compareWithGolden, goldenOf } from '../../src/testing/golden.ts'
import { readGoldenLog, writeGoldenLog } from '../../src/testing/node-golden-log.ts'

const facts: readonly Given[] = [
  { type: 'node.started', server: 's1', epoch: 1 },
  { type: 'session.attached', user: 'ann', pubkey: 'a', meta: { display_name: 'Änn' }, caps: [], proven: true, seq: [1, 1] },
  { after: 3, fact: { type: 'session.detached', user: 'ann', why: 'gone' } },
]
const folded = foldFacts(facts).facts

t.test('what was written is read, and leads to the state that was recorded', async t => {
  const folder = join(t.testdir(), 'golden')
  const written = await writeGoldenLog(folder, folded)
  const { facts: read, golden } = await readGoldenLog(folder)
  t.same(golden, written)
  t.same(
    read.map(({ seq, stream, version, at, fact }) => ({ seq, stream, version, at, fact })),
    folded.map((fact, index) => ({ seq: index + 1, version: index === 2 ? 2 : 1, ...fact })),
  )
  t.same(await compareWithGolden(read, golden), { same: true, hash: golden.hash, differences: [] })
  t.equal(readFileSync(join(folder, 'log.jsonl'), 'utf8').split('\n').length, 4, 'one fact a line')
})

t.test('a fold that comes out otherwise is shown place by place', async t => {
  const golden = await goldenOf(folded)
  const other = foldFacts([...facts, { type: 'session.ended', user: 'ann', why: 'left', seq: [1, 2] }])
  const { same, hash, differences } = await compareWithGolden(other.facts, golden)
  t.notOk(same)
  t.not(hash, golden.hash)
  t.ok(differences.includes('facts: recorded 3, now 4'))
  t.ok(
    differences.some(line => /^machines\.session:ann: recorded \{.*"detached".*\}, now nothing$/.test(line)),
    differences.join('\n'),
  )
  t.ok(differences.includes('node.lastSeq.1: recorded 1, now 2'))
})

t.test('a part of a node that came later is not compared, one that went is missed', async t => {
  const golden = await goldenOf(folded)
  const { pins, ...node } = golden.state.node
  t.ok(pins)
  const older = await compareWithGolden(folded, { ...golden, hash: '', state: { ...golden.state, node } })
  t.same(older.differences, [])
  t.not(older.hash, golden.hash, 'the hash is of what is compared')
  const richer = { ...golden.state, node: { ...golden.state.node, polls: [] } }
  t.same((await compareWithGolden(folded, { ...golden, state: richer })).differences, ['node.polls: recorded [], now nothing'])
})

t.test('many differences are cut short', async t => {
  const golden = await goldenOf(folded)
  const crowd = Array.from({ length: 30 }, (_, n): Given => ({ type: 'link.dialled', server: `s${n}`, url: 'ws://h:1' }))
  const { differences } = await compareWithGolden(foldFacts([...facts, ...crowd]).facts, golden)
  t.equal(differences.length, 21)
  t.match(differences.at(-1), /^and \d+ more$/)
})

t.test('the hash does not depend on the order of keys', async t => {
  const golden = await goldenOf(folded)
  const turned = folded.map(({ stream, at, fact }) => ({
    fact: Object.fromEntries(Object.entries(fact).reverse()) as typeof fact,
    at,
    stream,
  }))
  t.equal((await goldenOf(turned)).hash, golden.hash)
})

t.test('rows as socp log ls --json prints them are a golden log too, and those of a newer version are refused', async t => {
  const folder = t.testdir()
  await writeGoldenLog(folder, folded)
  const rows = readFileSync(join(folder, 'log.jsonl'), 'utf8')
  t.match(JSON.parse(rows.slice(0, rows.indexOf('\n'))), {
    seq: 1,
    stream: 'node',
    version: 1,
    type: 'node.started',
    at: 1_750_000_000_000,
    epoch: 1,
  })
  writeFileSync(join(folder, 'log.jsonl'), rows.replace('"type":"node.started"', '"type":"node.started","schema":2'))
  await t.rejects(readGoldenLog(folder), { name: 'LogUnusable', message: /Row 1 .*node\.started.* schema version 2/ })
})
