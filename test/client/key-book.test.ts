/** Keys that are missing: when the server is asked for them, and when it is asked again. */
import t from 'tap'
import { createClientState } from '../../src/client/state.ts'
import { createKeyBook } from '../../src/client/key-book.ts'
import { createRoster } from '../../src/client/roster.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { createManualClock } from '../helpers/manual-clock.ts'
import { testKey } from '../helpers/test-keys.ts'

const ben = 'ben' as UserId

const start = () => {
  const asked: UserId[] = []
  const { state, evolve } = createClientState()
  const clock = createManualClock()
  const keyBook = createKeyBook({
    clock,
    crypto: nodeCrypto(),
    journal: {
      state,
      record: (_stream, fact) => {
        evolve(fact)
      },
      release: run => {
        run()
      },
      flushed: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    roster: createRoster(() => {}),
    stock: () => false,
    request: user => {
      asked.push(user)
    },
    alarm: () => {},
    refused: () => {},
  })
  return { keyBook, asked, clock }
}

t.test('a key that was asked for while there was no connection is asked for when there is one', async t => {
  const { keyBook, asked } = start()
  const key = await testKey(1)
  keyBook.detached()
  const waiting = keyBook.pinned(ben)
  t.same(asked, [ben], 'nobody heard this')
  keyBook.attached()
  t.same(asked, [ben, ben])
  keyBook.announced(ben, { pubkey: key.publicText, encPubkey: undefined, caps: [] })
  t.match(await waiting, { keys: { pubkey: key.publicText } })
  keyBook.attached()
  t.same(asked, [ben, ben], 'what was answered is not asked again')
})

t.test('a server that knows no capabilities of somebody takes away none that were told before, and makes nobody a v1.3 user', async t => {
  const { keyBook } = start()
  const key = { pubkey: (await testKey(1)).publicText, encPubkey: undefined }
  keyBook.announced(ben, { ...key, caps: undefined })
  t.match(await keyBook.pinned(ben), { keys: { pubkey: key.pubkey } })
  const asking = keyBook.recipient(ben)
  keyBook.announced(ben, { ...key, caps: undefined })
  await t.rejects(asking, { name: 'NoKey' })
  keyBook.announced(ben, { ...key, caps: ['receipts'] })
  keyBook.announced(ben, { ...key, caps: undefined })
  t.same((await keyBook.recipient(ben)).caps, ['receipts'])
})
