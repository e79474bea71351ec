/** What is shown as verified, and what never is (attacks 28 to 31, 37). */
import { setImmediate as turn } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { canonical, directContent, seal, signText, stockKey, type StockKey } from '../helpers/stock-crypto.ts'
import { memoryNetwork } from './memory-network.ts'
import { attachedClient } from './rig.ts'
import { scriptedServer } from './scripted-server.ts'

const [annKey, malloryKey, otherKey] = (await Promise.all([2, 3, 4].map(stockKey))) as [StockKey, StockKey, StockKey]

const start = async (test: Test) => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const me = await attachedClient(test, { network, url: server.url, name: 'me', key: 1 })
  const ann = { id: randomUUID(), name: 'ann', keyText: annKey.text, caps: ['bound'] }
  const mallory = { id: randomUUID(), name: 'mallory', keyText: malloryKey.text }
  server.advertise(ann)
  server.advertise(mallory)
  await me.waitFor('presence', event => event.user_id === mallory.id)
  let ts = Date.now()
  /** A delivery as an honest server would make it of what `key` signed. */
  const deliver = (
    from: { readonly id: string },
    key: StockKey,
    ciphertext: string,
    change: { ts?: number; pub?: string; sig?: string } = {},
  ) => {
    const at = change.ts ?? ++ts
    const content_sig = change.sig ?? signText(key, directContent(ciphertext, from.id, me.id, at))
    server.send(me.id, 'USER_DELIVER', { ciphertext, sender: from.id, sender_pub: change.pub ?? key.text, content_sig }, at)
    return at
  }
  const bound = (text: string, from: { readonly id: string }, at: number, to: string = me.id): string =>
    seal(me.keyText, canonical({ text, from: from.id, to, ts: at }))
  return { network, server, me, ann, mallory, deliver, bound, soon: () => ++ts }
}

t.test('signed by the pinned key and bound to this envelope is verified; the construction is learned', async t => {
  const { me, ann, deliver, bound, soon } = await start(t)
  const at = soon()
  deliver(ann, annKey, bound('hello', ann, at), { ts: at })
  t.match(await me.waitFor('message'), { text: 'hello', from: ann.id, name: 'ann', verified: true, ts: at })
  await turn()
  t.ok(me.facts().some(fact => fact.type === 'construction.learned' && fact.user === ann.id && fact.construction === 'text'))
})

t.test('a message whose sender the server does not know yet is shown when it does, and verified', async t => {
  const { me, server, bound, soon } = await start(t)
  const bob = { id: randomUUID(), name: 'bob', keyText: otherKey.text, caps: ['bound', 'receipts'] }
  const at = soon()
  const ciphertext = bound('hello', bob, at)
  const content_sig = signText(otherKey, directContent(ciphertext, bob.id, me.id, at))
  server.send(me.id, 'USER_DELIVER', { ciphertext, sender: bob.id, sender_pub: otherKey.text, content_sig, receipt: true }, at)
  const asked = () => server.heard.filter(({ type }) => type === 'PUBKEY_REQUEST').length
  while (asked() < 2) await turn()
  server.people.set(bob.id, { ...bob, socket: { send: () => {} } as never })
  t.match(await me.waitFor('message'), { text: 'hello', from: bob.id, verified: true })
})

t.test('a key that comes with the message is never believed, and its words never verified', async t => {
  const { me, ann, deliver } = await start(t)
  deliver(ann, malloryKey, seal(me.keyText, 'not ann'))
  t.match(await me.waitFor('message'), { text: 'not ann', from: ann.id, verified: false })
  deliver(ann, malloryKey, seal(me.keyText, 'not ann again'), { pub: annKey.text })
  t.match(await me.waitFor('message', event => event.text === 'not ann again'), { verified: false })
  deliver(ann, annKey, seal(me.keyText, 'wrong key beside'), { pub: malloryKey.text })
  t.match(await me.waitFor('message', event => event.text === 'wrong key beside'), { verified: false })
})

