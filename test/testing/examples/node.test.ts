/** A real node in this process: what becomes of somebody who was here when it was killed? */
import t from 'tap'
import { newIdentity, startNode, virtualClock } from '../../../src/testing/testing.ts'

t.test('a user who does not return within 30 s of a restart is removed', async t => {
  const identity = await newIdentity()
  const clock = virtualClock()
  const node = await startNode({
    identity,
    clock,
    facts: [
      { type: 'node.started', server: identity.id, epoch: 1 },
      { type: 'session.attached', user: 'ann', pubkey: 'key', meta: {}, caps: [], proven: false, seq: [1, 1] },
    ],
  })
  t.teardown(() => node.stop())

  t.equal(node.state('session:ann'), 'detached', 'sockets do not survive a restart')
  t.match(node.effects, [{ address: 'session:ann', effect: 'armGrace' }])
  // and up to three more, drawn for each start
  await clock.advance(33_000)
  await node.until('session:ann', undefined)
  t.match(await node.untilFact('session.ended'), { fact: { user: 'ann', why: 'did not return' } })

  await node.crash()
  const again = await node.restart()
  t.teardown(() => again.stop())
  t.equal(again.state('session:ann'), undefined, 'and is not back after a crash')
})
