/** How a client attaches: to a server that proves itself, to one that cannot, and to stock ones. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Clock } from '../../src/ports/clock.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { isWellSigned, type Heard } from '../helpers/frame-client.ts'
import { memoryNetwork } from './memory-network.ts'
import { attachedClient, testClient } from './rig.ts'
import { scriptedServer } from './scripted-server.ts'

/** What a stock server lets one wait for passes five times as fast. */
const real = nodeClock()
const hurried: Clock = { ...real, monotonic: () => real.monotonic() * 5, after: (ms, run) => real.after(ms / 5, run) }

t.test('the hello is signed and lists what we can; nothing is proved before the server has', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const ann = await attachedClient(t, { network, url: server.url, name: 'ann', key: 1 })
  const [hello, challenge, proof] = server.heard
  t.match(hello, {
    type: 'USER_HELLO',
    from: ann.id,
    payload: {
      pubkey: ann.keyText,
      meta: { display_name: 'ann' },
      caps: ['ack', 'blocks', 'bound', 'notice', 'pace', 'ping', 'presence', 'proof', 'receipts', 'servers'],
    },
  })
  t.ok(isWellSigned(ann.keyText, { ...(hello as Heard), payloadText: JSON.stringify(hello?.payload) }))
  t.match(challenge, { type: 'CHALLENGE', payload: { nonce: /^[\w-]{43}$/ } })
  t.match(proof, { type: 'PROOF', to: server.id, payload: { prover: ann.id, verifier: server.id, role: 'user' } })
  t.ok(
    ann.facts().some(fact => fact.type === 'server.pinned' && fact.server === server.id),
    'pinned on first use',
  )
})

t.test('a server that cannot prove its key is not attached to, and gets no proof of ours', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network, { manner: 'wrong' })
  const ann = await testClient(t, { network, url: server.url, name: 'ann', key: 1 })
  ann.connect()
  t.match(await ann.waitFor('error'), { code: 'INVALID_SIG', detail: /could not prove its key/ })
  t.notOk(server.heard.some(frame => frame.type === 'PROOF'))
  t.equal(ann.attached, false)
  t.notOk(ann.facts().some(fact => fact.type === 'server.pinned'))
})

t.test('a proof for another challenge, verifier or role is refused', async t => {
  for (const wrong of [
    { nonce: randomBytes(32).toString('base64url') },
    { verifier: 'somebody-else' },
    { role: 'user' },
    { prover: 'another' },
  ]) {
    const network = memoryNetwork()
    const server = await scriptedServer(network, {
      intercept: (frame, _socket, self) => {
        if (frame.type !== 'CHALLENGE') return false
        const payload = frame.payload as { nonce: string }
        const key = { pubkey: 'unused' }
        self.send(frame.from, 'PROOF', { ...key, nonce: payload.nonce, prover: self.id, verifier: frame.from, role: 'server', ...wrong })
        return true
      },
    })
    const ann = await testClient(t, { network, url: server.url, name: 'ann', key: 1 })
    ann.connect()
    t.ok(['INVALID_SIG', 'BAD_KEY'].includes((await ann.waitFor('error')).code), JSON.stringify(wrong))
    t.equal(ann.attached, false)
  }
})

