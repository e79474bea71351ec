/** Chance from a seed. */
import t from 'tap'
import { createDice } from '../../src/simulation/dice.ts'

const draws = (seed: number, name?: string): readonly number[] => {
  const dice = name === undefined ? createDice(seed) : createDice(seed).fork(name)
  return Array.from({ length: 20 }, () => dice.fraction())
}

t.test('one seed gives the same draws, another other ones, and so do names', async t => {
  t.same(draws(7), draws(7))
  t.notSame(draws(7), draws(8))
  t.same(draws(7, 'network'), draws(7, 'network'))
  t.notSame(draws(7, 'network'), draws(7, 'faults'))
  t.notSame(draws(7, 'network'), draws(8, 'network'))
})

t.test('a fork is decided by seed and name, not by what was drawn before', async t => {
  const [used, fresh] = [createDice(3), createDice(3)]
  used.bytes(100)
  t.equal(used.fork('x').fraction(), fresh.fork('x').fraction())
})

t.test('draws are within their bounds, spread over them, and apart as asked', async t => {
  const dice = createDice(1)
  const wholes = new Set(Array.from({ length: 1_000 }, () => dice.whole(-2, 2)))
  t.same(
    [...wholes].sort((a, b) => a - b),
    [-2, -1, 0, 1, 2],
  )
  t.ok(Array.from({ length: 1_000 }, () => dice.fraction()).every(one => one >= 0 && one < 1))
  const apart = Array.from({ length: 5_000 }, () => dice.apart(10)).reduce((sum, one) => sum + one, 0) / 5_000
  t.ok(apart > 9 && apart < 11, `${apart}`)
  t.equal(dice.bytes(7).length, 7)
  t.match(dice.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  t.equal(dice.pick(['only']), 'only')
  t.notOk(dice.chance(0))
  t.ok(dice.chance(1))
})
