/** Imported keys: each once while it is in use, so many of them, and no failure kept. */
import t from 'tap'
import type { PublicKey } from '../../src/ports/crypto.ts'
import { createKeys } from '../../src/server/keys.ts'

const start = () => {
  const imported: string[] = []
  const broken = new Set<string>()
  const keys = createKeys({
    importPublicKey: async text => {
      imported.push(text)
      await Promise.resolve()
      if (broken.has(text)) throw new Error(`bad ${text}`)
      return { text } as PublicKey
    },
  })
  return { imported, broken, keys }
}

t.test('a key is imported once, also when many ask at the same time', async t => {
  const { imported, keys } = start()
  const all = await Promise.all([keys.import('a'), keys.import('a'), keys.import('b')])
  t.equal(all[0], all[1])
  t.equal(await keys.import('a'), all[0])
  t.same(imported, ['a', 'b'])
})

t.test('an import that failed is told to all who asked, and tried again for the next', async t => {
  const { imported, broken, keys } = start()
  broken.add('a')
  const results = await Promise.allSettled([keys.import('a'), keys.import('a')])
  t.same(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  broken.clear()
  t.match(await keys.import('a'), { text: 'a' })
  t.same(imported, ['a', 'a'])
})

t.test('of too many keys the one that was not asked for longest is let go', async t => {
  const { imported, keys } = start()
  const most = 4_096
  for (let n = 0; n < most; n += 1) await keys.import(`${n}`)
  await keys.import('0')
  await keys.import('new')
  imported.length = 0
  await keys.import('0')
  await keys.import('new')
  await keys.import(`${most - 1}`)
  t.same(imported, [], 'those in use are kept')
  await keys.import('1')
  t.same(imported, ['1'])
})
