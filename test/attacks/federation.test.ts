/** Attacks on the mesh by admitted servers, strangers and replays (numbers are those of the list of known attacks). */
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import type { FrameUser } from '../helpers/frame-client-user.ts'
import { isWellSigned, newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import type { ServeOptions } from '../helpers/processes.ts'
import { canonical, directContent, seal, signText, stockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 12 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const startServer = (n: number, options: ServeOptions = {}) => {
  const data = rig.place('server')
  writeIdentity(data, newId(), keyOf(n))
  return rig.serve({ data, ...options })
}
const home = await startServer(0)
const away = await startServer(1, { bootstrap: [home] })
await home.waitFor('linked', event => event.server_id === away.id)

/** An admitted server that will lie, and one that only listens. */
const evil = await startStockServer({ key: keyOf(2) })
const witness = await startStockServer({ key: keyOf(3) })
t.teardown(() => Promise.all([evil.close(), witness.close()]))
const evilAtHome = (await evil.join(home.url)).socket
evilAtHome.send(evil.announcement())
const witnessAtHome = (await witness.join(home.url)).socket
witnessAtHome.send(witness.announcement())
for (const server of [home, away]) for (const guest of [evil, witness]) await server.waitFor('linked', event => event.server_id === guest.id)
const evilAtAway = await evil.link(away.url)

const alice = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'alice' })
const bob = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'bob' })
const mallory = await attachFrameUser({ url: home.url, key: keyOf(6), name: 'mallory' })
t.teardown(() => Promise.all([alice, bob, mallory].map(user => user.socket.close())))
const recipient = (user: FrameUser) => ({ id: user.id, keyText: user.keyText })
const isAbout = (type: string, user: string) => (frame: Heard) => frame.type === type && frame.payload.user_id === user
const bobsAdvertisement = await witness.waitFor(isAbout('USER_ADVERTISE', bob.id))
const alicesAdvertisement = await witness.waitFor(isAbout('USER_ADVERTISE', alice.id))

/** An honest message all the way from one user to another: whatever was sent before it on this path has been handled. */
let barriers = 0
const barrier = async (from = alice, to = bob): Promise<void> => {
  barriers += 1
  const text = `barrier ${String(barriers)}`
  from.socket.send(from.direct(recipient(to), text))
  await to.socket.waitFor(frame => frame.type === 'USER_DELIVER' && to.read(frame) === text, { what: text })
}
/** An honest advertisement of a new user from evil: what evil sent before it on this link has been handled and gossiped. */
const gossipBarrier = async (link = evilAtHome): Promise<void> => {
  const user = newId()
  link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta: { pubkey: keyOf(7).text, display_name: 'barrier' } }))
  await witness.waitFor(isAbout('USER_ADVERTISE', user), { what: 'the gossip barrier at the witness' })
  for (const seer of [alice, bob]) await seer.socket.waitFor(isAbout('USER_ADVERTISE', user), { what: `the gossip barrier at ${seer.name}` })
  link.send(evil.signed('USER_REMOVE', '*', { user_id: user, server_id: evil.id }))
  for (const seer of [alice, bob]) await seer.socket.waitFor(isAbout('USER_REMOVE', user), { what: `the removal at ${seer.name}` })
}
const homeOf = async (seer: FrameUser, user: string): Promise<unknown> => (await seer.list()).find(entry => entry.user_id === user)?.server_id
const delivered = (user: FrameUser): number => user.socket.heard.filter(frame => frame.type === 'USER_DELIVER').length
const messagePayload = (from: FrameUser, to: FrameUser, text: string, ts: number, key = from.key): Record<string, unknown> => {
  const ciphertext = seal(to.keyText, text)
  return { ciphertext, sender_pub: key.text, content_sig: signText(key, directContent(ciphertext, from.id, to.id, ts)) }
}
const everybodyIsWhereTheyWere = async (t: import('tap').Test): Promise<void> => {
  for (const seer of [alice, bob]) {
    t.equal(await homeOf(seer, alice.id), home.id, `${seer.name} sees alice at home`)
    t.equal(await homeOf(seer, bob.id), away.id, `${seer.name} sees bob away`)
  }
}

