/** Attacks on presence by admitted servers: forged, stolen, repeated and re-interpreted gossip (numbers as in the list of known attacks). */
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { isWellSigned, newId, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { canonical } from '../helpers/stock-crypto.ts'
import { delivered, isAbout, messagePayload, startStockMesh } from '../helpers/stock-mesh.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(7)

const {
  keyOf,
  home,
  away,
  evil,
  evilTells,
  evilSeq,
  evilAdvertises,
  evilAtHome,
  evilAtAway,
  readmitEvil,
  witness,
  witnessTells,
  alice,
  bob,
  mallory,
  alicesAdvertisement,
  bobsAdvertisement,
  barrier,
  gossipBarrier,
  homeOf,
  everybodyIsWhereTheyWere,
} = await startStockMesh(t)

t.test('3: gossip and deliveries that are unsigned, of an unknown server, or not signed by who is in from change nothing', async t => {
  const victims = [alice.id, bob.id]
  const ghost = newId()
  const before = [delivered(alice), delivered(bob)]
  for (const [link, honest] of [
    [evilAtHome(), home],
    [evilAtAway(), away],
  ] as const) {
    for (const user of victims) {
      for (const from of [away.id, home.id, newId()]) {
        const advertise = {
          type: 'USER_ADVERTISE',
          from,
          to: '*',
          payload: { user_id: ghost, server_id: from, meta: { pubkey: keyOf(7).text } },
        }
        const remove = { type: 'USER_REMOVE', from, to: '*', payload: { user_id: user, server_id: user === alice.id ? home.id : away.id } }
        const target = user === alice.id ? alice : bob
        const ts = Date.now()
        const deliver = {
          type: 'SERVER_DELIVER',
          from,
          to: honest.id,
          ts,
          payload: { user_id: user, sender: mallory.id, ...messagePayload(mallory, target, 'forged', ts) },
        }
        for (const frame of [advertise, remove, deliver]) {
          link.send({ ts: Date.now(), ...frame })
          link.send({ ts: Date.now(), ...frame, sig: '' })
          link.send(signedText(evil.key, frame))
        }
      }
    }
    // a budget of refusals may have closed that link by now: the honest one of the listener tells whether anything spread
    const user = newId()
    witnessTells(witness.signed('USER_ADVERTISE', '*', { user_id: user, server_id: witness.id, meta: { pubkey: keyOf(8).text } }))
    for (const seer of [alice, bob]) await seer.socket.waitFor(isAbout('USER_ADVERTISE', user))
  }
  await barrier()
  await barrier(bob, alice)
  t.same([delivered(alice), delivered(bob)], [(before[0] ?? 0) + 1, (before[1] ?? 0) + 1])
  await everybodyIsWhereTheyWere(t)
  t.equal(await homeOf(bob, ghost), undefined)
  t.notOk(
    witness.heard.some(frame => frame.payload.user_id === ghost),
    'nothing of it was passed on',
  )
})

t.test(
  '4 and 13: a relay vouches for nobody: what it passes on is as the origin signed it, and what does not verify is not passed on',
  async t => {
    // the flood above may have cost evil its links
    await readmitEvil()
    const liar = newId()
    const payload = { user_id: liar, server_id: evil.id, meta: { pubkey: keyOf(7).text, display_name: 'liar' } }
    evilAtHome().send(signedText(keyOf(9), { type: 'USER_ADVERTISE', from: evil.id, to: '*', payload }))
    await gossipBarrier()
    t.notOk(witness.heard.some(isAbout('USER_ADVERTISE', liar)))
    t.equal(await homeOf(alice, liar), undefined)

    const honest = newId()
    const text = evilAdvertises(honest)
    evilTells(text)
    const heard = await witness.waitFor(isAbout('USER_ADVERTISE', honest))
    t.equal(heard.from, evil.id)
    t.equal(heard.sig, (JSON.parse(text) as Heard).sig)
    t.equal(heard.payloadText, canonical((JSON.parse(text) as Heard).payload))
    t.ok(isWellSigned(evil.keyText, heard), "the origin's key verifies it, not the link's")
  },
)

t.test("5: an advertisement cannot move somebody else's user", async t => {
  const sequenced = () => ({ extras: { seq: evilSeq() } })
  for (const [link, server] of [
    [evilAtHome(), home],
    [evilAtAway(), away],
  ] as const) {
    for (const [user, key] of [
      [alice.id, alice.keyText],
      [bob.id, bob.keyText],
      [alice.id, evil.keyText],
      [bob.id, evil.keyText],
    ] as const) {
      const local = user === alice.id ? server === home : server === away
      // a user who really moved looks the same as one who was taken, unless they are attached right here or their key differs
      if (local || key === evil.keyText)
        link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta: { pubkey: key, ...sequenced() } }))
      link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: home.id, meta: { pubkey: key, ...sequenced() } }))
      link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: away.id, meta: { pubkey: key, ...sequenced() } }))
    }
  }
  await gossipBarrier()
  t.equal(await homeOf(alice, alice.id), home.id)
  t.equal(await homeOf(bob, bob.id), away.id)
  await barrier(alice, mallory)
  await barrier(mallory, alice)
})

