/** What a client's file transfer does with its facts: it waits for bytes, ends, or is abandoned. */
import t from 'tap'
import { createHost } from '../../src/actors/host.ts'
import { clientTransferMachine, stallMs } from '../../src/machines/client-transfer.ts'

type F = { readonly type: string; readonly why?: string }

const start = () => {
  const effects: string[] = []
  const host = createHost<F>({
    machines: { transfer: clientTransferMachine },
    fold: { evolve: () => {} },
    broadcast: type => type === 'client.started',
  })
  return {
    effects,
    host,
    record: (fact: F, at = 1_000) => {
      const named = host.apply({ stream: fact.type === 'client.started' ? 'node' : 'transfer:x', at, fact })
      effects.push(...named.map(({ effect }) => effect))
      return named
    },
  }
}

t.test('an offer arms the stall deadline, and the end disarms it', async t => {
  const { host, effects, record } = start()
  const [armed] = record({ type: 'incoming.offered' })
  t.same(armed?.params, { at: 1_000 + stallMs })
  t.equal(host.machine('transfer:x')?.state, 'receiving')
  record({ type: 'incoming.saved' })
  t.equal(host.machine('transfer:x'), undefined, 'it is forgotten')
  t.same(effects, ['armStall', 'disarmStall'])
})

t.test('a failure abandons it with the reason', async t => {
  const { record } = start()
  record({ type: 'incoming.offered' })
  t.same(
    record({ type: 'incoming.failed', why: 'stalled' }).map(({ effect, params }) => [effect, params]),
    [
      ['disarmStall', {}],
      ['abandonTransfer', { why: 'stalled' }],
    ],
  )
})

t.test('a restart abandons what was under way in both directions', async t => {
  for (const type of ['incoming.offered', 'outgoing.offered']) {
    const { record, effects, host } = start()
    record({ type })
    record({ type: 'client.started' })
    t.same(effects, ['armStall', 'disarmStall', 'abandonTransfer'], type)
    t.equal(host.count(), 0)
  }
})

t.test('an end of the other direction means nothing', async t => {
  const { record, host } = start()
  record({ type: 'outgoing.offered' })
  t.same(record({ type: 'incoming.saved' }), [])
  t.equal(host.machine('transfer:x')?.state, 'sending')
})
