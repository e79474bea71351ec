/** What a client keeps until it is accepted: nothing but a word of somebody who could know ends that. */
import t from 'tap'
import { type ClientFact, createClientState } from '../../src/client/facts.ts'
import { createKeeping } from '../../src/client/keeping.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { memoryMail } from '../../src/store/memory-mail.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

t.test('an acknowledgement that is read when the server is gone already does not end the keeping', async t => {
  const facts: ClientFact[] = []
  const { state, evolve } = createClientState()
  const keeping = createKeeping({
    clock: createManualClock(),
    crypto: nodeCrypto(),
    userId: 'ann' as UserId,
    journal: {
      state,
      record: (_stream, fact) => {
        facts.push(fact)
        evolve(fact)
      },
      release: run => {
        run()
      },
      flushed: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    keyBook: {} as never,
    roster: { members: new Map() },
    mail: memoryMail(new Map()),
    attachment: () => undefined,
    send: () => false,
    tell: () => {},
    crashed: error => {
      throw error
    },
  })
  t.teardown(keeping.close)
  const told: string[] = []
  void keeping.keep({ id: 'm', to: 'ben' as UserId, ts: 1, kind: 'direct', order: [1, 1, 0], text: '{}' }, status => {
    told.push(status)
  })
  t.ok(keeping.answered('m'))
  t.same(told, ['sent'])
  t.same(
    facts.map(({ type }) => type),
    ['message.stored'],
  )
})
