import fc from 'fast-check'
import t from 'tap'
import { createRecent } from '../../src/crypto/recent.ts'

void t.test('it never holds more than its capacity', async t => {
  const recent = createRecent<number, number>(10)
  for (let key = 0; key < 1000; key++) {
    recent.set(key, key)
    if (recent.size > 10) t.fail(`${String(recent.size)} entries`)
  }
  t.ok(recent.size <= 10 && recent.size >= 5)
})

void t.test('what was set or got among the last half of its capacity is still known, with its last value', async t => {
  const capacity = 16
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(40)), { maxLength: 200 }), steps => {
      const recent = createRecent<number, number>(capacity)
      const values = new Map<number, number>()
      let used: number[] = []
      steps.forEach(([write, key], step) => {
        if (write) {
          recent.set(key, step)
          values.set(key, step)
        } else if (recent.get(key) === undefined) return
        used = [...used.filter(other => other !== key), key].slice(-capacity / 2)
      })
      return recent.size <= capacity && used.every(key => recent.get(key) === values.get(key))
    }),
  )
  t.pass('property held')
})

void t.test('what was not used for long is forgotten', async t => {
  const recent = createRecent<string, true>(4)
  recent.set('old', true)
  for (const key of ['a', 'b', 'c', 'd']) recent.set(key, true)
  t.equal(recent.get('old'), undefined)
})
