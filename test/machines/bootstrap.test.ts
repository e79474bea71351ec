/** How a server finds its way into the mesh, fact by fact. */
import t from 'tap'
import type { BootstrapFact } from '../../src/domain/facts.ts'
import { bootstrapMachine } from '../../src/machines/bootstrap.ts'
import type { ServerId } from '../../src/protocol/ids.ts'
import { startedAt, startMachine, type Dated } from '../helpers/start-machine.ts'

const introducer = 'i' as ServerId
const startBootstrap = () => startMachine(bootstrapMachine, 'bootstrap')

const asked = (host: string, attempt = 1): BootstrapFact => ({ type: 'bootstrap.asked', introducer: host, attempt })
const failed: BootstrapFact = { type: 'bootstrap.failed', introducer: 'a:1', why: 'ECONNREFUSED' }
const joined: BootstrapFact = { type: 'bootstrap.joined', introducer }
const restarted = { type: 'node.started', server: 's' as ServerId, epoch: 2 } as const

const retry = (ms: number, next: number) => ['armRetry', { at: startedAt + ms, next }] as const
const disarm = ['disarmRetry', {}] as const

t.test('asking the first introducer names no effect', async t => {
  const bootstrap = startBootstrap()
  t.same(bootstrap.when(0, asked('a:1')), [])
  t.equal(bootstrap.state(), 'asking')
  t.same(bootstrap.context(), { next: 0, asked: 'a:1', introducer: null, failures: 0, failingSince: null, retryAt: null })
})

t.test('when one does not answer the next is tried, later each time', async t => {
  const bootstrap = startBootstrap().given([0, asked('a:1')])
  t.same(bootstrap.when(0, failed), [retry(250, 1)])
  t.equal(bootstrap.state(), 'waiting')
  t.same(bootstrap.when(250, asked('b:1')), [disarm])
  t.same(bootstrap.when(250, failed), [retry(750, 2)])
  bootstrap.given([750, asked('c:1')])
  t.same(bootstrap.when(750, failed), [retry(1_750, 3)])
})

t.test('a welcome ends it and forgets the failures', async t => {
  const bootstrap = startBootstrap().given([0, asked('a:1')], [0, failed], [250, asked('b:1')])
  t.same(bootstrap.when(300, joined), [])
  t.equal(bootstrap.state(), 'joined')
  t.match(bootstrap.context(), { introducer, failures: 0, failingSince: null, retryAt: null, next: 1 })
})

t.test('a welcome that comes while we wait is taken', async t => {
  const bootstrap = startBootstrap().given([0, asked('a:1')], [0, failed])
  t.same(bootstrap.when(100, joined), [disarm])
  t.equal(bootstrap.state(), 'joined')
})

t.test('whoever lost the mesh asks again', async t => {
  const bootstrap = startBootstrap().given([0, asked('a:1')], [10, joined])
  t.same(bootstrap.when(90_000, asked('a:1')), [])
  t.equal(bootstrap.state(), 'asking')
})

t.test('a restart begins anew from every state, with the next introducer of the list', async t => {
  const givens: readonly (readonly [readonly Dated[], number, readonly unknown[]])[] = [
    [[[0, asked('a:1')]], 0, []],
    [
      [
        [0, asked('a:1')],
        [1, failed],
      ],
      1,
      [disarm],
    ],
    [
      [
        [0, asked('a:1')],
        [1, joined],
      ],
      0,
      [],
    ],
  ]
  for (const [given, next, effects] of givens) {
    const bootstrap = startBootstrap().given(...given)
    t.same(bootstrap.when(1_000, restarted), effects)
    t.equal(bootstrap.state(), 'alone')
    t.same(bootstrap.context(), { next, asked: null, introducer: null, failures: 0, failingSince: null, retryAt: null })
  }
})