t.test("another's bound words under one's own name, or at another time, or to another, are not verified", async t => {
  const { me, ann, mallory, deliver, bound, soon } = await start(t)
  const at = soon()
  deliver(mallory, malloryKey, bound('words of ann', ann, at), { ts: at })
  t.match(await me.waitFor('message'), { text: 'words of ann', from: mallory.id, verified: false })
  deliver(ann, annKey, bound('old words', ann, at - 1_000), { ts: soon() })
  t.match(await me.waitFor('message', event => event.text === 'old words'), { verified: false })
  const later = soon()
  deliver(ann, annKey, bound('to somebody else', ann, later, 'somebody'), { ts: later })
  t.match(await me.waitFor('message', event => event.text === 'to somebody else'), { verified: false })
})

t.test('a message that comes again is shown once, also after a restart, and a forged copy does not suppress the honest one', async t => {
  const { me, ann, deliver, bound, soon, network, server } = await start(t)
  const at = soon()
  const ciphertext = bound('once', ann, at)
  deliver(ann, malloryKey, ciphertext, { ts: at })
  deliver(ann, malloryKey, ciphertext, { ts: at })
  deliver(ann, annKey, ciphertext, { ts: at })
  deliver(ann, annKey, ciphertext, { ts: at })
  deliver(ann, annKey, seal(me.keyText, 'end'))
  await me.waitFor('message', event => event.text === 'end')
  t.same(
    me.events.flatMap(event => (event.event === 'message' && event.text === 'once' ? [event.verified] : [])),
    [false, true],
  )
  await me.close()
  const again = await attachedClient(t, { network, url: server.url, name: 'me', key: 1, id: me.id, disk: me.disk })
  deliver(ann, annKey, ciphertext, { ts: at })
  deliver(ann, annKey, seal(me.keyText, 'end 2'))
  await again.waitFor('message', event => event.text === 'end 2')
  t.equal(again.events.filter(event => event.event === 'message').length, 1)
})

t.test('what does not decrypt, or holds no text, is an error and no crash', async t => {
  const { me, ann, deliver } = await start(t)
  deliver(ann, annKey, seal(otherKey.text, 'for somebody else'))
  t.match(await me.waitFor('error'), { code: 'UNREADABLE', detail: /ann cannot be read/ })
  deliver(ann, annKey, seal(me.keyText, Buffer.from([0xff, 0xfe])))
  await me.waitFor('error', event => event.detail.includes('UTF-8'))
  deliver(ann, annKey, seal(me.keyText, 'still here'))
  t.match(await me.waitFor('message'), { text: 'still here' })
})

t.test('public text in clear or without a signature is shown as not verified', async t => {
  const { me, server, ann, soon } = await start(t)
  const clear = Buffer.from('in clear').toString('base64url')
  const at = soon()
  server.send(
    me.id,
    'USER_DELIVER',
    { inner_type: 'MSG_PUBLIC_CHANNEL', ciphertext: clear, sender: ann.id, content_sig: signText(annKey, `${clear}${ann.id}${at}`) },
    at,
  )
  t.match(await me.waitFor('message'), { kind: 'public', text: 'in clear', verified: false })
  server.send(me.id, 'USER_DELIVER', { inner_type: 'MSG_PUBLIC_CHANNEL', ciphertext: seal(me.keyText, 'unsigned'), sender: ann.id }, soon())
  t.match(await me.waitFor('message', event => event.text === 'unsigned'), { kind: 'public', verified: false })
})

t.test('a frame in the name of the server that it did not sign changes nothing', async t => {
  const { me, server, ann, soon } = await start(t)
  const forged = {
    type: 'USER_DELIVER',
    from: server.id,
    to: me.id,
    ts: soon(),
    payload: { ciphertext: seal(me.keyText, 'forged'), sender: ann.id },
    sig: 'A'.repeat(683),
  }
  server.sendRaw(me.id, JSON.stringify(forged))
  t.match(await me.waitFor('error'), { code: 'INVALID_SIG' })
  server.sendRaw(me.id, 'not json {')
  t.match(await me.waitFor('error', event => event.code === 'BAD_FRAME'), { detail: /cannot be read/ })
  t.notOk(me.events.some(event => event.event === 'message'))
})

