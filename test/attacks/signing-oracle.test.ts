/** Attacks on what a server signs for others: whoever chooses what stands in a signed payload chooses what the signature means. */
import t from 'tap'
import { payloads } from '../../src/protocol/payloads.ts'
import { admitStock } from '../helpers/intruder.ts'
import { createMesh, idOf, startPair } from '../server/mesh.ts'
import { attachUser, type HeardFrame, userId } from '../server/user.ts'

/** What an attacker would like to have signed by a server, all at once: each of these would be a whole payload of another frame. */
const smuggled = (server: string, victim: string) => ({
  // USER_REMOVE, USER_ADVERTISE
  user_id: victim,
  server_id: server,
  seq: [9_007_199_254_740_991, 1],
  meta: { display_name: 'not me', extras: { seq: [9_007_199_254_740_991, 1] } },
  pubkey: 'their own',
  // PROOF
  nonce: 'A'.repeat(43),
  prover: server,
  verifier: idOf(7),
  role: 'server',
  // SERVER_WELCOME
  assigned_id: idOf(7),
  servers: [],
  voucher: {},
})
const COVETED = ['USER_REMOVE', 'USER_ADVERTISE', 'PROOF', 'SERVER_WELCOME', 'SERVER_VOUCH', 'PUBKEY_RESPONSE', 'LIST_RESPONSE'] as const

const content = (sender: string) => ({ ciphertext: 'AAAA', content_sig: 'A'.repeat(683), note: sender })
const frames = (to: string) =>
  [
    ['MSG_DIRECT', to, {}],
    ['MSG_PUBLIC_CHANNEL', to, { group_id: 'public' }],
    ['MSG_PUBLIC_CHANNEL', 'public', { group_id: 'public' }],
    ['FILE_START', to, { file_id: 'f', name: 'n', size: 4, mode: 'dm' }],
    ['FILE_CHUNK', to, { file_id: 'f', index: 0 }],
    ['FILE_END', to, { file_id: 'f' }],
  ] as const

const meanings = (frame: HeardFrame): readonly string[] => COVETED.filter(type => payloads[type].safeParse(frame.payload).success)
const carriesContent = (frame: HeardFrame): boolean => /DELIVER|^MSG_|^FILE_/.test(frame.type)

t.test("a user's content cannot make their server sign a removal, an advertisement, a proof or a key of somebody else", async t => {
  const mesh = createMesh(t)
  const [home, away] = await startPair(mesh)
  const mallory = await attachUser(mesh, home, 4)
  const here = await attachUser(mesh, home, 5)
  const there = await attachUser(mesh, away, 6)
  await mesh.until(() => mesh.view(home).directory.length === 3, 5_000, 'all three are known')
  const victim = userId(9)
  for (const accomplice of [here, there]) {
    const from = mesh.network.wire.length
    for (const [type, to, fields] of frames(accomplice.id))
      await mallory.send(type, to, { ...smuggled(home.id, victim), ...content(`${type} ${to} ${accomplice.id}`), ...fields })
    await mesh.pass(1_000)
    const signedByHome = mesh.network.wire
      .slice(from)
      .map(({ text }) => ({ ...(JSON.parse(text) as HeardFrame), text }))
      .filter(frame => frame.from === home.id && carriesContent(frame))
    t.ok(signedByHome.length >= 6, 'all of it was passed on', { types: signedByHome.map(frame => frame.type) })
    for (const frame of signedByHome) t.same(meanings(frame), [], `${frame.type} means nothing else`)
    for (const { payload } of signedByHome) t.not(payload['user_id'], victim)
  }
})

t.test("a member's delivery cannot make the recipient's server sign them either", async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const accomplice = await attachUser(mesh, home, 5)
  const { server, link } = await admitStock(mesh, home, 2, idOf(2), 9_500)
  const sender = userId(8)
  link.send(await server.signed('USER_ADVERTISE', '*', { user_id: sender, server_id: server.id, meta: { pubkey: server.pubkey } }))
  await mesh.quiet()
  for (const [type, , fields] of frames(accomplice.id)) {
    const payload = { ...smuggled(home.id, userId(9)), ...content(type), ...fields, sender, user_id: accomplice.id, inner_type: type }
    link.send(await server.signed('SERVER_DELIVER', home.id, payload))
  }
  const toAll = { ...smuggled(home.id, userId(9)), ...content('all'), sender, group_id: 'public' }
  link.send(
    await server.signed('MSG_PUBLIC_CHANNEL', '*', toAll),
    await server.signed('MSG_PUBLIC_CHANNEL', accomplice.id, { ...toAll, note: 'one' }),
  )
  await mesh.pass(1_000)
  const got = accomplice.heard.filter(carriesContent)
  t.ok(got.length >= 6, 'all of it was delivered', { types: got.map(frame => frame.type) })
  for (const frame of got) t.same(meanings(frame), [], `${frame.type} means nothing else`)
})

t.test('what content signatures of stock clients need comes through', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const sender = await attachUser(mesh, home, 4)
  const reader = await attachUser(mesh, home, 5)
  const times = { msg_ts: 1, orig_ts: 2, cts: 3, ts_ms: 4, ts: 5 }
  await sender.send('MSG_DIRECT', reader.id, { ciphertext: 'AAAA', content_sig: 'A'.repeat(683), public: true, ...times })
  await mesh.pass(1_000)
  t.match(reader.heard.find(frame => frame.type === 'USER_DELIVER')?.payload, { ...times, public: true, sender: sender.id })
})