t.test("1: a message from a socket that never said hello, in somebody's name, goes nowhere", async t => {
  await barrier()
  const before = delivered(bob)
  const ts = Date.now()
  for (const key of [mallory.key, undefined]) {
    const stranger = await openFrameSocket(home.url)
    const frame = { type: 'MSG_DIRECT', from: alice.id, to: bob.id, ts, payload: messagePayload(alice, bob, 'not alice', ts, mallory.key) }
    stranger.send(key === undefined ? frame : signedText(key, frame))
    await stranger.closed
    t.notOk(stranger.heard.some(heard => heard.type !== 'ERROR'))
  }
  await barrier()
  t.equal(delivered(bob), before + 1)
})

t.test('2: a frame sent again is delivered once, whatever of ts, to and type was changed, and after many others', async t => {
  const before = delivered(bob)
  const text = alice.direct(recipient(bob), 'once only')
  const frame = JSON.parse(text) as Heard
  alice.socket.send(text)
  alice.socket.send(text)
  for (const changed of [{ ts: frame.ts + 1 }, { ts: frame.ts - 1000 }, { type: 'MSG_PRIVATE' }, { type: 'MSG_PUBLIC_CHANNEL' }]) {
    alice.socket.send({ ...frame, ...changed, text: undefined, payloadText: undefined })
  }
  await barrier()
  const texts = bob.socket.heard.filter(heard => heard.type === 'USER_DELIVER').slice(before).map(heard => bob.read(heard))
  t.same(texts.filter(text => text === 'once only').length, 1)

  const toMallory = delivered(mallory)
  alice.socket.send({ ...frame, to: mallory.id })
  await barrier(alice, mallory)
  t.equal(delivered(mallory), toMallory + 1, 'nor to somebody else')

  const now = delivered(bob)
  for (let n = 0; n < 100; n += 1) await alice.list()
  alice.socket.send(text)
  await barrier()
  t.equal(delivered(bob), now + 1, 'nor after many others')
})

t.test('3: gossip and deliveries that are unsigned, of an unknown server, or not signed by who is in from change nothing', async t => {
  const victims = [alice.id, bob.id]
  const ghost = newId()
  const before = [delivered(alice), delivered(bob)]
  for (const [link, honest] of [[evilAtHome, home], [evilAtAway, away]] as const) {
    for (const user of victims) {
      for (const from of [away.id, home.id, newId()]) {
        const advertise = { type: 'USER_ADVERTISE', from, to: '*', payload: { user_id: ghost, server_id: from, meta: { pubkey: keyOf(7).text } } }
        const remove = { type: 'USER_REMOVE', from, to: '*', payload: { user_id: user, server_id: user === alice.id ? home.id : away.id } }
        const target = user === alice.id ? alice : bob
        const ts = Date.now()
        const deliver = { type: 'SERVER_DELIVER', from, to: honest.id, ts, payload: { user_id: user, sender: mallory.id, ...messagePayload(mallory, target, 'forged', ts) } }
        for (const frame of [advertise, remove, deliver]) {
          link.send({ ts: Date.now(), ...frame })
          link.send({ ts: Date.now(), ...frame, sig: '' })
          link.send(signedText(evil.key, frame))
        }
      }
    }
    // a budget of refusals may have closed that link by now: the honest one of the listener tells whether anything spread
    const user = newId()
    witnessAtHome.send(witness.signed('USER_ADVERTISE', '*', { user_id: user, server_id: witness.id, meta: { pubkey: keyOf(8).text } }))
    for (const seer of [alice, bob]) await seer.socket.waitFor(isAbout('USER_ADVERTISE', user))
  }
  await barrier()
  await barrier(bob, alice)
  t.same([delivered(alice), delivered(bob)], [(before[0] ?? 0) + 1, (before[1] ?? 0) + 1])
  await everybodyIsWhereTheyWere(t)
  t.equal(await homeOf(bob, ghost), undefined)
  t.notOk(witness.heard.some(frame => frame.payload.user_id === ghost), 'nothing of it was passed on')
})