t.test('a changed key is an alarm; nothing is encrypted to it and nothing it signs is verified until it is trusted', async t => {
  const { me, server, ann, deliver } = await start(t)
  server.people.set(ann.id, { ...ann, keyText: annKey.text, socket: { send: () => {} } as never })
  server.advertise({ ...ann, keyText: otherKey.text })
  t.match(await me.waitFor('alarm'), { kind: 'user_key', user_id: ann.id, name: 'ann' })
  const before = server.heard.length
  t.equal(await me.tell('ann', 'secret', { ref: 'a' }), false)
  t.match(await me.waitFor('sent'), { ref: 'a', status: 'failed', why: /key has changed.*\/trust/ })
  t.notOk(server.heard.slice(before).some(frame => frame.type === 'MSG_DIRECT'))
  deliver(ann, otherKey, seal(me.keyText, 'by the new key'))
  t.match(await me.waitFor('message'), { verified: false })
  deliver(ann, annKey, seal(me.keyText, 'by the pinned key'))
  t.match(await me.waitFor('message', event => event.text === 'by the pinned key'), { verified: true })
  server.advertise({ ...ann, keyText: otherKey.text })
  t.equal(me.trust('nobody'), false)
  t.equal(me.trust('ann', { ref: 'b' }), true)
  t.match(await me.waitFor('trusted'), { kind: 'user_key', user_id: ann.id, ref: 'b' })
  deliver(ann, otherKey, seal(me.keyText, 'trusted now'))
  t.match(await me.waitFor('message', event => event.text === 'trusted now'), { verified: true })
  t.equal(await me.tell('ann', 'secret'), true)
  t.equal(me.events.filter(event => event.event === 'alarm').length, 1, 'once for one key')
  t.equal(me.trust('ann'), false, 'there is nothing more to trust')
})

t.test('a change is remembered over a restart, and told again', async t => {
  const { me, server, ann, network } = await start(t)
  server.advertise({ ...ann, keyText: otherKey.text })
  await me.waitFor('alarm')
  await me.close()
  const again = await attachedClient(t, { network, url: server.url, name: 'me', key: 1, id: me.id, disk: me.disk })
  server.advertise({ ...ann, keyText: otherKey.text })
  t.match(await again.waitFor('alarm'), { user_id: ann.id })
  t.equal(again.facts().filter(fact => fact.type === 'key.changed').length, 1, 'recorded once')
})

t.test('another key announced for ourselves is an alarm', async t => {
  const { me, server } = await start(t)
  server.advertise({ id: me.id, name: 'me', keyText: otherKey.text })
  t.match(await me.waitFor('alarm'), { kind: 'user_key', user_id: me.id })
})

t.test('a key that is not RSA-4096 is told and never pinned', async t => {
  const { me, server } = await start(t)
  const eve = { id: randomUUID(), name: 'eve', keyText: 'bm90LWEta2V5' }
  server.advertise(eve)
  t.match(await me.waitFor('error'), { code: 'BAD_KEY' })
  t.equal(await me.tell('eve', 'hello'), false)
  t.notOk(me.facts().some(fact => fact.type === 'key.pinned' && fact.user === eve.id))
})

t.test('names and texts reach nobody with what steers a terminal', async t => {
  const { me, server, ann, deliver } = await start(t)
  server.advertise({ id: randomUUID(), name: 'ev\u001b[31mil\u202e\r', keyText: malloryKey.text })
  t.match(await me.waitFor('presence', event => event.name.startsWith('ev')), { name: 'evil' })
  deliver(ann, annKey, seal(me.keyText, 'a\u001b]0;t\u0007b\rc\nd'))
  t.match(await me.waitFor('message'), { text: 'abc\nd' })
})
