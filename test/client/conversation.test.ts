/** Two or three clients on one server: presence, messages, public messages, names, loss and return. */
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { memoryNetwork } from './memory-network.ts'
import { attachedClient } from './rig.ts'
import { scriptedServer } from './scripted-server.ts'

const start = async (test: Test) => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const at = { network, url: server.url }
  const ann = await attachedClient(test, { ...at, name: 'ann', key: 1 })
  const bob = await attachedClient(test, { ...at, name: 'Bob Ünï', key: 2 })
  await ann.waitFor('presence', event => event.user_id === bob.id)
  await bob.waitFor('presence', event => event.user_id === ann.id)
  return { network, server, at, ann, bob }
}

t.test('ready tells who and where, and the list is sorted and whole', async t => {
  const { ann, bob, server } = await start(t)
  t.match(await ann.waitFor('ready'), { user_id: ann.id, name: 'ann', server_id: server.id })
  t.equal(await ann.list({ ref: 'r' }), true)
  const { users, ref } = await ann.waitFor('users')
  t.equal(ref, 'r')
  t.same(
    users.map(user => user.user_id),
    [ann.id, bob.id],
  )
  t.match(users[1], { name: 'Bob Ünï', server_id: server.id, presence: 'online' })
})

t.test('a message is sent once, acknowledged, bound, verified and recorded on both sides', async t => {
  const { ann, bob } = await start(t)
  const text = 'Grüße\n\tעברית 😀 "quoted"'
  t.equal(await ann.tell('Bob Ünï', text, { ref: '7' }), true)
  const sent = await ann.waitFor('sent')
  t.match(sent, { ref: '7', to: bob.id, status: 'sent' })
  const message = await bob.waitFor('message')
  t.match(message, { id: sent.id, from: ann.id, name: 'ann', kind: 'direct', text, verified: true })
  t.ok(ann.facts().some(fact => fact.type === 'message.sent' && fact.id === sent.id && fact.ts === message.ts))
  // it is recorded after it was shown
  await turn()
  t.ok(bob.facts().some(fact => fact.type === 'message.received' && fact.id === sent.id))
  t.notMatch(JSON.stringify([...ann.facts(), ...bob.facts()]), /Grüße/, 'no plaintext is recorded')
})

t.test('messages to one person keep their order, and their ts grows, also after a restart', async t => {
  const { ann, bob, at } = await start(t)
  const texts = Array.from({ length: 12 }, (_, n) => `m${n}`)
  await Promise.all(texts.map(text => ann.tell(bob.id, text)))
  await bob.waitFor('message', event => event.text === 'm11')
  const got = bob.events.flatMap(event => (event.event === 'message' ? [event] : []))
  t.same(
    got.map(event => event.text),
    texts,
  )
  t.ok(got.every((event, n) => n === 0 || event.ts > (got[n - 1]?.ts ?? 0)))
  const last = got.at(-1)?.ts ?? 0
  await ann.close()
  const again = await attachedClient(t, { ...at, name: 'ann', key: 1, id: ann.id, disk: ann.disk })
  await again.waitFor('presence', event => event.user_id === bob.id)
  await again.tell(bob.id, 'after')
  t.ok((await bob.waitFor('message', event => event.text === 'after')).ts > last)
})

t.test('/all reaches everybody else once, verified, and is one event for its sender', async t => {
  const { ann, bob, at } = await start(t)
  const cat = await attachedClient(t, { ...at, name: 'cat', key: 3 })
  await ann.waitFor('presence', event => event.user_id === cat.id)
  t.equal(await ann.all('hello all'), true)
  for (const one of [bob, cat]) t.match(await one.waitFor('message'), { kind: 'public', text: 'hello all', verified: true, from: ann.id })
  t.match(
    ann.events.filter(event => event.event === 'sent'),
    [{ to: 'public', status: 'sent', ref: null }],
  )
  t.notOk(ann.events.some(event => event.event === 'message'))
})