// the flood above may have cost evil its links: it comes back as it came
const evilAgain = (await evil.join(home.url)).socket
evilAgain.send(evil.announcement())
const evilAgainAtAway = await evil.link(away.url)

t.test('4 and 13: a relay vouches for nobody: what it passes on is as the origin signed it, and what does not verify is not passed on', async t => {
  const liar = newId()
  const payload = { user_id: liar, server_id: evil.id, meta: { pubkey: keyOf(7).text, display_name: 'liar' } }
  evilAgain.send(signedText(keyOf(9), { type: 'USER_ADVERTISE', from: evil.id, to: '*', payload }))
  await gossipBarrier(evilAgain)
  t.notOk(witness.heard.some(isAbout('USER_ADVERTISE', liar)))
  t.equal(await homeOf(alice, liar), undefined)

  const honest = newId()
  const text = evil.signed('USER_ADVERTISE', '*', { user_id: honest, server_id: evil.id, meta: { pubkey: keyOf(7).text, display_name: 'honest' } })
  evilAgain.send(text)
  const heard = await witness.waitFor(isAbout('USER_ADVERTISE', honest))
  t.equal(heard.from, evil.id)
  t.equal(heard.sig, (JSON.parse(text) as Heard).sig)
  t.equal(heard.payloadText, canonical((JSON.parse(text) as Heard).payload))
  t.ok(isWellSigned(evil.keyText, heard), "the origin's key verifies it, not the link's")
})

t.test("5: an advertisement cannot move somebody else's user", async t => {
  const sequenced = (epoch: number) => ({ extras: { seq: [epoch, 1] } })
  for (const [link, server] of [[evilAgain, home], [evilAgainAtAway, away]] as const) {
    for (const [user, key] of [[alice.id, alice.keyText], [bob.id, bob.keyText], [alice.id, evil.keyText], [bob.id, evil.keyText]] as const) {
      const local = user === alice.id ? server === home : server === away
      // a user who really moved looks the same as one who was taken, unless they are attached right here or their key differs
      if (local || key === evil.keyText) link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta: { pubkey: key, ...sequenced(99) } }))
      link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: home.id, meta: { pubkey: key, ...sequenced(99) } }))
      link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: away.id, meta: { pubkey: key, ...sequenced(99) } }))
    }
  }
  await gossipBarrier(evilAgain)
  t.equal(await homeOf(alice, alice.id), home.id)
  t.equal(await homeOf(bob, bob.id), away.id)
  await barrier(alice, mallory)
  await barrier(mallory, alice)
})

t.test('6: a removal by another server does not remove a user, nor close a live session', async t => {
  for (const link of [evilAgain, evilAgainAtAway]) {
    for (const user of [alice.id, bob.id]) {
      for (const server of [evil.id, home.id, away.id]) {
        link.send(evil.signed('USER_REMOVE', '*', { user_id: user, server_id: server }))
        link.send(evil.signed('USER_REMOVE', '*', { user_id: user, server_id: server, seq: [99, 99] }))
      }
    }
  }
  await gossipBarrier(evilAgain)
  t.notOk(alice.socket.isClosed() || bob.socket.isClosed())
  t.equal(await homeOf(alice, alice.id), home.id)
  t.equal(await homeOf(bob, bob.id), away.id)
  t.notOk(witness.heard.some(frame => frame.type === 'USER_REMOVE' && [alice.id, bob.id].includes(String(frame.payload.user_id))))
})

