/** A home server that lies to its own user: what the chat believes of keys, lists and deliveries. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newId } from '../helpers/frame-client.ts'
import type { FrameSocket, Heard } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { canonical, directContent, messageRef, seal, signText, stockKey, unseal } from '../helpers/stock-crypto.ts'
import type { StockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(4)

const rig = processes(t)
const [homeKey, readerKey, oldKey, newKey] = await Promise.all([0, 1, 2, 3].map(stockKey))
if (!homeKey || !readerKey || !oldKey || !newKey) throw new Error('no keys')

const friend = { id: newId(), name: 'friend' }
let friendKey: StockKey = oldKey
const entry = () => ({ user_id: friend.id, display_name: friend.name, server_id: home.id, presence: 'online' })

const home = await startStockServer({
  key: homeKey,
  intercept: (frame: Heard, socket: FrameSocket) => {
    const answers: Readonly<Record<string, () => readonly (string | object)[]>> = {
      USER_HELLO: () => [
        { type: 'CHALLENGE', from: home.id, to: frame.from, ts: Date.now(), payload: { nonce: randomBytes(32).toString('base64url') } },
      ],
      CHALLENGE: () => [
        home.signed('PROOF', frame.from, {
          nonce: frame.payload.nonce,
          prover: home.id,
          verifier: frame.from,
          role: 'server',
          pubkey: homeKey.text,
        }),
      ],
      PROOF: () => [home.signed('ACK', frame.from, { msg_ref: 'USER_HELLO' })],
      LIST_REQUEST: () => [home.signed('LIST_RESPONSE', frame.from, { users: [entry()], more: false })],
      MSG_DIRECT: () => [
        home.signed('ACK', frame.from, { msg_ref: messageRef(frame.from, frame.to, frame.ts, String(frame.payload.ciphertext)) }),
      ],
      PUBKEY_REQUEST: () => [home.signed('PUBKEY_RESPONSE', frame.from, { user_id: friend.id, pubkey: friendKey.text, caps: [] })],
    }
    for (const answer of answers[frame.type]?.() ?? []) socket.send(answer)
    return true
  },
})
t.teardown(() => home.close())

const data = rig.place('chat')
writeIdentity(data, newId(), readerKey)
const reader = await rig.chat({ server: `ws://${home.host}:${String(home.port)}`, name: 'reader', data })
const socket = home.accepted.at(-1)
if (socket === undefined) throw new Error('the chat did not connect')

let counter = 0
const advertise = (): void => {
  counter += 1
  const meta = { pubkey: friendKey.text, display_name: friend.name, extras: { seq: [1, counter], caps: [] } }
  socket.send(home.signed('USER_ADVERTISE', '*', { user_id: friend.id, server_id: home.id, meta }))
}
const deliver = (text: string, key: StockKey): void => {
  const ts = Date.now()
  const ciphertext = seal(readerKey.text, text)
  const content_sig = signText(key, directContent(ciphertext, friend.id, reader.id, ts))
  socket.send(home.signed('USER_DELIVER', reader.id, { ciphertext, sender: friend.id, sender_pub: key.text, content_sig }, ts))
}

t.test('the first key that is seen of a user is pinned, and their messages verify under it', async t => {
  advertise()
  await reader.waitFor('presence', event => event.user_id === friend.id)
  deliver('first', oldKey)
  t.match(await reader.waitFor('message', event => event.text === 'first'), { from: friend.id, verified: true })
  t.notOk(reader.events.some(event => event.event === 'alarm'))
})

t.test('31: a changed key is an alarm, and nothing is verified under it nor sealed for it until it is trusted', async t => {
  friendKey = newKey
  advertise()
  const alarm = await reader.waitFor('alarm')
  t.equal(alarm.user_id, friend.id)
  t.ok(alarm.kind.length > 0)
  deliver('under the new key', newKey)
  deliver('under the old key', oldKey)
  await reader.waitFor('message', event => event.text === 'under the old key')
  const shown = reader.events.flatMap(event => (event.event === 'message' && event.text === 'under the new key' ? [event.verified] : []))
  t.notOk(shown.includes(true), 'not verified under a key that nobody trusted')

  const since = home.mark()
  reader.say('@secret /tell friend a secret')
  const outcome = await Promise.race([
    home.waitFor('MSG_DIRECT', { since }),
    reader.waitFor('sent', event => event.ref === 'secret' && event.status === 'failed'),
    reader.waitFor('error', event => event.ref === 'secret'),
  ])
  if ('payload' in outcome)
    t.throws(() => unseal(newKey, String(outcome.payload.ciphertext)), 'what was sent is not sealed for the new key')
  else t.pass('it is not sent at all')

  const mark = reader.mark()
  reader.say('/trust friend')
  advertise()
  reader.say('@later /tell friend after trust')
  await reader.waitFor('sent', event => event.ref === 'later' && event.status !== 'waiting', { since: mark })
  deliver('after trust', newKey)
  t.match(await reader.waitFor('message', event => event.text === 'after trust', { since: mark }), { verified: true })
})

t.test('presence that is not signed by the home, or is older than what is known, changes nothing', async t => {
  const since = reader.mark()
  const ghost = newId()
  const payload = { user_id: ghost, server_id: home.id, meta: { pubkey: oldKey.text, display_name: 'ghost', extras: { seq: [1, 99] } } }
  socket.send({ type: 'USER_ADVERTISE', from: home.id, to: '*', ts: Date.now(), payload })
  socket.send({ type: 'USER_ADVERTISE', from: home.id, to: '*', ts: Date.now(), payload, sig: signText(oldKey, canonical(payload)) })
  deliver('a barrier', newKey)
  await reader.waitFor('message', event => event.text === 'a barrier', { since })
  t.notOk(reader.events.slice(since).some(event => event.event === 'presence' && event.user_id === ghost))
})

t.test('the same delivery twice is shown once', async t => {
  const since = reader.mark()
  const ts = Date.now()
  const ciphertext = seal(readerKey.text, 'once')
  const content_sig = signText(newKey, directContent(ciphertext, friend.id, reader.id, ts))
  const text = home.signed('USER_DELIVER', reader.id, { ciphertext, sender: friend.id, sender_pub: newKey.text, content_sig }, ts)
  for (let n = 0; n < 3; n += 1) socket.send(text)
  deliver('twice', newKey)
  await reader.waitFor('message', event => event.text === 'twice', { since })
  t.equal(reader.events.slice(since).filter(event => event.event === 'message' && event.text === 'once').length, 1)
})
