/** Attacks on messages and ids: strangers, replays, stolen ids, strays, before and after a restart (numbers as in the list of known attacks). */
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { directContent, seal, signText } from '../helpers/stock-crypto.ts'
import { delivered, isAbout, messagePayload, recipient, startStockMesh } from '../helpers/stock-mesh.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(7)

const {
  rig,
  keyOf,
  home,
  away,
  evil,
  evilTells,
  evilAdvertises,
  evilAtHome,
  evilAtAway,
  witness,
  witnessTells,
  alice,
  bob,
  mallory,
  barrier,
  gossipBarrier,
  homeOf,
} = await startStockMesh(t)

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
  const texts = bob.socket.heard
    .filter(heard => heard.type === 'USER_DELIVER')
    .slice(before)
    .map(heard => bob.read(heard))
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

t.test('8: a known server is not announced or joined again under another key, nor its key under another id', async t => {
  const since = [home.mark(), away.mark()]
  const hello = (type: string, from: string, key = keyOf(9), pubkey = key.text): string =>
    signedText(key, {
      type,
      from,
      to: type === 'SERVER_ANNOUNCE' ? '*' : `${home.host}:${String(home.port)}`,
      payload: { host: '127.0.0.1', port: evil.port, pubkey },
    })
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
      const answer = await socket.waitFor(frame => ['ERROR', 'SERVER_WELCOME', 'SERVER_ANNOUNCE'].includes(frame.type), {
        what: `${type}: a refusal of ${name}`,
      })
      if (answer.type === 'SERVER_WELCOME') {
        // SOCP §8.1: who asks for an id that is taken gets another one
        t.ok(![home.id, away.id, evil.id].includes(String(answer.payload.assigned_id)), `${type}: ${name}`)
        await socket.close()
        continue
      }
      t.equal(answer.type, 'ERROR', `${type}: ${name}`)
      t.match(answer.payload.code, /^(BAD_KEY|INVALID_SIG|NAME_IN_USE)$/, `${type}: ${name}`)
      await socket.close()
    }
  }
  await barrier()
  await barrier(bob, alice)
  t.notOk(
    home.events.slice(since[0]).some(event => event.event === 'unlinked' && event.server_id === away.id),
    'the honest link never broke',
  )
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
  // while the first session lives, it is what people are told of: neither server has the user's own word for the time
  two.socket.webSocket.terminate()
  await alice.socket.waitFor(frame => isAbout('USER_ADVERTISE', id)(frame) && frame.payload.server_id === away.id)
  // home learns of it when the connection is reported as lost
  let seen = await homeOf(alice, id)
  for (let n = 0; n < 200 && seen !== away.id; n += 1) seen = await homeOf(alice, id)
  t.equal(seen, away.id)
  alice.socket.send(alice.direct(recipient(three), 'to the third'))
  t.equal(three.read(await three.socket.waitFor('USER_DELIVER')), 'to the third')
  await three.socket.close()
})

t.test('15: a delivery for somebody who is elsewhere or nowhere does not travel on, and its error goes to its sender alone', async t => {
  const before = [delivered(bob), witness.heard.filter(frame => frame.type === 'SERVER_DELIVER').length]
  const errors = witness.heard.filter(frame => frame.type === 'ERROR').length
  const user = newId()
  evilTells(evilAdvertises(user))
  await alice.socket.waitFor(isAbout('USER_ADVERTISE', user))
  const since = evil.mark()
  const strays = [bob.id, newId()]
  for (const target of strays) {
    const ts = Date.now()
    const ciphertext = seal(bob.keyText, 'stray')
    const content = signText(keyOf(7), directContent(ciphertext, user, target, ts))
    evilAtHome().send(
      evil.signed(
        'SERVER_DELIVER',
        home.id,
        { user_id: target, sender: user, ciphertext, sender_pub: keyOf(7).text, content_sig: content },
        ts,
      ),
    )
  }
  const refused = await evil.waitFor(frame => frame.type === 'ERROR' && frame.payload.code === 'USER_NOT_FOUND', { since })
  t.equal(refused.from, home.id)
  await gossipBarrier()
  await barrier()
  // §10 lets a server pass on what was meant for another; what matters is that it ends there
  t.ok(delivered(bob) - (before[0] ?? 0) <= 2, 'the stray for bob arrived at most once')
  t.equal(witness.heard.filter(frame => frame.type === 'SERVER_DELIVER').length, before[1])
  t.equal(witness.heard.filter(frame => frame.type === 'ERROR').length, errors)
  for (const user of [alice, bob])
    t.notOk(user.socket.heard.some(frame => frame.type === 'ERROR' && frame.payload.code === 'USER_NOT_FOUND'))
})

t.test('2 and 7, after a restart: what was sent before does not count again', async t => {
  const guest = await attachFrameUser({ url: home.url, key: keyOf(9), name: 'guest' })
  const advertised = await witness.waitFor(isAbout('USER_ADVERTISE', guest.id))
  const said = alice.direct(recipient(bob), 'said before the restart')
  alice.socket.send(said)
  await bob.socket.waitFor(frame => frame.type === 'USER_DELIVER' && bob.read(frame) === 'said before the restart')
  guest.socket.send(signedText(guest.key, { type: 'CTRL_CLOSE', from: guest.id, to: home.id, payload: {} }))
  for (const seer of [alice, bob]) await seer.socket.waitFor(isAbout('USER_REMOVE', guest.id))
  const stray = newId()
  // of a stock origin, without sequences
  const old = witness.signed('USER_ADVERTISE', '*', { user_id: stray, server_id: witness.id, meta: { pubkey: keyOf(7).text } })
  witnessTells(old)
  witnessTells(witness.signed('USER_REMOVE', '*', { user_id: stray, server_id: witness.id }))
  for (const seer of [alice, bob]) await seer.socket.waitFor(isAbout('USER_REMOVE', stray))

  const mark = away.mark()
  await home.kill()
  await away.waitFor('unlinked', event => event.server_id === home.id, { since: mark })
  const reborn = await rig.serve({ data: home.data, port: home.port })
  await away.waitFor('linked', event => event.server_id === reborn.id, { since: mark })
  await reborn.waitFor('linked', event => event.server_id === evil.id)
  await reborn.waitFor('linked', event => event.server_id === witness.id)
  const link = await evil.link(reborn.url)
  const origin = await witness.link(reborn.url)
  const again = await attachFrameUser({ url: reborn.url, key: alice.key, name: 'alice', id: alice.id })
  const before = delivered(bob)
  const later = (text: string): string => JSON.stringify({ ...(JSON.parse(text) as object), ts: Date.now() })
  for (const text of [said, later(said)]) again.socket.send(text)
  for (const text of [advertised.text, later(advertised.text), old, later(old)]) {
    link.send(text)
    evilAtAway().send(text)
    // its own link is believed most of all
    origin.send(text)
  }
  const user = newId()
  link.send(evilAdvertises(user))
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
