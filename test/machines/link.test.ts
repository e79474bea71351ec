/** What a peer link does, fact by fact. */
import t from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import { decideWrong, type LinkContext, linkMachine, steadyMs, wrong } from '../../src/machines/link.ts'
import type { ServerId } from '../../src/protocol/ids.ts'
import { startedAt, startMachine, type Dated } from '../helpers/start-machine.ts'

const server = '7f0c2a1e-1111-4abc-8def-000000000001' as ServerId
const startLink = () => startMachine(linkMachine, `link:${server}`)

const dialled: Fact = { type: 'link.dialled', server, url: 'ws://127.0.0.1:9000' }
const failed: Fact = { type: 'link.failed', server, why: 'ECONNREFUSED' }
const closed: Fact = { type: 'link.closed', server, why: '1006' }
const silent: Fact = { type: 'link.silent', server }
const linked: Fact = { type: 'link.linked', server, direction: 'dialled', proven: true, caps: ['proof'] }
const accepted: Fact = { type: 'link.linked', server, direction: 'accepted', proven: false, caps: [] }
const restarted: Fact = { type: 'node.started', server, epoch: 2 }

const redial = (ms: number) => ['armRedial', { server, at: startedAt + ms }] as const
const tell = ['tellStanding', { server }] as const
const lapse = (ms: number) => ['armLapse', { server, at: startedAt + ms }] as const
const disarm = ['disarmRedial', { server }] as const
const announce = ['announceUsers', { server }] as const

t.test('a dial leads from nothing to dialling and disarms the redial', async t => {
  const link = startLink()
  t.equal(link.state(), undefined)
  t.same(link.when(0, dialled), [disarm])
  t.equal(link.state(), 'dialling')
})

t.test('a link that stands announces our users and remembers how it was made', async t => {
  const link = startLink().given([0, dialled])
  t.same(link.when(40, linked), [disarm, tell, announce])
  t.equal(link.state(), 'linked')
  t.same(link.context(), {
    server,
    failures: 0,
    failingSince: null,
    redialAt: null,
    apartSince: null,
    lapseAt: null,
    wrongs: 0,
    wrongAt: null,
    since: startedAt + 40,
    direction: 'dialled',
    proven: true,
    caps: ['proof'],
  })
})

t.test('a peer that dials us is linked in whatever state we are', async t => {
  const givens: readonly (readonly Dated[])[] = [
    [],
    [[0, dialled]],
    [
      [0, dialled],
      [10, failed],
    ],
    [[0, linked]],
  ]
  for (const given of givens) {
    const link = startLink().given(...given)
    t.same(link.when(100, accepted), [disarm, tell, announce])
    t.equal(link.state(), 'linked')
    t.match(link.context(), { direction: 'accepted', proven: false })
  }
})

t.test('a second link of a linked pair announces again, for the peer may have restarted, and keeps its age', async t => {
  const link = startLink().given([0, dialled], [10, linked])
  t.same(link.when(500, { ...linked, direction: 'accepted' }), [disarm, tell, announce])
  t.equal(link.context()?.['since'], startedAt + 10)
})

t.test('failed dials back off from a quarter of a second to five seconds', async t => {
  const link = startLink()
  const waits: unknown[] = []
  for (let now = 0; now < 7_000; now += 1_000) {
    link.given([now, dialled])
    const [[name, params] = []] = link.when(now, failed)
    t.equal(name, 'armRedial')
    waits.push(Number(params?.['at']) - startedAt - now)
  }
  t.same(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000])
  t.equal(link.context()?.['failures'], 7)
})

t.test('after ten minutes of failing a peer is dialled once a minute', async t => {
  const link = startLink().given([0, dialled], [0, failed], [599_999, dialled])
  t.same(link.when(599_999, failed), [redial(599_999 + 500)])
  link.given([600_000, dialled])
  t.same(link.when(600_000, failed), [redial(660_000)])
})

t.test('45 s of silence cuts the sockets, makes the users suspect and rests the link', async t => {
  const link = startLink().given([0, dialled], [0, linked])
  t.same(link.when(60_000, silent), [['closeSockets', { server }], tell, lapse(90_000), redial(60_250)])
  t.equal(link.state(), 'resting')
  t.match(link.context(), { since: null, direction: null, proven: false, caps: [], failures: 1, redialAt: startedAt + 60_250 })
})

t.test('a link that closes after a steady life is redialled at once, whatever failed before', async t => {
  const link = startLink().given([0, dialled], [0, failed], [250, dialled], [250, failed], [1_000, linked])
  t.same(link.when(1_000 + steadyMs, closed), [tell, lapse(31_000 + steadyMs), redial(1_250 + steadyMs)])
})

t.test('a peer that accepts and hangs up is backed off from like one that refuses', async t => {
  const link = startLink().given([0, linked], [1, closed], [2, linked], [3, closed], [4, linked])
  t.same(link.when(5, closed), [tell, lapse(30_005), redial(1_005)])
})

