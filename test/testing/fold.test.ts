/** A whole node as a fold under test: streams, state, view, and the same as the fold of a log. */
import fc from 'fast-check'
import t from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import { createNodeFold, foldedState, type FoldedState, foldNode } from '../../src/server/replay.ts'
import { memoryLog } from '../../src/store/memory-log.ts'
import { startedAt, type Given } from '../../src/testing/facts.ts'
import { foldFacts } from '../../src/testing/fold.ts'
import { anyHistory } from '../helpers/any-history.ts'

const [server, peer, ann, ben] = ['s1', 's2', 'ann', 'ben'] as const

const facts: readonly Given[] = [
  { type: 'node.started', server, epoch: 1 },
  { type: 'server.pinned', server: peer, pubkey: 'k', host: 'h', port: 1, vouchedBy: 'operator' },
  { after: 20, fact: { type: 'link.linked', server: peer, direction: 'accepted', proven: true, caps: [] } },
  { after: 5, fact: { type: 'session.attached', user: ann, pubkey: 'a', meta: {}, caps: [], proven: true, seq: [1, 1] } },
  { type: 'user.advertised', user: ben, server: peer, pubkey: 'b', meta: { display_name: 'Ben' }, caps: [], seq: [1, 1], digest: 'd' },
  { type: 'transfer.offered', file: 'f', sender: ann, recipient: ben, size: 3, mode: 'dm' },
  { type: 'transfer.began', file: 'f' },
  { type: 'bootstrap.asked', introducer: 'h:1', attempt: 0 },
]

t.test('each fact finds its stream and its time', async t => {
  t.same(
    foldFacts(facts).facts.map(({ stream, at }) => [stream, at - startedAt]),
    [
      ['node', 0],
      [`server:${peer}`, 0],
      [`link:${peer}`, 20],
      [`session:${ann}`, 25],
      [`user:${ben}`, 25],
      [`transfer:f/${ann}/${ben}`, 25],
      [`transfer:f/${ann}/${ben}`, 25],
      ['bootstrap', 25],
    ],
  )
  t.throws(() => foldFacts([{ type: 'transfer.began', file: 'f' }]), /transfer\.began comes before the offer of f/)
  t.equal(
    foldFacts([{ stream: 'transfer:f/x/y', fact: { type: 'transfer.failed', file: 'f', why: '' } }]).facts[0]?.stream,
    'transfer:f/x/y',
  )
})

t.test('machines, directory, pins and effects can be looked at', async t => {
  const node = foldFacts(facts)
  t.equal(node.state(`link:${peer}`), 'linked')
  t.equal(node.state(`transfer:f/${ann}/${ben}`), 'active')
  t.equal(node.state('session:nobody'), undefined)
  t.match(node.context(`session:${ann}`), { since: startedAt + 25 })
  t.same([...node.node.directory.users.keys()], [ann, ben])
  t.match(node.view(), { seq: facts.length, server_id: server, directory: [{ user_id: ann }, { user_id: ben, claims: [{ name: 'Ben' }] }] })
  t.same(
    node.record({ type: 'link.silent', server: peer }).map(({ effect }) => effect),
    ['closeSockets', 'tellStanding', 'armLapse', 'armRedial'],
  )
  t.ok(node.effects.length > 3)
})

t.test('it goes on from a state that was written down', async t => {
  const whole = foldFacts(facts)
  const fold = createNodeFold()
  for (const fact of whole.facts) fold.host.apply(fact)
  const state = JSON.parse(JSON.stringify(foldedState(fold, { at: startedAt, failing: [] }))) as FoldedState
  const more = foldFacts([{ type: 'link.silent', server: peer }], { state, start: startedAt + 1_000 })
  whole.record({ at: startedAt + 1_000, fact: { type: 'link.silent', server: peer } })
  const { machines, directory, pins } = whole.view()
  t.match(more.view(), { seq: 1, machines, directory, pins })
  t.throws(() => foldFacts([], { state: { node: {}, machines: { 'nothing:1': {} } } }))
})

t.test('it is the fold of a log that holds the same facts, whatever they are', async t => {
  let runs = 0
  await fc.assert(
    fc.asyncProperty(anyHistory(30), async history => {
      const node = foldFacts(history)
      const log = memoryLog<Fact>()
      await log.append(node.facts, { expected: { epoch: log.epoch } })
      t.strictSame(node.view(), await foldNode(log.read(1)))
      runs += 1
    }),
    { numRuns: 20 },
  )
  t.ok(runs >= 20)
})
