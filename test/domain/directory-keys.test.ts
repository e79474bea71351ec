/** The key that is encrypted to is pinned like the one that is signed with. */
import t from 'tap'
import { advertised, alice, attached, given, keyOf, s1, s2 } from './directory-specification.ts'

t.test('another encryption key from a server whose claim does not count changes nothing', async t => {
  const known = given(advertised(alice, s1, { seq: [1, 1], enc: 'alice enc' }))
  known.take(advertised(alice, s2, { seq: [1, 1], enc: 'mallory' }))
  t.equal(known.directory.pins.get(alice)?.encPubkey, keyOf('alice enc'))
  const here = given(attached(alice, 1))
  here.take(advertised(alice, s2, { seq: [1, 1], enc: 'mallory' }))
  t.equal(here.directory.pins.get(alice)?.encPubkey, undefined, 'of a user who is attached here and proven')
})