t.test('a socket that closes before the handshake is over is a failure', async t => {
  const link = startLink().given([0, dialled])
  t.same(link.when(5, closed), [redial(255)])
  t.equal(link.state(), 'resting')
})

t.test('a second dial that fails changes nothing while the link stands', async t => {
  const link = startLink().given([0, dialled], [0, accepted])
  t.same(link.when(5, failed), [])
  t.equal(link.state(), 'linked')
})

t.test('a restart rests the link from every state and redials within a second', async t => {
  const givens: readonly (readonly Dated[])[] = [
    [[0, dialled]],
    [[0, linked]],
    [
      [0, dialled],
      [0, failed],
    ],
  ]
  for (const given of givens) {
    const link = startLink().given(...given)
    t.same(link.when(1_000_000, restarted), [tell, lapse(1_030_000), redial(1_000_250)])
    t.equal(link.state(), 'resting')
    t.match(link.context(), { failures: 0, failingSince: null, since: null })
  }
})

t.test('a restart makes no link', async t => {
  const link = startLink()
  t.same(link.when(0, restarted), [])
  t.equal(link.state(), undefined)
})

t.test('a hello of a peer that was long not to be reached has it dialled at once, and its failures forgotten', async t => {
  const link = startLink().given([0, dialled], [0, failed], [700_000, dialled], [700_000, failed])
  t.equal(link.context()?.['redialAt'], startedAt + 760_000)
  t.same(link.when(701_000, { type: 'link.greeted', server }), [redial(701_000)])
  t.match(link.context(), { failures: 0, failingSince: null })
  link.given([701_000, dialled])
  t.same(link.when(701_000, failed), [redial(701_250)], 'and the backoff begins anew')
})

t.test('how long there has been no link is counted over restarts, and what was in doubt stays so', async t => {
  const link = startLink().given([0, dialled], [10, linked], [20_000, closed])
  t.match(link.context(), { apartSince: startedAt + 20_000, lapseAt: startedAt + 50_000 })
  link.given([900_000, restarted])
  t.match(link.context(), { apartSince: startedAt + 20_000 })
  t.same(link.when(1_000_000, { type: 'link.lapsed', server }), [tell])
  link.given([1_000_001, linked])
  t.match(link.context(), { apartSince: null, lapseAt: null })
})

t.test('the doubt about a peer that compares digests ends when it has, and not with its link', async t => {
  const comparing: Fact = { ...linked, caps: ['presence-digest'] }
  const link = startLink().given([0, comparing], [20_000, closed], [25_000, comparing])
  t.equal(link.context()?.['lapseAt'], startedAt + 50_000)
  t.same(link.when(26_000, { type: 'link.synced', server }), [['disarmLapse', { server }], tell])
  t.equal(link.context()?.['lapseAt'], null)
})

const wronged: Fact = { type: 'link.wronged', server, why: 'another key' }
const decided = (link: ReturnType<typeof startLink>, at: number, proven: boolean) =>
  decideWrong(link.context() as unknown as LinkContext, 'another key', proven, startedAt + at).map(({ type }) => type)

t.test('a peer that answers wrongly three times is left alone for a minute at a time', async t => {
  const link = startLink()
  const waits = [0, 1_000, 2_000].map(at => {
    link.given([at, dialled])
    const [[, params] = []] = link.when(at, wronged)
    return Number(params?.['at']) - startedAt - at
  })
  t.same(waits, [250, 500, 60_000])
  t.same(link.when(3_000, { type: 'link.greeted', server }), [redial(62_000)], 'whatever hellos come')
  link.given([62_000, dialled], [62_000, linked])
  t.same(link.when(62_000 + steadyMs, closed), [tell, lapse(92_000 + steadyMs), redial(62_250 + steadyMs)], 'until it has behaved')
})

t.test('what was proven to be its own wrong answer, ten times, has it refused for an hour; what may be another’s never', async t => {
  const link = startLink().given([0, linked])
  for (let n = 0; n < 9; n += 1) {
    t.same(decided(link, n, true), ['link.wronged'])
    link.given([n, wronged])
  }
  t.same(decided(link, 9, false), ['link.wronged'])
  t.same(decided(link, 9, true), ['link.wronged', 'link.refused'])
  t.same(decided(link, 10 + wrong.forgiveMs, true), ['link.wronged'], 'after ten minutes of peace it counts anew')
  const until = startedAt + 9 + wrong.refuseMs
  const effects = link.when(9, { type: 'link.refused', server, until })
  t.same(effects, [['closeSockets', { server }], tell, lapse(30_009), ['armRedial', { server, at: until }]])
  link.given([10, restarted])
  t.equal(link.state(), 'refused', 'a restart does not help')
  link.given([wrong.refuseMs + 10, dialled])
  t.equal(link.state(), 'dialling')
})
