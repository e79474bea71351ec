/** Attacks that cost their author nothing and us a signature each, the dearest thing that a node has. */
import t from 'tap'
import { createIntruder } from '../helpers/intruder.ts'
import { createMesh } from '../server/mesh.ts'
import { attachUser, userId } from '../server/user.ts'

t.test('asking the same question again costs no signature', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const asker = await createIntruder(mesh, 4, userId(4))
  const other = await attachUser(mesh, home, 5)
  const user = await asker.dial(home)
  // a stock user, whose hello and questions need no signature of their own
  user.send(asker.unsigned('USER_HELLO', '*', { client: 'stock', pubkey: asker.pubkey, meta: {} }))
  await user.hear('ACK')
  await mesh.quiet()
  const before = mesh.crypto.signed()
  for (let n = 0; n < 100; n += 1) {
    user.send(asker.unsigned('LIST_REQUEST', home.id, { n }))
    user.send(asker.unsigned('PUBKEY_REQUEST', home.id, { user_id: other.id, n }))
  }
  await mesh.pass(3_000)
  const answers = (type: string): number => user.heard.filter(frame => frame.type === type).length
  t.same([answers('LIST_RESPONSE'), answers('PUBKEY_RESPONSE')], [100, 100], 'all are answered')
  const cost = mesh.crypto.signed() - before
  t.ok(cost <= 2, 'with a signature for each different answer', { cost })
})

t.test('strangers who only want a proof signed do not hold up the messages of members', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const sender = await attachUser(mesh, home, 4)
  const reader = await attachUser(mesh, home, 5)
  const strangers = await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      const stranger = await createIntruder(mesh, 6, `stranger-${n}`)
      return { stranger, socket: await stranger.dial(home) }
    }),
  )
  const since = mesh.network.wire.length
  for (const { stranger, socket } of strangers) {
    const hello = { client: 'x', pubkey: stranger.pubkey, meta: {}, caps: ['proof'] }
    socket.send(stranger.unsigned('USER_HELLO', '*', hello), stranger.unsigned('CHALLENGE', '*', { nonce: 'A'.repeat(43) }))
  }
  await sender.send('MSG_DIRECT', reader.id, { ciphertext: 'AAAA', content_sig: 'A'.repeat(683) })
  await mesh.pass(1_000)
  const left = mesh.network.wire.slice(since).filter(({ from }) => from === home.name)
  const at = left.findIndex(({ text }) => text.includes('"type":"USER_DELIVER"'))
  const proofsBefore = left.slice(0, at).filter(({ text }) => text.includes('"type":"PROOF"')).length
  const proofs = left.filter(({ text }) => text.includes('"type":"PROOF"')).length
  t.equal(proofs, 60, 'each stranger gets its proof')
  t.ok(at >= 0 && proofsBefore < 20, 'the message did not wait for them', { proofsBefore })
})