t.test('7: a signature has one meaning: an advertisement is no removal, a heartbeat is nothing else', async t => {
  const asFrame = ({ text }: Heard, changed: object): string => JSON.stringify({ ...(JSON.parse(text) as object), ts: Date.now(), ...changed })
  for (const [link, heard] of [[evilAgainAtAway, alicesAdvertisement], [evilAgain, bobsAdvertisement]] as const) {
    link.send(asFrame(heard, { type: 'USER_REMOVE' }))
    link.send(asFrame(heard, { type: 'SERVER_ANNOUNCE' }))
  }
  // a stock server's advertisement without meta is, byte for byte, what a removal of it signs
  const user = newId()
  const advertisement = evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta: { pubkey: keyOf(7).text } })
  evilAgain.send(advertisement)
  await bob.socket.waitFor(isAbout('USER_ADVERTISE', user))
  witnessAtHome.send(JSON.stringify({ ...(JSON.parse(advertisement) as object), type: 'USER_REMOVE', ts: Date.now() }))
  evilAgain.send(evil.signed('HEARTBEAT', home.id, {}))
  const beat = evil.signed('HEARTBEAT', home.id, {})
  for (const type of ['USER_REMOVE', 'USER_ADVERTISE', 'SERVER_ANNOUNCE', 'SERVER_DELIVER']) evilAgain.send(beat.replace('HEARTBEAT', type))
  await gossipBarrier(evilAgain)
  t.equal(await homeOf(bob, user), evil.id, 'the advertised one is still there')
  await everybodyIsWhereTheyWere(t)
})

t.test('7: an old advertisement, or one sent back later, does not bring a user back who has left', async t => {
  const guest = await attachFrameUser({ url: home.url, key: keyOf(9), name: 'guest' })
  const advertised = await witness.waitFor(isAbout('USER_ADVERTISE', guest.id))
  guest.socket.send(signedText(guest.key, { type: 'CTRL_CLOSE', from: guest.id, to: home.id, payload: {} }))
  await bob.socket.waitFor(isAbout('USER_REMOVE', guest.id))
  for (const link of [evilAgain, evilAgainAtAway, witnessAtHome]) {
    link.send(advertised.text)
    link.send(JSON.stringify({ ...(JSON.parse(advertised.text) as object), ts: Date.now() }))
  }
  await gossipBarrier(evilAgain)
  t.equal(await homeOf(bob, guest.id), undefined)
  t.equal(await homeOf(alice, guest.id), undefined)
})

t.test('8: a known server is not announced or joined again under another key, nor its key under another id', async t => {
  const since = [home.mark(), away.mark()]
  const hello = (type: string, from: string, key = keyOf(9), pubkey = key.text): string =>
    signedText(key, { type, from, to: type === 'SERVER_ANNOUNCE' ? '*' : `${home.host}:${String(home.port)}`, payload: { host: '127.0.0.1', port: evil.port, pubkey } })
  for (const type of ['SERVER_HELLO_JOIN', 'SERVER_ANNOUNCE', 'SERVER_HELLO_LINK', 'PEER_HELLO_LINK']) {
    const cases: readonly (readonly [string, string])[] = [
      ["another's id with the own key", hello(type, away.id)],
      ["another's id and key, signed by the own", hello(type, away.id, keyOf(9), away.pubkey)],
      ["the introducer's id with the own key", hello(type, home.id)],
      ["another's key under a new id, signed by the own", hello(type, newId(), keyOf(9), away.pubkey)],
      ["an admitted one's key under a new id, signed by it", hello(type, newId(), keyOf(2))],
    ]
    for (const [name, text] of cases) {
      const socket = await openFrameSocket(home.url)
      socket.send(text)
      const answer = await socket.waitFor(frame => ['ERROR', 'SERVER_WELCOME', 'SERVER_ANNOUNCE'].includes(frame.type), { what: `${type}: a refusal of ${name}` })
      t.equal(answer.type, 'ERROR', `${type}: ${name}`)
      t.match(answer.payload.code, /^(BAD_KEY|INVALID_SIG|NAME_IN_USE)$/, `${type}: ${name}`)
      await socket.close()
    }
  }
  await barrier()
  await barrier(bob, alice)
  t.notOk(home.events.slice(since[0]).some(event => event.event === 'unlinked' && event.server_id === away.id), 'the honest link never broke')
})

