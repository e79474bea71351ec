/** When what is kept is sent again: nobody has to wait for a lost message longer than its reader is willing to. */
import t from 'tap'
import type { ClientFact } from '../../src/client/facts.ts'
import { createClientState } from '../../src/client/state.ts'
import type { Attachment } from '../../src/client/handshake.ts'
import { createKeeping } from '../../src/client/keeping.ts'
import type { KeyBook } from '../../src/client/key-book.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { ServerId, UserId } from '../../src/protocol/ids.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

const ben = 'ben' as UserId

/** Keeps messages to Ben; `sent` says how often each went, in order. */
const start = () => {
  const clock = createManualClock()
  const { state, evolve } = createClientState()
  let attachment: Attachment | undefined = { server: 's' as ServerId, key: undefined, acks: true, caps: ['receipts'] }
  const sent: string[] = []
  const keeping = createKeeping({
    clock,
    crypto: nodeCrypto(),
    userId: 'ann' as UserId,
    journal: {
      state,
      record: (_stream, fact: ClientFact) => {
        evolve(fact)
      },
      release: run => {
        run()
      },
      flushed: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    keyBook: {} as KeyBook,
    roster: { members: new Map() },
    mail: { read: () => Promise.resolve([]), size: () => Promise.resolve({ count: 0, bytes: 0 }) },
    attachment: () => attachment,
    send: texts => {
      sent.push(...texts)
      return true
    },
    tell: () => {},
    crashed: error => {
      throw error
    },
  })
  let number = 0
  const write = (): void => {
    number += 1
    const [id, ts] = [`m${number}`, clock.now()]
    void keeping.keep({ id, to: ben, ts, kind: 'direct', order: [1, number, number - 1], text: id }, () => {})
  }
  t.teardown(() => {
    keeping.close()
  })
  const lose = (): void => {
    attachment = undefined
    keeping.lost('It is gone.')
  }
  return { clock, state, keeping, sent, write, lose }
}

t.test('what no receipt came for is sent again after five seconds, and then ever more rarely', async t => {
  const { clock, sent, write } = start()
  write()
  clock.advance(4_900)
  t.equal(sent.length, 1)
  clock.advance(1_100)
  t.equal(sent.length, 2)
  clock.advance(600_000)
  t.ok(sent.length > 18 && sent.length < 26, `${sent.length} times in ten minutes`)
})

t.test('a message takes along those before it that are missed, before they are due', async t => {
  const { clock, sent, write } = start()
  write()
  clock.advance(2_500)
  t.same(sent, ['m1'])
  write()
  t.same(sent, ['m1', 'm1', 'm2'], 'in order')
})

t.test('what a later one has overtaken is sent again within three seconds, once', async t => {
  const { clock, sent, write } = start()
  write()
  clock.advance(1_500)
  write()
  t.same(sent, ['m1', 'm2'], 'it may still be on its way')
  clock.advance(2_000)
  t.same(sent, ['m1', 'm2', 'm1'])
  clock.advance(1_000)
  t.same(sent, ['m1', 'm2', 'm1'])
})

t.test('what could not be passed on goes along at once, and by itself only when it is due', async t => {
  const { clock, keeping, sent, write } = start()
  write()
  keeping.answered('m1', 'Not now.')
  clock.advance(1_000)
  write()
  t.same(sent, ['m1', 'm1', 'm2'])
  keeping.answered('m1', 'Not now.')
  keeping.answered('m2', 'Not now.')
  clock.advance(3_900)
  t.equal(sent.length, 3, 'nothing has changed')
})

t.test('an acknowledgement that is read when the connection is gone means no more than before', async t => {
  const { keeping, state, write, lose } = start()
  write()
  lose()
  t.ok(keeping.answered('m1'))
  t.same([...state.kept.keys()], ['m1'], 'it is kept: the server was no v1.3 server because it is gone')
})
