/** What a user's session does, fact by fact. */
import t from 'tap'
import type { PresenceSeq, SessionFact } from '../../src/domain/facts.ts'
import { sessionMachine } from '../../src/machines/session.ts'
import type { PublicKeyText, ServerId, UserId } from '../../src/protocol/ids.ts'
import { startedAt, startMachine } from '../helpers/start-machine.ts'

const user = 'a1b2c3d4-2222-4abc-9def-000000000002' as UserId
const startSession = () => startMachine(sessionMachine, `session:${user}`)

const attached = (counter: number): SessionFact => ({
  type: 'session.attached',
  user,
  pubkey: 'key' as PublicKeyText,
  meta: { display_name: 'Ada' },
  caps: ['ack'],
  proven: true,
  seq: [1, counter],
})
const detached: SessionFact = { type: 'session.detached', user, why: '1006' }
const ended = (counter: number): SessionFact => ({ type: 'session.ended', user, why: 'grace', seq: [1, counter] })
const restarted = { type: 'node.started', server: 's' as ServerId, epoch: 2 } as const

const announce = (...seq: PresenceSeq) => ['announceUser', { user, seq }] as const
const grace = (ms: number) => ['armGrace', { user, at: startedAt + ms }] as const
const disarm = ['disarmGrace', { user }] as const

t.test('a user who attaches is announced under the sequence of that attachment', async t => {
  const session = startSession()
  t.same(session.when(0, attached(7)), [announce(1, 7)])
  t.equal(session.state(), 'attached')
  t.same(session.context(), { user, seq: [1, 7], since: startedAt, proven: true, graceUntil: null, why: '' })
})

t.test('a second attachment replaces the socket of the first and is announced anew', async t => {
  const session = startSession().given([0, attached(1)])
  t.same(session.when(5, attached(2)), [['closeReplacedSocket', { user }], announce(1, 2)])
  t.equal(session.state(), 'attached')
})

t.test('a user whose socket went is kept for the grace time', async t => {
  const session = startSession().given([0, attached(1)])
  t.same(session.when(1_000, detached), [grace(31_000)])
  t.equal(session.state(), 'detached')
  t.match(session.context(), { graceUntil: startedAt + 31_000, why: '1006', seq: [1, 1] })
})

t.test('a user who returns in time stays', async t => {
  const session = startSession().given([0, attached(1)], [1_000, detached])
  t.same(session.when(2_000, attached(2)), [disarm, announce(1, 2)])
  t.equal(session.state(), 'attached')
  t.match(session.context(), { graceUntil: null, why: '' })
})

t.test('a user who does not return is removed under the sequence of the end, and the session is forgotten', async t => {
  const session = startSession().given([0, attached(1)], [1_000, detached])
  t.same(session.when(31_000, ended(2)), [disarm, ['announceRemoval', { user, seq: [1, 2], why: 'grace' }]])
  t.equal(session.state(), undefined)
})

t.test('a user who says goodbye is removed at once', async t => {
  const session = startSession().given([0, attached(1)])
  t.same(session.when(1_000, ended(2)), [['announceRemoval', { user, seq: [1, 2], why: 'grace' }]])
})

t.test('a restart detaches whoever was attached', async t => {
  const session = startSession().given([0, attached(1)])
  t.same(session.when(50_000, restarted), [grace(80_000)])
  t.equal(session.state(), 'detached')
  t.match(session.context(), { why: 'restart', seq: [1, 1] })
})

t.test('a restart gives whoever was away the whole grace time again', async t => {
  const session = startSession().given([0, attached(1)], [1_000, detached])
  t.same(session.when(50_000, restarted), [grace(80_000)])
  t.equal(session.state(), 'detached')
})

t.test('facts about a session that never was make none', async t => {
  for (const fact of [detached, ended(1)]) {
    const session = startSession()
    t.same(session.when(0, fact), [])
    t.equal(session.state(), undefined)
  }
})

t.test('a detached socket that is reported twice does not prolong the grace time', async t => {
  const session = startSession().given([0, attached(1)], [1_000, detached])
  t.same(session.when(9_000, detached), [])
  t.equal(session.context()?.['graceUntil'], startedAt + 31_000)
})