t.test('6: a removal by another server does not remove a user, nor close a live session', async t => {
  for (const link of [evilAtHome(), evilAtAway()]) {
    for (const user of [alice.id, bob.id]) {
      for (const server of [evil.id, home.id, away.id]) {
        link.send(evil.signed('USER_REMOVE', '*', { user_id: user, server_id: server }))
        link.send(evil.signed('USER_REMOVE', '*', { user_id: user, server_id: server, seq: evilSeq() }))
      }
    }
  }
  await gossipBarrier()
  t.notOk(alice.socket.isClosed() || bob.socket.isClosed())
  t.equal(await homeOf(alice, alice.id), home.id)
  t.equal(await homeOf(bob, bob.id), away.id)
  const isVictim = ({ type, payload }: Heard): boolean => type === 'USER_REMOVE' && [alice.id, bob.id].includes(String(payload.user_id))
  // evil may take back its own claim
  t.same(
    witness.heard.filter(frame => isVictim(frame) && frame.payload.server_id !== evil.id).map(frame => frame.text),
    [],
  )
})

t.test('7: a signature has one meaning: an advertisement is no removal, a heartbeat is nothing else', async t => {
  const asFrame = ({ text }: Heard, changed: object): string =>
    JSON.stringify({ ...(JSON.parse(text) as object), ts: Date.now(), ...changed })
  for (const [link, heard] of [
    [evilAtAway(), alicesAdvertisement],
    [evilAtHome(), bobsAdvertisement],
  ] as const) {
    link.send(asFrame(heard, { type: 'USER_REMOVE' }))
    link.send(asFrame(heard, { type: 'SERVER_ANNOUNCE' }))
  }
  // a stock server's advertisement without meta is, byte for byte, what a removal of it signs
  const user = newId()
  const advertisement = witness.signed('USER_ADVERTISE', '*', { user_id: user, server_id: witness.id, meta: { pubkey: keyOf(7).text } })
  witnessTells(advertisement)
  await bob.socket.waitFor(isAbout('USER_ADVERTISE', user))
  for (const tell of [evilTells, witnessTells])
    tell(JSON.stringify({ ...(JSON.parse(advertisement) as object), type: 'USER_REMOVE', ts: Date.now() }))
  evilAtHome().send(evil.signed('HEARTBEAT', home.id, {}))
  const beat = evil.signed('HEARTBEAT', home.id, {})
  for (const type of ['USER_REMOVE', 'USER_ADVERTISE', 'SERVER_ANNOUNCE', 'SERVER_DELIVER'])
    evilAtHome().send(beat.replace('HEARTBEAT', type))
  await gossipBarrier()
  t.equal(await homeOf(bob, user), witness.id, 'the advertised one is still there')
  await everybodyIsWhereTheyWere(t)
})

t.test('7: an old advertisement, or one sent back later, does not bring a user back who has left', async t => {
  const guest = await attachFrameUser({ url: home.url, key: keyOf(9), name: 'guest' })
  const advertised = await witness.waitFor(isAbout('USER_ADVERTISE', guest.id))
  guest.socket.send(signedText(guest.key, { type: 'CTRL_CLOSE', from: guest.id, to: home.id, payload: {} }))
  await bob.socket.waitFor(isAbout('USER_REMOVE', guest.id))
  for (const tell of [evilTells, witnessTells]) {
    tell(advertised.text)
    tell(JSON.stringify({ ...(JSON.parse(advertised.text) as object), ts: Date.now() }))
  }
  await gossipBarrier()
  t.equal(await homeOf(bob, guest.id), undefined)
  t.equal(await homeOf(alice, guest.id), undefined)
})

t.test('12: in an idle mesh nothing circulates: a change is heard a bounded number of times', async t => {
  const user = newId()
  evilTells(evilAdvertises(user))
  await witness.waitFor(isAbout('USER_ADVERTISE', user))
  for (let n = 0; n < 5; n += 1) await gossipBarrier()
  const copies = witness.heard.filter(isAbout('USER_ADVERTISE', user)).length
  t.ok(copies <= 4, `${String(copies)} copies over ${String(witness.accepted.length + 1)} sockets`)
  t.equal(alice.socket.heard.filter(isAbout('USER_ADVERTISE', user)).length, 1)
  t.equal(bob.socket.heard.filter(isAbout('USER_ADVERTISE', user)).length, 1)
})