t.test('12: in an idle mesh nothing circulates: a change is heard a bounded number of times', async t => {
  const user = newId()
  evilAgain.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta: { pubkey: keyOf(7).text } }))
  await witness.waitFor(isAbout('USER_ADVERTISE', user))
  for (let n = 0; n < 5; n += 1) await gossipBarrier(evilAgain)
  const copies = witness.heard.filter(isAbout('USER_ADVERTISE', user)).length
  t.ok(copies <= 4, `${String(copies)} copies over ${String(witness.accepted.length + 1)} sockets`)
  t.equal(alice.socket.heard.filter(isAbout('USER_ADVERTISE', user)).length, 1)
  t.equal(bob.socket.heard.filter(isAbout('USER_ADVERTISE', user)).length, 1)
})

t.test('14: one id, two keys: the second is refused on every server, however they race', async t => {
  const id = newId()
  const [one, two] = await Promise.allSettled([
    attachFrameUser({ url: home.url, key: keyOf(9), name: 'first', id }),
    attachFrameUser({ url: home.url, key: keyOf(10), name: 'second', id }),
  ])
  const attached = [one, two].flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  t.equal(attached.length, 1, 'exactly one of two hellos at once')
  for (const refused of [one, two]) if (refused.status === 'rejected') t.match(String(refused.reason), /NAME_IN_USE|BAD_KEY/)
  const winner = attached[0]
  if (winner === undefined) return
  await bob.socket.waitFor(isAbout('USER_ADVERTISE', id))
  const other = winner.name === 'first' ? keyOf(10) : keyOf(9)
  await t.rejects(attachFrameUser({ url: away.url, key: other, name: 'elsewhere', id }), /NAME_IN_USE|BAD_KEY/)
  t.equal(await homeOf(bob, id), home.id)
  await winner.socket.close()
})

t.test('14: a user who proves their key again replaces the session before, and one who returns elsewhere moves there', async t => {
  const id = newId()
  const attach = (url: string) => attachFrameUser({ url, key: keyOf(9), name: 'mover', id, caps: ['proof', 'ack'] })
  const one = await attach(home.url)
  const two = await attach(home.url)
  await one.socket.closed
  t.ok((await two.list()).some(entry => entry.user_id === id))
  alice.socket.send(alice.direct(recipient(two), 'to the second'))
  t.equal(two.read(await two.socket.waitFor('USER_DELIVER')), 'to the second')
  const three = await attach(away.url)
  await alice.socket.waitFor(frame => isAbout('USER_ADVERTISE', id)(frame) && frame.payload.server_id === away.id)
  two.socket.webSocket.terminate()
  t.equal(await homeOf(alice, id), away.id)
  alice.socket.send(alice.direct(recipient(three), 'to the third'))
  t.equal(three.read(await three.socket.waitFor('USER_DELIVER')), 'to the third')
  await three.socket.close()
})

