/** Who is where, given what servers claim and in which order (SOCP §8.2, §10). */
import t from 'tap'
import { forgetOrigin, nextSeq, restartDirectory } from '../../src/domain/directory.ts'
import type { ServerId, UserId } from '../../src/protocol/ids.ts'
import {
  advertised,
  alice,
  attached,
  bob,
  carol,
  detached,
  ended,
  given,
  keyOf,
  removed,
  s1,
  s2,
  s3,
  self,
} from './directory-specification.ts'

t.test('a user is at the server that advertised them', async t => {
  const ad = advertised(alice, s1, { seq: [1, 1] })
  t.same(given().when(ad), { facts: [ad] })
  t.equal(given(ad).home(alice, s1), s1)
  t.equal(given(ad).home(bob, s1), undefined)
})

t.test('of two servers that claim a user the older claim counts, and the newer waits for its turn', async t => {
  const both = given(advertised(alice, s1, { seq: [1, 1] }), advertised(alice, s2, { seq: [1, 1] }))
  t.equal(both.home(alice, s1, s2), s1)
  t.equal(both.fold(removed(alice, s1, { seq: [1, 2] })).home(alice, s1, s2), s2)
})

t.test('the claim of a server that is not linked gives way to one that is, and comes back with its link', async t => {
  const both = given(advertised(alice, s1), advertised(alice, s2))
  t.equal(both.home(alice, s2), s2)
  t.equal(both.home(alice, s1, s2), s1)
  t.equal(both.home(alice), s1, 'with no link at all the oldest is as good as any')
})

t.test('a server that claims again keeps its place and says something new', async t => {
  const again = given(advertised(alice, s1, { seq: [1, 1] }), advertised(alice, s2), advertised(alice, s1, { seq: [1, 2] }))
  t.equal(again.home(alice, s1, s2), s1)
  t.match(again.directory.users.get(alice)?.claims, [{ server: s1, seq: [1, 2] }, { server: s2 }])
  t.equal(again.directory.usersOf.get(s1), 1)
})

t.test('a user who is attached here is here, whoever claims them and however early', async t => {
  const here = given(advertised(alice, s1), attached(alice, 1), advertised(alice, s2))
  t.equal(here.home(alice, s1, s2), 'local')
  t.equal(here.claimant(alice, s1, s2), self)
})

t.test('a user who is away from here is where a linked server has them, and otherwise still here', async t => {
  const away = given(attached(alice, 1), advertised(alice, s1), detached(alice))
  t.equal(away.home(alice, s1), s1)
  t.equal(away.home(alice), 'local')
})

t.test('a removal takes back only the claim of its own server', async t => {
  const late = given(advertised(alice, s1, { seq: [1, 1] }), advertised(alice, s2, { seq: [4, 1] }))
  t.ok(late.take(removed(alice, s1, { seq: [1, 2] })))
  t.equal(late.home(alice, s1, s2), s2, 'the late removal of the old home')
  t.ok(late.take(removed(alice, s3, { seq: [1, 1] })), 'a server that never had them')
  t.equal(late.home(alice, s2), s2)
})

t.test('no removal from elsewhere ends a session here', async t => {
  const here = given(attached(alice, 1), advertised(alice, s1, { seq: [1, 1] }))
  here.take(removed(alice, s1, { seq: [1, 2] }))
  t.equal(here.home(alice, s1), 'local')
  t.equal(here.directory.users.get(alice)?.local, 'attached')
  t.same(here.when({ ...removed(alice, self, { seq: [9, 9] }) }), { facts: [], why: 'own' })
})

t.test('a removal that overtakes its advertisement is remembered, so that the user does not come back', async t => {
  const early = given()
  t.ok(early.take(removed(alice, s1, { seq: [1, 2] })))
  t.same(early.when(advertised(alice, s1, { seq: [1, 1] })), { facts: [], why: 'known' })
  t.same(early.when(removed(bob, s1)), { facts: [], why: 'unsequenced' })
  t.same(given().when(removed(bob, s1)), { facts: [], why: 'unknown_user' })
})

t.test('a session that ends leaves what others claim', async t => {
  const left = given(attached(alice, 1), advertised(alice, s1), ended(alice, 2))
  t.equal(left.home(alice, s1), s1)
  t.same(given(attached(bob, 1), ended(bob, 2)).directory.users.size, 0)
  t.same(left.directory.lastSeq, [1, 2])
})

t.test('another key for a pinned user is one conflict a key, and changes nothing', async t => {
  const known = given(advertised(alice, s1, { seq: [1, 1] }))
  const other = advertised(alice, s2, { seq: [1, 1], key: 'mallory' })
  const conflict = { type: 'user.keyConflicted', user: alice, server: s2, pubkey: keyOf('mallory') } as const
  t.same(known.when(other), { facts: [conflict], why: 'key_conflict' })
  known.fold(conflict)
  t.same(known.when({ ...other, seq: [1, 2] }), { facts: [], why: 'key_conflict' }, 'told once')
  t.match(known.when({ ...other, pubkey: keyOf('oscar'), seq: [1, 3] }), { facts: [{ pubkey: keyOf('oscar') }] }, 'but once for each key')
  t.equal(known.home(alice, s1, s2), s1)
  t.equal(known.directory.pins.get(alice)?.pubkey, keyOf(alice))
})

t.test('a pin outlives its user, and only its key brings them back', async t => {
  const gone = given(advertised(alice, s1, { seq: [1, 1] }), removed(alice, s1, { seq: [1, 2] }), attached(bob, 1), ended(bob, 2))
  t.equal(gone.directory.users.size, 0)
  for (const user of [alice, bob]) {
    t.equal(gone.when(advertised(user, s2, { key: 'mallory', seq: [1, 7] })).why, 'key_conflict')
    t.same(gone.when(advertised(user, s2, { seq: [1, 7] })).why, undefined)
  }
})

