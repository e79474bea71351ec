/** One machine under test: where its facts go, what it shows, what it refuses. */
import t from 'tap'
import { setup } from 'xstate'
import { startedAt } from '../../src/testing/facts.ts'
import { startMachine } from '../../src/testing/machine.ts'

const user = '7f0c2a1e-0000-4000-8000-000000000001'
const attached = { type: 'session.attached', user, pubkey: 'key', meta: {}, caps: [], proven: true, seq: [1, 1] } as const

t.test('a machine is in the state that its facts lead to, and names its effects in order', async t => {
  const session = startMachine(`session:${user}`).given([attached])
  t.equal(session.state, 'attached')
  t.match(session.context, { user, since: startedAt, proven: true })
  const named = session.record({ after: 2_000, fact: { type: 'session.detached', user, why: 'gone' } })
  t.same(named, [
    {
      address: `session:${user}`,
      effect: 'armGrace',
      params: { user, at: startedAt + 32_000 },
      at: startedAt + 2_000,
    },
  ])
  t.equal(session.now, startedAt + 2_000)
  session.record({ after: 30_000, fact: { type: 'session.ended', user, why: 'did not return', seq: [1, 2] } })
  t.equal(session.state, undefined, 'a machine that ended is forgotten')
  t.same(session.named, ['announceUser', 'armGrace', 'disarmGrace', 'announceRemoval'])
})

t.test('node.started reaches a machine as it does in a node', async t => {
  const session = startMachine(`session:${user}`).given([attached, { after: 10, fact: { type: 'node.started', server: 's', epoch: 2 } }])
  t.equal(session.state, 'detached')
  t.equal(startMachine(`session:${user}`).given([{ type: 'node.started', server: 's', epoch: 1 }]).state, undefined, 'and makes none')
})

t.test('every kind of machine of a node can be started by its address', async t => {
  t.equal(startMachine('link:s').given([{ type: 'link.dialled', server: 's', url: 'ws://h:1' }]).state, 'dialling')
  t.equal(startMachine('bootstrap').given([{ type: 'bootstrap.asked', introducer: 'h:1', attempt: 0 }]).state, 'asking')
  const offered = { type: 'transfer.offered', file: 'f', sender: 'a', recipient: 'b', size: 1, mode: 'dm' } as const
  t.equal(startMachine('transfer:f/a/b').given([offered]).state, 'offered')
  t.throws(() => startMachine('sesion:x'), /no machine at sesion:x.*bootstrap, link, session, transfer/)
})

t.test('a machine of one’s own runs the same way', async t => {
  const door = setup({ actions: { ring: () => {} } }).createMachine({
    initial: 'shut',
    states: { shut: { on: { 'link.silent': { target: 'open', actions: 'ring' } } }, open: {} },
  })
  const started = startMachine('door:1', { machine: door }).given([{ type: 'link.silent', server: 's' }])
  t.equal(started.state, 'open')
  t.same(started.named, ['ring'])
})

t.test('time never goes back', async t => {
  const link = startMachine('link:s').given([{ at: startedAt + 5, fact: { type: 'link.silent', server: 's' } }])
  t.throws(
    () => link.record({ at: startedAt, fact: { type: 'link.silent', server: 's' } }),
    /link\.silent at \d+ is before the fact before it/,
  )
})