t.test('another key at the pinned address is an alarm and refused, until a person trusts it', async t => {
  const network = memoryNetwork()
  const honest = await scriptedServer(network, { id: 'same-id' })
  const ann = await attachedClient(t, { network, url: honest.url, name: 'ann', key: 1 })
  await ann.close()
  const port = Number(new URL(honest.url).port)
  const impostor = await scriptedServer(
    { ...network, listen: (options, accept) => network.listen({ ...options, port }, accept) },
    { key: 5, id: 'same-id' },
  )
  // the memory network gives ports by itself, so the address is made to lead there
  const led = { ...network, dial: ((_url, ...rest) => network.dial(impostor.url, ...rest)) as typeof network.dial }
  const again = await testClient(t, { network: led, url: honest.url, name: 'ann', key: 1, id: ann.id, disk: ann.disk })
  again.connect()
  t.match(await again.waitFor('alarm'), { kind: 'server_key', user_id: 'same-id', fingerprint: /^([0-9a-f]{4} ){15}[0-9a-f]{4}$/ })
  t.match(await again.waitFor('error'), { code: 'SERVER_CHANGED' })
  t.equal(again.attached, false)
  t.notOk(
    impostor.heard.some(frame => frame.type === 'PROOF'),
    'nothing is signed for it',
  )
  t.equal(again.trust(undefined), true)
  t.match(await again.waitFor('trusted'), { kind: 'server_key' })
  t.match(await again.waitFor('ready'), { server_id: 'same-id' })
})

t.test('a stock server is attached to plainly after two seconds, and messages go to it without waiting for an acknowledgement', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network, { manner: 'stock', intercept: frame => frame.type === 'PUBKEY_REQUEST' })
  const ann = await attachedClient(t, { network, url: server.url, name: 'ann', key: 1, clock: hurried })
  // a stock server tells keys by advertisements only, so who came first knows who came later
  const bob = await attachedClient(t, { network, url: server.url, name: 'bob', key: 2, clock: hurried })
  await ann.waitFor('presence', event => event.user_id === bob.id)
  t.equal(await ann.tell('bob', 'plainly'), true)
  t.match(await bob.waitFor('message'), { text: 'plainly' })
})

t.test('a server without proof that acknowledges the hello is attached to at once, and never at a pinned address', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network, { manner: 'acks' })
  const ann = await attachedClient(t, { network, url: server.url, name: 'ann', key: 1 })
  t.match(await ann.waitFor('ready'), { server_id: server.id })
  const proving = await scriptedServer(network)
  const bob = await attachedClient(t, { network, url: proving.url, name: 'bob', key: 2 })
  await bob.close()
  const led = { ...network, dial: ((_url, ...rest) => network.dial(server.url, ...rest)) as typeof network.dial }
  const again = await testClient(t, { network: led, url: proving.url, name: 'bob', key: 2, id: bob.id, disk: bob.disk })
  again.connect()
  t.match(await again.waitFor('error'), { code: 'SERVER_UNPROVEN' })
  t.equal(again.attached, false)
})

t.test('a server that cannot be reached is told once and tried again', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  network.reachable = false
  const ann = await testClient(t, { network, url: server.url, name: 'ann', key: 1 })
  ann.connect()
  t.match(await ann.waitFor('error'), { code: 'UNREACHABLE' })
  network.reachable = true
  await ann.waitFor('ready')
  t.equal(ann.events.filter(event => event.event === 'error').length, 1)
})

t.test('a name that cannot be used is refused before anything is opened', async t => {
  const network = memoryNetwork()
  await t.rejects(testClient(t, { network, url: 'ws://127.0.0.1:1', name: 'a\u001b[31m', key: 1 }), RangeError)
})

t.test('whoever answers in the place of a server cannot make a client give up for good', async t => {
  const network = memoryNetwork()
  let attempts = 0
  const server = await scriptedServer(network, {
    intercept: (frame, socket) => {
      if (frame.type !== 'USER_HELLO') return false
      attempts += 1
      if (attempts > 1) return false
      const payload = { code: 'SERVER_CHANGED', detail: 'Go away.' }
      socket.send([JSON.stringify({ type: 'ERROR', from: 'nobody', to: frame.from, ts: Date.now(), payload })])
      return true
    },
  })
  const ann = await testClient(t, { network, url: server.url, name: 'ann', key: 1 })
  ann.connect()
  t.match(await ann.waitFor('error'), { code: 'REFUSED', detail: 'The server refused us: SERVER_CHANGED: Go away.' })
  await ann.waitFor('ready')
})
