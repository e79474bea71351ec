/** What a file on its way does, fact by fact. */
import t from 'tap'
import type { TransferFact } from '../../src/domain/facts.ts'
import { expiryMs, transferMachine } from '../../src/machines/transfer.ts'
import type { FileId, ServerId, UserId } from '../../src/protocol/ids.ts'
import { startedAt, startMachine, type Dated } from '../helpers/start-machine.ts'

const file = 'f' as FileId
const offer = { file, sender: 'ada/x' as UserId, recipient: 'bob' as UserId, size: 2_048, mode: 'dm' } as const
const startTransfer = () => startMachine(transferMachine, 'transfer:f/ada/x/bob')

const offered: TransferFact = { type: 'transfer.offered', ...offer }
const began: TransferFact = { type: 'transfer.began', file }
const ended: TransferFact = { type: 'transfer.ended', file, chunks: 5 }
const failed: TransferFact = { type: 'transfer.failed', file, why: 'stalled' }
const restarted = { type: 'node.started', server: 's' as ServerId, epoch: 2 } as const

const expiry = (ms: number) => ['armExpiry', { offer, at: startedAt + ms }] as const
const disarm = ['disarmExpiry', { offer }] as const
const close = ['closeTransfer', { offer }] as const
const abort = ['abortTransfer', { offer, why: 'stalled' }] as const

t.test('an offer expires unless a chunk comes', async t => {
  const transfer = startTransfer()
  t.same(transfer.when(10, offered), [expiry(10 + expiryMs)])
  t.equal(transfer.state(), 'offered')
  t.same(transfer.context(), { offer, since: startedAt + 10, expiresAt: startedAt + 10 + expiryMs })
})

t.test('the first chunk makes it active and disarms the expiry', async t => {
  const transfer = startTransfer().given([0, offered])
  t.same(transfer.when(10, began), [disarm])
  t.equal(transfer.state(), 'active')
  t.equal(transfer.context()?.['expiresAt'], null)
})

t.test('a transfer that ends is closed and forgotten', async t => {
  const transfer = startTransfer().given([0, offered], [1, began])
  t.same(transfer.when(10, ended), [close])
  t.equal(transfer.state(), undefined)
})

t.test('an empty file ends without a chunk', async t => {
  const transfer = startTransfer().given([0, offered])
  t.same(transfer.when(10, ended), [disarm, close])
  t.equal(transfer.state(), undefined)
})

t.test('a failure is told to both ends from every state', async t => {
  const givens: readonly (readonly [readonly Dated[], boolean])[] = [
    [[[0, offered]], true],
    [
      [
        [0, offered],
        [1, began],
      ],
      false,
    ],
    [
      [
        [0, offered],
        [1, began],
        [2, restarted],
      ],
      true,
    ],
  ]
  for (const [given, armed] of givens) {
    const transfer = startTransfer().given(...given)
    t.same(transfer.when(10, failed), armed ? [disarm, abort] : [abort])
    t.equal(transfer.state(), undefined)
  }
})

t.test('a restart suspends what was offered or under way', async t => {
  const active = startTransfer().given([0, offered], [1, began])
  t.same(active.when(100, restarted), [expiry(100 + expiryMs)])
  t.equal(active.state(), 'suspended')

  const waiting = startTransfer().given([0, offered])
  t.same(waiting.when(100, restarted), [disarm, expiry(100 + expiryMs)])
  t.equal(waiting.state(), 'suspended')
})

t.test('a suspended transfer waits anew after another restart, and goes on with the next chunk', async t => {
  const transfer = startTransfer().given([0, offered], [1, began], [2, restarted])
  t.same(transfer.when(200, restarted), [disarm, expiry(200 + expiryMs)])
  t.same(transfer.when(300, began), [disarm])
  t.equal(transfer.state(), 'active')
})

t.test('chunks without an offer make no transfer', async t => {
  for (const fact of [began, ended, failed]) {
    const transfer = startTransfer()
    t.same(transfer.when(0, fact), [])
    t.equal(transfer.state(), undefined)
  }
})