t.test('15: a delivery for somebody who is elsewhere or nowhere does not travel on, and its error goes to its sender alone', async t => {
  const before = [delivered(bob), witness.heard.filter(frame => frame.type === 'SERVER_DELIVER').length]
  const errors = witness.heard.filter(frame => frame.type === 'ERROR').length
  const user = newId()
  evilAgain.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta: { pubkey: keyOf(7).text } }))
  await alice.socket.waitFor(isAbout('USER_ADVERTISE', user))
  const since = evil.mark()
  const strays = [bob.id, newId()]
  for (const target of strays) {
    const ts = Date.now()
    const ciphertext = seal(bob.keyText, 'stray')
    const content = signText(keyOf(7), directContent(ciphertext, user, target, ts))
    evilAgain.send(evil.signed('SERVER_DELIVER', home.id, { user_id: target, sender: user, ciphertext, sender_pub: keyOf(7).text, content_sig: content }, ts))
  }
  const refused = await evil.waitFor(frame => frame.type === 'ERROR' && frame.payload.code === 'USER_NOT_FOUND', { since })
  t.equal(refused.from, home.id)
  await gossipBarrier(evilAgain)
  await barrier()
  t.equal(delivered(bob), (before[0] ?? 0) + 1)
  t.equal(witness.heard.filter(frame => frame.type === 'SERVER_DELIVER').length, before[1])
  t.equal(witness.heard.filter(frame => frame.type === 'ERROR').length, errors)
  for (const user of [alice, bob]) t.notOk(user.socket.heard.some(frame => frame.type === 'ERROR' && frame.payload.code === 'USER_NOT_FOUND'))
})

t.test('2 and 7, after a restart: what was sent before does not count again', async t => {
  const guest = await attachFrameUser({ url: home.url, key: keyOf(9), name: 'guest' })
  const advertised = await witness.waitFor(isAbout('USER_ADVERTISE', guest.id))
  const said = alice.direct(recipient(bob), 'said before the restart')
  alice.socket.send(said)
  await bob.socket.waitFor(frame => frame.type === 'USER_DELIVER' && bob.read(frame) === 'said before the restart')
  guest.socket.send(signedText(guest.key, { type: 'CTRL_CLOSE', from: guest.id, to: home.id, payload: {} }))
  await bob.socket.waitFor(isAbout('USER_REMOVE', guest.id))
  const stray = newId()
  const old = evil.signed('USER_ADVERTISE', '*', { user_id: stray, server_id: evil.id, meta: { pubkey: keyOf(7).text } })
  const oldRemoval = evil.signed('USER_REMOVE', '*', { user_id: stray, server_id: evil.id })
  evilAgain.send(old)
  evilAgain.send(oldRemoval)
  await bob.socket.waitFor(isAbout('USER_REMOVE', stray))

  const mark = away.mark()
  await home.kill()
  await away.waitFor('unlinked', event => event.server_id === home.id, { since: mark })
  const reborn = await rig.serve({ data: home.data, port: home.port })
  await away.waitFor('linked', event => event.server_id === reborn.id, { since: mark })
  await reborn.waitFor('linked', event => event.server_id === evil.id)
  await reborn.waitFor('linked', event => event.server_id === witness.id)
  const link = await evil.link(reborn.url)
  const again = await attachFrameUser({ url: reborn.url, key: alice.key, name: 'alice', id: alice.id })
  const before = delivered(bob)
  const later = (text: string): string => JSON.stringify({ ...(JSON.parse(text) as object), ts: Date.now() })
  for (const text of [said, later(said)]) again.socket.send(text)
  for (const text of [advertised.text, later(advertised.text), old, later(old)]) {
    link.send(text)
    evilAgainAtAway.send(text)
  }
  const user = newId()
  link.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta: { pubkey: keyOf(7).text } }))
  await again.socket.waitFor(isAbout('USER_ADVERTISE', user))
  again.socket.send(again.direct(recipient(bob), 'after the restart'))
  await bob.socket.waitFor(frame => frame.type === 'USER_DELIVER' && bob.read(frame) === 'after the restart')
  t.equal(delivered(bob), before + 1, 'the message of before is not delivered again')
  for (const ghost of [guest.id, stray]) {
    t.equal(await homeOf(again, ghost), undefined)
    t.equal(await homeOf(bob, ghost), undefined)
  }
  await again.socket.close()
})
