/** Attacks on what people read: keys that come with a message, words under another's name, signatures that fit twice. */
import t from 'tap'
import { attachFrameUser, boundPlaintext } from '../helpers/frame-client-user.ts'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { directContent, seal, signText, stockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(7)

const rig = processes(t)
const [serverKey, readerKey, aliceKey, malloryKey, evilKey] = await Promise.all([0, 1, 2, 3, 4].map(stockKey))
if (!serverKey || !readerKey || !aliceKey || !malloryKey || !evilKey) throw new Error('no keys')
const data = rig.place('server')
writeIdentity(data, newId(), serverKey)
const home = await rig.serve({ data })
const chatData = rig.place('chat')
writeIdentity(chatData, newId(), readerKey)
const reader = await rig.chat({ server: home.url, name: 'reader', data: chatData })
const to = { id: reader.id, keyText: readerKey.text }

const alice = await attachFrameUser({ url: home.url, key: aliceKey, name: 'alice', caps: ['proof', 'ack', 'bound'] })
const mallory = await attachFrameUser({ url: home.url, key: malloryKey, name: 'mallory', caps: ['proof', 'ack', 'bound'] })
const plain = await attachFrameUser({ url: home.url, key: evilKey, name: 'plain' })
t.teardown(() => Promise.all([alice, mallory, plain].map(user => user.socket.close())))

/** Messages that the reader was shown until one that came after. */
const shownUntil = async (since: number, from = alice): Promise<readonly { from: string; text: string; verified: boolean }[]> => {
  const ts = Date.now()
  const text = `until ${newId()}`
  from.socket.send(from.direct(to, text, { ts, plaintext: boundPlaintext(text, from.id, to.id, ts) }))
  await reader.waitFor('message', event => event.text === text, { since })
  return reader.events.slice(since).flatMap(event => (event.event === 'message' && event.text !== text ? [event] : []))
}

t.test('a message between ours is bound to its sender, recipient and time, and shown as verified', async t => {
  const ts = Date.now()
  alice.socket.send(alice.direct(to, 'hello', { ts, plaintext: boundPlaintext('hello', alice.id, to.id, ts) }))
  t.match(await reader.waitFor('message'), { from: alice.id, name: 'alice', text: 'hello', ts, verified: true })
})

t.test("29: another's ciphertext, re-signed and sent as one's own, is never shown as one's verified words", async t => {
  const since = reader.mark()
  const ts = Date.now()
  const secret = 'words that alice wrote'
  const ciphertext = seal(readerKey.text, boundPlaintext(secret, alice.id, to.id, ts))
  for (const at of [ts, Date.now()]) {
    const content = signText(malloryKey, directContent(ciphertext, mallory.id, to.id, at))
    mallory.send('MSG_DIRECT', to.id, { ciphertext, sender_pub: malloryKey.text, content_sig: content }, at)
  }
  const shown = await shownUntil(since, mallory)
  t.notOk(
    shown.some(message => message.from === mallory.id && message.verified && message.text.includes(secret)),
    JSON.stringify(shown),
  )
})

t.test('28: a key that came with the message is not believed', async t => {
  const since = reader.mark()
  const ts = Date.now()
  const ciphertext = seal(readerKey.text, boundPlaintext('not alice', alice.id, to.id, ts))
  const content = signText(malloryKey, directContent(ciphertext, alice.id, to.id, ts))
  alice.send('MSG_DIRECT', to.id, { ciphertext, sender_pub: malloryKey.text, content_sig: content }, ts)
  const shown = await shownUntil(since)
  t.notOk(
    shown.some(message => message.verified),
    JSON.stringify(shown),
  )
})

t.test("28: an admitted server cannot speak for another server's user with a key of its own", async t => {
  const evil = await startStockServer({ key: evilKey })
  t.teardown(() => evil.close())
  const { socket } = await evil.join(home.url)
  socket.send(evil.announcement())
  await home.waitFor('linked', event => event.server_id === evil.id)
  const since = reader.mark()
  const ts = Date.now()
  const ciphertext = seal(readerKey.text, boundPlaintext('not alice either', alice.id, to.id, ts))
  const content = signText(evilKey, directContent(ciphertext, alice.id, to.id, ts))
  socket.send(
    evil.signed(
      'SERVER_DELIVER',
      home.id,
      { user_id: to.id, sender: alice.id, ciphertext, sender_pub: evilKey.text, content_sig: content },
      ts,
    ),
  )
  // its own user's word comes after it on the same link
  const own = newId()
  socket.send(
    evil.signed('USER_ADVERTISE', '*', { user_id: own, server_id: evil.id, meta: { pubkey: malloryKey.text, display_name: 'own' } }),
  )
  await reader.waitFor('presence', event => event.user_id === own)
  const shown = await shownUntil(since)
  t.notOk(
    shown.some(message => message.verified && message.from === alice.id),
    JSON.stringify(shown),
  )
})

t.test('30: a signature over joined fields does not make other fields true', async t => {
  const since = reader.mark()
  const ts = Date.now()
  const text = plain.direct(to, 'shifted', { ts })
  const frame = JSON.parse(text) as { payload: { ciphertext: string; sender_pub: string; content_sig: string } }
  // one character moved from ciphertext's end would have to start the sender's id
  const { ciphertext, content_sig, sender_pub } = frame.payload
  plain.send('MSG_DIRECT', to.id, { ciphertext: ciphertext.slice(0, -1), content_sig, sender_pub }, ts)
  plain.send('MSG_DIRECT', to.id, { ciphertext: `${ciphertext}A`, content_sig, sender_pub }, ts)
  plain.send('MSG_PUBLIC_CHANNEL', to.id, { ciphertext, content_sig, sender_pub, group_id: 'public' }, ts)
  const shown = await shownUntil(since)
  t.notOk(
    shown.some(message => message.verified),
    JSON.stringify(shown),
  )
})

t.test('37: escape sequences and control characters of names and messages are not passed to the terminal', async t => {
  const since = reader.mark()
  const ts = Date.now()
  const nasty = 'a\u001b[31mred\u001b]0;title\u0007\rover\u0000\u202ereversed\u009b2J'
  plain.socket.send(plain.direct(to, nasty, { ts }))
  const message = await reader.waitFor('message', event => event.from === plain.id, { since })
  t.notMatch(message.text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
  const guest = await attachFrameUser({ url: home.url, key: malloryKey, name: 'evil\u001b[2Jname', id: newId() })
  t.teardown(() => guest.socket.close())
  const presence = await reader.waitFor('presence', event => event.user_id === guest.id)
  t.notMatch(presence.name, /[\u0000-\u001f\u007f-\u009f]/)
})

t.test('20: ciphertext in a wrong alphabet, with padding, of a wrong length or beyond reason is survived and never verified', async t => {
  const since = reader.mark()
  const good = seal(readerKey.text, 'x')
  for (const ciphertext of ['', 'x', `${good}==`, good.replace(/[-_]/g, '+'), good.slice(0, 300), 'A'.repeat(683), 'A'.repeat(60_000)]) {
    const ts = Date.now()
    const content = signText(evilKey, directContent(ciphertext, plain.id, to.id, ts))
    plain.send('MSG_DIRECT', to.id, { ciphertext, sender_pub: evilKey.text, content_sig: content }, ts)
  }
  const shown = await shownUntil(since)
  t.same(
    shown.filter(message => message.verified && message.text !== 'x'),
    [],
  )
})
