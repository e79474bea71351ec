/** Files to readers who are slower than their senders, here and at another server: no further ahead than a window, and complete at the end. */
import t from 'tap'
import { createPacing, paceLimits, paceRef } from '../../src/client/transfers/pacing.ts'
import type { KeyBook } from '../../src/client/key-book.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { signPayload } from '../../src/crypto/transport-signature.ts'
import { type Frame, encodeFrame, parseFrame } from '../../src/protocol/envelope.ts'
import { canonicalOf } from '../../src/protocol/canonical.ts'
import type { FileId } from '../../src/protocol/ids.ts'
import { createManualClock } from '../helpers/manual-clock.ts'
import { testKey } from '../helpers/test-keys.ts'
import { userId } from '../server/user.ts'
import { annAndBen } from './mesh-client.ts'

const crypto = nodeCrypto()
const [ann, ben] = [userId(3), userId(4)]
const file = '20000000-0000-4000-8000-000000000001' as FileId

const rig = async () => {
  const clock = createManualClock()
  const key = await testKey(4)
  const verify = await crypto.importPublicKey(key.publicText)
  const keyBook = { pinned: () => Promise.resolve({ verify }) } as unknown as KeyBook
  const pacing = createPacing({ clock, crypto, userId: ann, keyBook })
  const word = async (refs: readonly string[], from = ben, signer = 4): Promise<void> => {
    const payloadText = canonicalOf({ sender: ann, recipient: ben, refs, state: 'delivered' })
    const sig = await signPayload(crypto, await (await testKey(signer)).privateKey(crypto), payloadText)
    await pacing.receipt(parseFrame(encodeFrame({ type: 'RECEIPT', from, to: ann, ts: 1, payloadText, sig })) as Frame<'RECEIPT'>)
  }
  return { clock, pacing, word }
}

t.test('a window of chunks may be ahead of what the reader says is written', async t => {
  const { pacing, word } = await rig()
  const pace = pacing.begin(file, ben)
  t.notOk(pace.full(paceLimits.window - 1))
  t.ok(pace.full(paceLimits.window))
  await word([paceRef(file, 8)])
  t.notOk(pace.full(paceLimits.window + 7))
  t.ok(pace.full(paceLimits.window + 8))
  await word([paceRef(file, 4)])
  t.ok(pace.full(paceLimits.window + 8), 'an older word takes nothing back')
})

t.test('only the reader’s own word counts, about this file', async t => {
  const { pacing, word } = await rig()
  const pace = pacing.begin(file, ben)
  await word([paceRef(file, 32)], ben, 5)
  await word([paceRef(file, 32)], userId(5))
  await word([paceRef('another', 32), `${file}/many`, file])
  t.ok(pace.full(paceLimits.window))
})

t.test('a reader who never says a word is not waited for; a word that was lost holds nobody up for ever', async t => {
  const silent = await rig()
  const mute = silent.pacing.begin(file, ben)
  t.ok(mute.full(paceLimits.window))
  silent.clock.advance(paceLimits.patienceMs)
  t.notOk(mute.full(paceLimits.window))
  t.notOk(mute.full(10 * paceLimits.window))

  const { clock, pacing, word } = await rig()
  const pace = pacing.begin(file, ben)
  await word([paceRef(file, 8)])
  t.ok(pace.full(paceLimits.window + 8))
  clock.advance(paceLimits.patienceMs)
  t.notOk(pace.full(paceLimits.window + 8), 'some more')
  t.ok(pace.full(paceLimits.window + 16), 'and no more than that')
})

for (const together of [true, false])
  t.test(
    `a file to a reader at ${together ? 'the same' : 'another'} server waits while they read nothing, and arrives when they do`,
    async t => {
      const { mesh, ann, ben } = await annAndBen(t, { together })
      const chunks = () => mesh.network.wire.filter(({ from, text }) => from === ann.host.name && text.includes('"FILE_CHUNK"')).length
      const content = new Uint8Array(paceLimits.window * 446 * 24 + 50_000).fill(7)
      ann.files.readable.set('/notes.bin', content)
      // their program does not get to its work: its disk is busy
      ben.hold = true
      const sending = ann.client.sendFile(ben.id, '/notes.bin')
      await mesh.pass(5_000)
      const before = chunks()
      t.ok(before > 0 && before <= paceLimits.window, `${before} chunks`)
      ben.hold = false
      await mesh.until(() => ben.events.some(({ event }) => event === 'file'), 60_000, 'it arrived')
      t.ok(await sending)
      t.match(
        ben.events.find(({ event }) => event === 'file'),
        { size: content.length, verified: true },
      )
    },
  )

t.test('the end of a file that is a whole window ahead leaves as soon as its reader goes on', async t => {
  const { mesh, ann, ben } = await annAndBen(t, { together: true })
  ann.files.readable.set('/notes.bin', new Uint8Array(paceLimits.window * 446 * 24).fill(7))
  ben.hold = true
  const sending = ann.client.sendFile(ben.id, '/notes.bin')
  await mesh.pass(3_000)
  ben.hold = false
  await mesh.until(() => ben.events.some(({ event }) => event === 'file'), paceLimits.patienceMs / 2, 'it arrived')
  t.ok(await sending)
})
