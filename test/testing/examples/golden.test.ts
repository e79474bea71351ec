/** A golden log: facts that were recorded once lead to the same state for ever. */
import { join } from 'node:path'
import t from 'tap'
import { compareWithGolden, foldFacts, readGoldenLog, writeGoldenLog } from '../../../src/testing/testing.ts'

t.test('our own history still leads to the state that we know', async t => {
  const folder = join(t.testdir(), 'golden')
  // once, and then commit the folder
  await writeGoldenLog(
    folder,
    foldFacts([
      { type: 'node.started', server: 's1', epoch: 1 },
      { type: 'server.pinned', server: 's2', pubkey: 'key', host: 'chat.example', port: 9_000, vouchedBy: 'operator' },
    ]).facts,
  )

  // in every test run from then on
  const { facts, golden } = await readGoldenLog(folder)
  const { same, differences } = await compareWithGolden(facts, golden)
  t.ok(same, differences.join('\n'))
})
