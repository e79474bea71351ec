/** A node in the process of a test: started from facts, looked at, waited for, stopped, killed and started again. */
import t, { type Test } from 'tap'
import { startedAt, type Given } from '../../src/testing/facts.ts'
import { startNode, type TestIdentity, type TestNode } from '../../src/testing/running-node.ts'
import { virtualClock } from '../../src/testing/virtual-clock.ts'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { stockKey } from '../helpers/stock-crypto.ts'
import { testKey } from '../helpers/test-keys.ts'

const identityOf = async (n: number): Promise<TestIdentity> => ({
  id: `00000000-0000-4000-8000-00000000000${n}`,
  pkcs8: (await testKey(n)).pkcs8,
})
const identity = await identityOf(0)
const user = '10000000-0000-4000-8000-000000000003'

/** A user was here when the node was last seen. */
const before: readonly Given[] = [
  { type: 'node.started', server: identity.id, epoch: 1 },
  { type: 'session.attached', user, pubkey: (await testKey(3)).publicText, meta: {}, caps: ['proof'], proven: true, seq: [1, 1] },
]

/** Ends the node when the test is over, however it ends. */
const started = (t: Test, node: TestNode): TestNode => {
  t.teardown(() => node.stop())
  return node
}

t.test('a node started from facts has lived through them, and goes on', async t => {
  const clock = virtualClock()
  const node = started(t, await startNode({ identity, facts: before, clock }))
  t.match(node.events, [{ event: 'ready', server_id: identity.id, url: node.url, epoch: 2 }])
  t.equal(node.state(`session:${user}`), 'detached', 'its socket did not survive the restart')
  t.ok(node.node.directory.users.has(user as never))
  t.same(
    node.effects.map(({ effect, at }) => [effect, at]),
    [['armGrace', clock.now()]],
    'only what was named since it started',
  )
  await clock.advance(29_999)
  t.equal(node.state(`session:${user}`), 'detached')
  await clock.advance(3_001)
  await node.until(`session:${user}`, undefined)
  t.match(await node.untilFact('session.ended'), { fact: { user, why: 'did not return' } })
  const facts = await node.facts()
  t.same(
    facts.map(({ fact, epoch }) => [fact.type, epoch]),
    [
      ['node.started', 1],
      ['session.attached', 1],
      ['node.started', 2],
      ['session.ended', 2],
    ],
  )
  t.equal(facts[0]?.at, startedAt)
  t.match(await node.view(), { seq: 4, server_id: identity.id, directory: [] })
  t.same(node.complaints, [])
})

t.test('a program can use it over its socket, and the test waits for what that leads to', async t => {
  const node = started(t, await startNode({ identity }))
  const key = await stockKey(4)
  const attaching = attachFrameUser({ url: node.url, key, name: 'ann', caps: ['proof', 'ack'] })
  const { fact } = await node.untilFact('session.attached')
  const ann = await attaching
  t.match(fact, { user: ann.id, proven: true, meta: { display_name: 'ann' } })
  await node.until(`session:${ann.id}`, 'attached')
  ann.socket.webSocket.terminate()
  await node.until(`session:${ann.id}`, machine => typeof machine?.context['graceUntil'] === 'number')
  t.equal(node.state(`session:${ann.id}`), 'detached')
})

t.test('what does not come is said, with what is there instead', async t => {
  const node = started(t, await startNode({ identity, facts: before }))
  await t.rejects(
    node.until(`session:${user}`, 'attached', { withinMs: 10 }),
    /session:\S+ is not 'attached' but 'detached' within 10 ms; the last facts are node\.started/,
  )
  await t.rejects(node.until('link:nobody', 'linked', { withinMs: 10 }), /link:nobody is not 'linked' but not there/)
  await t.rejects(node.untilFact('link.linked', { withinMs: 10 }), /no link\.linked was recorded within 10 ms/)
})

t.test('a crash leaves what was committed and says goodbye to nobody; a stop ends in order', async t => {
  const first = await startNode({ identity })
  const key = await stockKey(4)
  const ann = await attachFrameUser({ url: first.url, key, name: 'ann', caps: ['proof', 'ack'] })
  await t.rejects(first.restart(), /still runs: stop it or crash it/)
  await first.crash()
  await ann.socket.closed
  t.notOk(ann.socket.heard.some(({ type }) => type === 'USER_REMOVE'))
  const second = started(t, await first.restart())
  t.equal(second.url, first.url, 'at the same address')
  t.equal(second.state(`session:${ann.id}`), 'detached')
  const types = (await second.facts()).map(({ fact }) => fact.type)
  t.same(types, ['node.started', 'session.attached', 'node.started'])
  const again = await attachFrameUser({ url: second.url, key, name: 'ann', id: ann.id, caps: ['proof', 'ack'] })
  await second.stop()
  await again.socket.closed
  const third = started(t, await second.restart())
  t.equal(third.state(`session:${ann.id}`), undefined)
  t.same((await third.facts()).map(({ fact }) => fact.type).slice(3), ['session.attached', 'session.ended', 'node.stopped', 'node.started'])
})

t.test('facts of another server are refused', async t => {
  await t.rejects(startNode({ identity: await identityOf(1), facts: before }), /This log belongs to the server/)
})
