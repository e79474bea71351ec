/** JSON made in turns is the JSON that is made at once. */
import fc from 'fast-check'
import t from 'tap'
import { jsonInTurns } from '../../src/server/json-in-turns.ts'

const pause = (): Promise<void> => Promise.resolve()

t.test('whatever the value', async t => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.option(fc.jsonValue(), { nil: undefined }))), async value => {
      t.equal(await jsonInTurns(value, pause), JSON.stringify(value))
    }),
  )
})

t.test('long lists and tables are written in parts, with pauses between', async t => {
  const list = Array.from({ length: 9_000 }, (_, n) => ({ n, none: undefined }))
  const table = Object.fromEntries(list.map(entry => [`k${entry.n}`, entry]))
  const value = { node: { list, empty: [], one: { list } }, table }
  let pauses = 0
  const text = await jsonInTurns(value, () => {
    pauses += 1
    return Promise.resolve()
  })
  t.equal(text, JSON.stringify(value))
  t.ok(pauses >= 8, `${pauses} pauses`)
})
