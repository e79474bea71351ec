/** Whom a typed name means. */
import t from 'tap'
import { byName, displayName, resolveName, type Person } from '../../src/client/names.ts'
import type { UserId } from '../../src/protocol/ids.ts'

const person = (id: string, name: string): Person => ({ id: id as UserId, name })
const people = [
  person('1', 'ann'),
  person('2', 'Ann'),
  person('3', 'bob'),
  person('4', 'Bob Lee'),
  person('5', 'bob lee'),
  person('6', 'Éva'),
  person('ann2', 'zed'),
]
const found = (typed: string, among = people): string => {
  const resolution = resolveName(typed, among)
  if ('found' in resolution) return resolution.found.id
  return 'ambiguous' in resolution ? resolution.ambiguous.map(({ id }) => id).join('+') : 'nobody'
}

t.test('the id decides, then the exact name, then the name regardless of case', async t => {
  t.equal(found('3'), '3')
  t.equal(found('ann2'), 'ann2', 'an id is not a name')
  t.equal(found('ann'), '1')
  t.equal(found('Ann'), '2')
  t.equal(found('BOB'), '3')
  t.equal(found('e\u0301va'), '6', 'compared after NFC')
  t.equal(found('nobody'), 'nobody')
})

t.test('several that fit are listed, and nobody is picked', async t => {
  t.equal(found('ANN'), '1+2')
  t.equal(found('BOB LEE'), '4+5')
  t.equal(found('x', [person('1', 'x'), person('2', 'x')]), '1+2')
})

t.test("an impostor's invisible character makes a name ambiguous instead of another one", async t => {
  t.equal(found('kim', [person('1', 'kim'), person('2', 'ki\u200dm')]), '1+2')
})

t.test('a person without a name, or with one that pretends to be an id, is called by the id', async t => {
  const id = '3f0b1c7e-0000-4000-8000-000000000001' as UserId
  t.equal(displayName(id, undefined), id)
  t.equal(displayName(id, ' \u200b'), id)
  t.equal(displayName(id, '3F0B1C7E-0000-4000-8000-000000000002'), id)
  t.equal(displayName(id, ' A\u0007nn '), 'Ann')
})

t.test('people are sorted by name regardless of case, then by id', async t => {
  t.same(
    [person('b', 'Zoe'), person('c', 'ann'), person('a', 'ann'), person('d', 'Bob')].sort(byName).map(({ id }) => id),
    ['a', 'c', 'd', 'b'],
  )
})