t.test('who has proved themselves once stays proven', async t => {
  const proven = given(attached(alice, 1, { proven: true }), ended(alice, 2), attached(alice, 3, { proven: false }))
  t.equal(proven.directory.pins.get(alice)?.proven, true)
  t.equal(given(advertised(bob, s1)).directory.pins.get(bob)?.proven, false, 'others cannot prove it for them')
})

t.test('a server brings as many users as it may, and those that it has may change', async t => {
  const full = given(advertised(alice, s1, { seq: [1, 1] }), advertised(bob, s1, { seq: [1, 2] }))
  const limit = { usersPerServer: 2 }
  t.same(full.when(advertised(carol, s1, { seq: [1, 3] }), limit), { facts: [], why: 'too_many_users' })
  t.equal(full.when(advertised(alice, s1, { seq: [1, 3] }), limit).facts.length, 1)
  t.equal(full.when(advertised(carol, s2, { seq: [1, 1] }), limit).facts.length, 1, 'another server is not concerned')
  full.fold(removed(alice, s1, { seq: [1, 4] }))
  t.equal(full.when(advertised(carol, s1, { seq: [1, 5] }), limit).facts.length, 1, 'a removal makes room')
})

t.test('when there are too many pins no stranger is taken in, and everybody known is', async t => {
  const full = given(advertised(alice, s1, { seq: [1, 1] }), removed(alice, s1, { seq: [1, 2] }))
  t.same(full.when(advertised(bob, s1, { seq: [1, 3] }), { pins: 1 }), { facts: [], why: 'too_many_users' })
  t.equal(full.when(advertised(alice, s2, { seq: [1, 1] }), { pins: 1 }).facts.length, 1)
})

t.test('an origin that has shown sequences is not believed without them', async t => {
  const shown = given(advertised(alice, s1, { seq: [1, 1] }))
  t.same(shown.when(removed(alice, s1)), { facts: [], why: 'unsequenced' })
  t.same(shown.when(advertised(bob, s1)), { facts: [], why: 'unsequenced' })
  t.equal(shown.when(advertised(bob, s2)).facts.length, 1, 'another origin may do without')
})

t.test('without sequences a relayed copy counts only while its origin is not linked', async t => {
  const copy = advertised(alice, s1)
  t.same(given().when(copy, { direct: false, originLinked: true }), { facts: [], why: 'relayed' })
  t.same(given().when(copy, { direct: false, originLinked: false }), { facts: [copy] })
  const sequenced = advertised(alice, s1, { seq: [1, 1] })
  t.same(given().when(sequenced, { direct: false, originLinked: true }), { facts: [sequenced] }, 'a sequence says itself what is newest')
})

t.test('without sequences a signature counts once', async t => {
  const once = given()
  const ad = advertised(alice, s1, { digest: 'first' })
  t.ok(once.take(ad))
  t.ok(once.take(removed(alice, s1, { digest: 'second' })))
  t.notOk(once.take(ad), 'the old advertisement again')
  t.notOk(once.take(removed(alice, s1, { digest: 'first' })), 'the signature of an advertisement as a removal')
  t.ok(once.take(advertised(alice, s1, { digest: 'third' })))
})

t.test('what this node says of its own users comes from nobody else', async t => {
  t.same(given(attached(alice, 1)).when(advertised(alice, self, { seq: [9, 9] })), { facts: [], why: 'own' })
})

t.test('presence events of this node are counted within its epoch', async t => {
  const node = given(attached(alice, 1), ended(alice, 2))
  t.same(nextSeq(node.directory), [1, 3])
  restartDirectory(node.directory, self, 2)
  t.same(nextSeq(node.directory), [2, 1])
})

t.test('a restart detaches everybody here and leaves the rest', async t => {
  const node = given(attached(alice, 1), attached(bob, 2), detached(bob), advertised(carol, s1, { seq: [1, 1] }))
  restartDirectory(node.directory, self, 2)
  t.same(
    [alice, bob, carol].map(user => node.directory.users.get(user)?.local),
    ['detached', 'detached', undefined],
  )
  t.equal(node.home(alice), 'local')
  t.notOk(node.take(advertised(carol, s1, { seq: [1, 1] })), 'what was applied before is not news')
})

t.test('a server that is forgotten takes its claims with it, and no pins', async t => {
  const node = given(advertised(alice, s1), advertised(alice, s2), advertised(bob, s1), attached(carol, 1))
  forgetOrigin(node.directory, s1)
  t.equal(node.home(alice, s2), s2)
  t.equal(node.home(bob, s2), undefined)
  t.equal(node.home(carol), 'local')
  t.equal(node.directory.usersOf.get(s1), undefined)
  t.equal(node.directory.origins.has(s1), false)
  t.equal(node.directory.pins.size, 3)
})

t.test('conflicts are remembered up to a bound', async t => {
  const node = given(advertised(alice, s1))
  for (let n = 0; n < 5_000; n += 1) node.fold({ type: 'user.keyConflicted', user: alice, server: s2, pubkey: keyOf(`${n}`) })
  t.equal(node.directory.conflicts.size, 4_096)
})

t.test('ids are keys of maps and nothing more', async t => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const [user, server] = [name as UserId, name as ServerId]
    const node = given()
    t.equal(node.home(user, server), undefined)
    t.ok(node.take(advertised(user, server, { seq: [1, 1] })))
    t.equal(node.home(user, server), server)
  }
})
