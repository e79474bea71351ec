/** Which servers belong to the mesh: a pinned key never changes, whoever says otherwise (SOCP §8.1). */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { LinkFact, MembershipFact } from '../../src/domain/facts.ts'
import { decideMembership, decideMove, emptyMembership, evolveMembership, type Member, type Vouched } from '../../src/domain/membership.ts'
import type { PublicKeyText, ServerId } from '../../src/protocol/ids.ts'

const [s1, s2, s3] = ['s1', 's2', 's3'] as [ServerId, ServerId, ServerId]
const vouched = (server: ServerId, details: Partial<Vouched> = {}): Vouched => ({
  server,
  pubkey: `key of ${server}` as PublicKeyText,
  host: '127.0.0.1',
  port: 9_000,
  vouchedBy: 'operator',
  ...details,
})
const pinned = (server: ServerId, details: Partial<Vouched> = {}): MembershipFact => ({
  type: 'server.pinned',
  ...vouched(server, details),
})
const linked = (server: ServerId, proven: boolean): LinkFact => ({ type: 'link.linked', server, direction: 'dialled', proven, caps: [] })
const given = (...facts: readonly (MembershipFact | LinkFact)[]) => {
  const membership = emptyMembership()
  for (const fact of facts) evolveMembership(membership, fact)
  return {
    membership,
    when: (wanted: Vouched, servers = 10, idsPerKey = 1) => decideMembership(wanted, membership, { servers, idsPerKey }),
    of: (id: ServerId) => membership.servers.get(id),
  }
}

t.test('a newcomer is pinned with key, address and whoever vouched', async t => {
  const newcomer = vouched(s2, { vouchedBy: s1 })
  t.same(given().when(newcomer), { facts: [{ type: 'server.pinned', ...newcomer }] })
  t.match(given(pinned(s2, { vouchedBy: s1 })).of(s2), { id: s2, vouchedBy: s1, linked: false, proven: false })
})

t.test('what is known already is no fact', async t => {
  t.same(given(pinned(s1)).when(vouched(s1, { vouchedBy: s2 })), { facts: [] })
})

t.test('another key for a pinned server is a conflict, and so is one with another address', async t => {
  const known = given(pinned(s1))
  const stolen = { pubkey: 'another' as PublicKeyText, vouchedBy: s2 }
  t.same(known.when(vouched(s1, stolen)), { facts: [], conflict: 'key' })
  t.same(known.when(vouched(s1, { ...stolen, port: 1 })), { facts: [], conflict: 'key' })
})

t.test('the same key at another address is a move', async t => {
  const known = given(pinned(s1))
  const moved = { type: 'server.moved', server: s1, host: '10.0.0.1', port: 7 } as const
  t.same(known.when(vouched(s1, { host: '10.0.0.1', port: 7 })), { facts: [moved] })
  t.match(given(pinned(s1), moved).of(s1), { pubkey: vouched(s1).pubkey, host: '10.0.0.1', port: 7 })
  t.equal(given(moved).of(s1), undefined, 'nobody moves who is not pinned')
})

t.test('a full mesh takes nobody in, and those who belong to it still move', async t => {
  const full = given(pinned(s1), pinned(s2))
  t.same(full.when(vouched(s3), 2), { facts: [], conflict: 'full' })
  t.equal(full.when(vouched(s1, { port: 1 }), 2).facts.length, 1)
})

t.test('where a member is that was met, only it says itself, and the operator', async t => {
  const met = given(pinned(s1), linked(s1, true))
  t.same(met.when(vouched(s1, { port: 1, vouchedBy: s2 })), { facts: [] })
  t.equal(met.when(vouched(s1, { port: 1 })).facts.length, 1)
  t.same(decideMove(met.of(s1) as Member, { host: '10.0.0.1', port: 7 }), {
    facts: [{ type: 'server.moved', server: s1, host: '10.0.0.1', port: 7 }],
  })
  t.same(decideMove(met.of(s1) as Member, { host: '127.0.0.1', port: 9_000 }), { facts: [] })
})

t.test('one key has one id, or as many as the operator allows', async t => {
  const known = given(pinned(s1))
  const twin = vouched(s2, { pubkey: vouched(s1).pubkey, vouchedBy: s3 })
  t.same(known.when(twin), { facts: [], conflict: 'key_held' })
  t.equal(known.when(twin, 10, 2).facts.length, 1)
})

t.test('a server that is forgotten may come back, with another key too', async t => {
  const forgotten = given(pinned(s1), { type: 'server.forgotten', server: s1 })
  t.equal(forgotten.of(s1), undefined)
  t.equal(forgotten.when(vouched(s1, { pubkey: 'another' as PublicKeyText })).facts.length, 1)
})

t.test('a link is remembered, and a proof is never unlearned', async t => {
  t.match(given(pinned(s1), linked(s1, true), linked(s1, false)).of(s1), { linked: true, proven: true })
  t.match(given(pinned(s1), linked(s1, false)).of(s1), { linked: true, proven: false })
  t.equal(given(linked(s1, true)).of(s1), undefined, 'a link pins nobody')
})

t.test('no history changes a pinned key but by forgetting', async t => {
  const server = fc.constantFrom(s1, s2)
  const pubkey = fc.constantFrom('k1', 'k2') as unknown as fc.Arbitrary<PublicKeyText>
  const wanted = fc.record({
    server,
    pubkey,
    host: fc.constantFrom('a', 'b'),
    port: fc.nat(2),
    vouchedBy: fc.constant('operator' as const),
  })
  fc.assert(
    fc.property(fc.array(fc.oneof(wanted, server)), steps => {
      const { membership, when } = given()
      for (const step of steps) {
        if (typeof step === 'string') {
          evolveMembership(membership, { type: 'server.forgotten', server: step })
          continue
        }
        const before = membership.servers.get(step.server)?.pubkey
        for (const fact of when(step, 2, 2).facts) evolveMembership(membership, fact)
        assert.equal(membership.servers.get(step.server)?.pubkey, before ?? step.pubkey)
      }
      assert.ok(membership.servers.size <= 2)
    }),
  )
  t.pass()
})
