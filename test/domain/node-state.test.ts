/** The fold that a node is: the same live, from JSON, and from any point on. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Fact, Voucher } from '../../src/domain/facts.ts'
import { emptyNodeState, evolveNode, type NodeState } from '../../src/domain/node-state.ts'
import type { ServerId } from '../../src/protocol/ids.ts'
import { anyHistory } from '../helpers/any-history.ts'
import { advertised, alice, attached, bob, keyOf, removed, s1, s2 } from './directory-specification.ts'

const fold = (facts: readonly Fact[], state: NodeState = emptyNodeState()): NodeState => {
  for (const fact of facts) evolveNode(state, fact)
  return state
}
const self = 'self' as ServerId
const started = (epoch: number): Fact => ({ type: 'node.started', server: self, epoch })

const server = fc.constantFrom(s1, s2)
const user = fc.constantFrom(alice, bob)
const seq = fc.option(fc.tuple(fc.nat(3), fc.nat(9)), { nil: undefined })
const details = fc
  .record({ seq, key: fc.constantFrom('k1', undefined) })
  .map(({ seq: named, key }) => ({ key, ...(named && { seq: named }) }))
/** Presence and membership, which `anyHistory` leaves out. */
const elsewhere: fc.Arbitrary<Fact> = fc.oneof(
  fc.tuple(user, server, details).map(args => advertised(...args)),
  fc.tuple(user, server, details).map(args => removed(...args)),
  fc.tuple(user, server).map(([of, by]): Fact => ({ type: 'user.keyConflicted', user: of, server: by, pubkey: keyOf('mallory') })),
  server.map((id): Fact => ({ type: 'server.pinned', server: id, pubkey: keyOf(id), host: 'h', port: 1, vouchedBy: 'operator' })),
  server.map((id): Fact => ({ type: 'server.moved', server: id, host: 'g', port: 2 })),
  server.map((id): Fact => ({ type: 'server.forgotten', server: id })),
)
const history: fc.Arbitrary<readonly Fact[]> = fc.tuple(anyHistory(30), fc.array(elsewhere, { maxLength: 30 })).chain(([here, there]) => {
  const all = [...here.map(({ fact }) => fact), ...there]
  return fc.shuffledSubarray(all, { minLength: all.length })
})

t.test('folding what JSON makes of a history is folding the history', async t => {
  fc.assert(
    fc.property(history, facts => {
      assert.deepEqual(fold(JSON.parse(JSON.stringify(facts)) as Fact[]), fold(facts))
    }),
  )
  t.pass()
})

t.test('replay in two parts is replay in one, wherever it is cut', async t => {
  fc.assert(
    fc.property(history, fc.nat(60), (facts, cut) => {
      assert.deepEqual(fold(facts.slice(cut), fold(facts.slice(0, cut))), fold(facts))
    }),
  )
  t.pass()
})

t.test('two folds share nothing', async t => {
  fc.assert(
    fc.property(history, facts => {
      const one = fold(facts)
      const before = structuredClone(one)
      fold(facts)
      assert.deepEqual(one, before)
    }),
  )
  t.pass()
})

t.test('no history leaves a user without a claim, a count that is off, or a key that changed', async t => {
  fc.assert(
    fc.property(history, facts => {
      const state = emptyNodeState()
      const pins = new Map<string, string>()
      for (const fact of facts) {
        evolveNode(state, fact)
        const { users, usersOf, pins: pinned } = state.directory
        const counted = new Map<ServerId, number>()
        for (const { claims } of users.values()) {
          assert.ok(claims.length > 0)
          assert.equal(new Set(claims.map(claim => claim.server)).size, claims.length)
          for (const claim of claims) counted.set(claim.server, (counted.get(claim.server) ?? 0) + 1)
        }
        assert.deepEqual(new Map([...usersOf].sort()), new Map([...counted].sort()))
        for (const [id, { pubkey }] of pinned) assert.equal(pins.get(id) ?? pubkey, pubkey)
        for (const [id, { pubkey }] of pinned) pins.set(id, pubkey)
      }
    }),
  )
  t.pass()
})

t.test('a start names the node, its epoch, and detaches whoever was attached', async t => {
  const state = fold([started(1), attached(alice, 1), started(2)])
  t.match(state, { self, epoch: 2, running: true, directory: { self, lastSeq: [2, 0] } })
  t.equal(state.directory.users.get(alice)?.local, 'detached')
})

t.test('a clean stop is known until the next start', async t => {
  t.equal(fold([started(1), { type: 'node.stopped', why: 'SIGTERM' }]).running, false)
  t.equal(fold([started(1), { type: 'node.stopped', why: 'SIGTERM' }, started(2)]).running, true)
})

t.test('forgetting a server forgets its users too', async t => {
  const state = fold([
    started(1),
    { type: 'server.pinned', server: s1, pubkey: keyOf(s1), host: 'h', port: 1, vouchedBy: 'operator' },
    advertised(alice, s1),
    { type: 'server.forgotten', server: s1 },
  ])
  t.same([state.membership.servers.size, state.directory.users.size, state.directory.pins.size], [0, 0, 1])
})

t.test('the latest voucher of each introducer is kept', async t => {
  const voucher = (port: number) => ({ by: s1, server_id: self, host: 'h', port, pubkey: keyOf(self), sig: 'sig' }) as Voucher
  const state = fold([
    { type: 'bootstrap.joined', introducer: s1, voucher: voucher(1) },
    { type: 'bootstrap.joined', introducer: s1, voucher: voucher(2) },
    { type: 'bootstrap.joined', introducer: s2 },
  ])
  t.same([...state.vouchers], [[s1, voucher(2)]])
})
