/** Attacks on who is at the other end: replayed hellos, borrowed and bent proofs. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { attachFrameUser, userHello } from '../helpers/frame-client-user.ts'
import { newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { startStockPair } from '../helpers/stock-pair.ts'
import { startStockServer } from '../helpers/stock-server.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(4)
const { home, away, keyOf } = await startStockPair(t)
const witness = await startStockServer({ key: keyOf(2) })
t.teardown(() => witness.close())
const { socket } = await witness.join(home.url)
socket.send(witness.announcement())
const announced = await witness.waitFor(frame => frame.type === 'SERVER_ANNOUNCE' && frame.from === away.id)
const alice = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'alice', caps: ['proof', 'ack'] })
const bob = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'bob', caps: ['proof', 'ack'] })
t.teardown(() => {
  for (const user of [alice, bob]) user.socket.webSocket.terminate()
})
await alice.socket.waitFor(frame => frame.type === 'USER_ADVERTISE' && frame.payload.user_id === bob.id)

t.test("a member's announcement, recorded and sent again by a stranger, gets nothing and displaces nobody", async t => {
  const later = { ...(JSON.parse(announced.text) as object), ts: Date.now() }
  const copies = [announced.text, JSON.stringify(later), JSON.stringify({ ...later, to: '*' })]
  const hellos = ['SERVER_HELLO_LINK', 'PEER_HELLO_LINK'].flatMap(type => [
    JSON.stringify({ ...later, type }),
    JSON.stringify({ ...later, type, sig: undefined }),
    JSON.stringify({ ...later, type, payload: { host: away.host, port: away.port, pubkey: away.pubkey }, sig: undefined }),
  ])
  const since = home.mark()
  const strangers = await Promise.all(
    [...copies, ...hellos].map(async text => {
      const stranger = await openFrameSocket(home.url)
      stranger.send(text)
      stranger.send({
        type: 'CHALLENGE',
        from: away.id,
        to: home.id,
        ts: Date.now(),
        payload: { nonce: randomBytes(32).toString('base64url') },
      })
      return stranger
    }),
  )
  alice.socket.send(alice.direct({ id: bob.id, keyText: bob.keyText }, 'to bob alone'))
  await bob.socket.waitFor(frame => frame.type === 'USER_DELIVER' && bob.read(frame) === 'to bob alone')
  const moved = await attachFrameUser({ url: home.url, key: keyOf(6), name: 'gossiped' })
  await bob.socket.waitFor(frame => frame.type === 'USER_ADVERTISE' && frame.payload.user_id === moved.id)
  await Promise.all(strangers.map(stranger => stranger.closed))
  for (const stranger of strangers) {
    t.same(
      stranger.heard
        .map(frame => frame.type)
        .filter(type => !['SERVER_ANNOUNCE', 'CHALLENGE', 'PROOF', 'ERROR', 'CTRL_CLOSE'].includes(type)),
      [],
    )
  }
  t.notOk(
    home.events.slice(since).some(event => 'server_id' in event && event.server_id === away.id),
    'the link to the member never changed',
  )
  await moved.socket.close()
})

t.test('a proof for another nonce, verifier, prover, role or key, or one used before, does not attach anybody', async t => {
  const hello = async (id: string) => {
    const stranger = await openFrameSocket(home.url)
    stranger.send(userHello({ id, key: keyOf(7), name: 'prover', caps: ['proof'] }))
    return { stranger, challenge: await stranger.waitFor('CHALLENGE') }
  }
  const used: string[] = []
  {
    const id = newId()
    const { stranger, challenge } = await hello(id)
    const payload = { nonce: challenge.payload.nonce, prover: id, verifier: home.id, role: 'user' }
    const proof = signedText(keyOf(7), { type: 'PROOF', from: id, to: home.id, payload })
    stranger.send({ type: 'CHALLENGE', from: id, to: home.id, ts: Date.now(), payload: { nonce: randomBytes(32).toString('base64url') } })
    stranger.send(proof)
    t.ok(await stranger.waitFor('ACK'), 'the right one does')
    used.push(proof)
    await stranger.close()
  }
  type Bend = (challenge: Heard, id: string) => string
  const right = (challenge: Heard, id: string) => ({ nonce: challenge.payload.nonce, prover: id, verifier: home.id, role: 'user' })
  const proof = (id: string, payload: object, key = keyOf(7)): string =>
    signedText(key, { type: 'PROOF', from: id, to: home.id, payload: { ...payload } })
  const bends: readonly (readonly [string, Bend])[] = [
    ['another nonce', (challenge, id) => proof(id, { ...right(challenge, id), nonce: randomBytes(32).toString('base64url') })],
    ['another verifier', (challenge, id) => proof(id, { ...right(challenge, id), verifier: away.id })],
    ['another prover', (challenge, id) => proof(id, { ...right(challenge, id), prover: newId() })],
    ['the role of a server', (challenge, id) => proof(id, { ...right(challenge, id), role: 'server' })],
    ['another key', (challenge, id) => proof(id, right(challenge, id), keyOf(8))],
    [
      'no signature',
      (challenge, id) => JSON.stringify({ type: 'PROOF', from: id, to: home.id, ts: Date.now(), payload: right(challenge, id) }),
    ],
    ['one used before', () => used[0] ?? ''],
  ]
  for (const [name, bend] of bends) {
    const id = newId()
    const { stranger, challenge } = await hello(id)
    stranger.send({ type: 'CHALLENGE', from: id, to: home.id, ts: Date.now(), payload: { nonce: randomBytes(32).toString('base64url') } })
    stranger.send(bend(challenge, id))
    const refused = await stranger.refusal()
    t.ok(refused, `${name} is answered`)
    t.notOk(
      stranger.heard.some(frame => frame.type === 'ACK'),
      name,
    )
    await stranger.close()
    t.notOk(
      (await alice.list()).some(entry => entry.user_id === id),
      `${name} attaches nobody`,
    )
  }
})

t.test("each challenge is new, and the server's proof names both ends", async t => {
  const nonces = new Set<unknown>()
  for (let n = 0; n < 5; n += 1) {
    const user = await attachFrameUser({ url: home.url, key: keyOf(7), name: 'counter', caps: ['proof'] })
    nonces.add(user.greeting.find(frame => frame.type === 'CHALLENGE')?.payload.nonce)
    await user.socket.close()
  }
  t.equal(nonces.size, 5)
})

t.test('an id that proved itself once is not given to a hello without proof, not even with its key and when it has left', async t => {
  const id = newId()
  const owner = await attachFrameUser({ url: home.url, key: keyOf(7), name: 'owner', id, caps: ['proof'] })
  owner.socket.send(signedText(owner.key, { type: 'CTRL_CLOSE', from: id, to: home.id, payload: {} }))
  await alice.socket.waitFor(frame => frame.type === 'USER_REMOVE' && frame.payload.user_id === id)
  const stranger = await openFrameSocket(home.url)
  // anybody who saw the hello of a stock session could send it
  stranger.send(userHello({ id, key: keyOf(7), name: 'replayed' }))
  const refused = await stranger.refusal()
  t.match(refused?.payload, { code: 'NAME_IN_USE' })
  const back = await attachFrameUser({ url: home.url, key: keyOf(7), name: 'owner', id, caps: ['proof'] })
  t.equal(back.serverId, home.id)
  await back.socket.close()
})