t.test('/all with nobody else online fails with a sentence', async t => {
  const network = memoryNetwork()
  const { url } = await scriptedServer(network)
  const ann = await attachedClient(t, { network, url, name: 'ann', key: 1 })
  t.equal(await ann.all('anybody?'), false)
  t.match(await ann.waitFor('sent'), { to: 'public', status: 'failed', why: 'Nobody else is online.' })
})

t.test('a name that several have is answered with the candidates, one that nobody has with a sentence', async t => {
  const { ann, bob, at } = await start(t)
  const second = await attachedClient(t, { ...at, name: 'bob ünï', key: 3 })
  await ann.waitFor('presence', event => event.user_id === second.id)
  t.equal(await ann.tell('BOB ÜNÏ', 'which?', { ref: 'x' }), false)
  const error = await ann.waitFor('error')
  t.match(error, { code: 'AMBIGUOUS_NAME', ref: 'x' })
  for (const id of [bob.id, second.id]) t.match(error.detail, id)
  t.equal(await ann.tell('Bob Ünï', 'exactly'), true, 'the exact name wins')
  t.equal(await ann.tell('nobody', 'x', { ref: 'y' }), false)
  t.match(await ann.waitFor('error', event => event.ref === 'y'), { code: 'USER_NOT_FOUND' })
  t.equal(ann.events.filter(event => event.event === 'sent').length, 1)
})

t.test('a text that does not fit is refused with the limit in bytes', async t => {
  const { ann, bob } = await start(t)
  t.equal(await ann.tell(bob.id, 'x'.repeat(32_769)), false)
  t.match((await ann.waitFor('sent')).why, /32769 bytes.*at most 32768/)
  t.equal(await ann.tell(bob.id, 'x'.repeat(32_768)), true)
  t.equal((await bob.waitFor('message')).text.length, 32_768)
})

t.test('a loss is told, what waited fails, what is sent meanwhile fails, and the client returns by itself', async t => {
  const { ann, bob, network, server } = await start(t)
  server.heard.length = 0
  network.reachable = false
  network.cut()
  t.type((await ann.waitFor('offline')).since, 'number')
  t.equal(ann.attached, false)
  t.equal(await ann.tell(bob.id, 'into the void'), false)
  t.match((await ann.waitFor('sent')).why, /no connection/)
  network.reachable = true
  await Promise.all([ann.waitFor('resumed'), bob.waitFor('resumed')])
  // bob may have returned before or after her list was made
  while (!ann.users().some(user => user.user_id === bob.id))
    await ann.waitFor('presence', event => event.user_id === bob.id, ann.events.length)
  const again = await ann.tell(bob.id, 'again')
  t.equal(again, true, JSON.stringify(ann.events.slice(-6)))
  t.equal(ann.events.filter(event => event.event === 'ready').length, 1)
})

t.test('a message without an acknowledgement fails after ten seconds', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network, { manner: 'silent' })
  const at = { network, url: server.url }
  const ann = await attachedClient(t, { ...at, name: 'ann', key: 1 })
  const bob = await attachedClient(t, { ...at, name: 'bob', key: 2 })
  await ann.waitFor('presence', event => event.user_id === bob.id)
  const began = performance.now()
  const result = ann.tell('bob', 'are you there?')
  await bob.waitFor('message')
  t.equal(await result, false)
  t.ok(performance.now() - began >= 10_000)
  t.match((await ann.waitFor('sent')).why, /did not acknowledge it within 10 s/)
})

t.test('somebody who left is told as offline and cannot be written to', async t => {
  const { ann, bob } = await start(t)
  await bob.close()
  t.match(await ann.waitFor('presence', event => event.state === 'offline'), { user_id: bob.id, name: 'Bob Ünï' })
  t.equal(await ann.tell('Bob Ünï', 'too late'), false)
  t.match(await ann.waitFor('error'), { code: 'USER_NOT_FOUND' })
})
