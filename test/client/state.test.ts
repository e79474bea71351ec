/** Pins and alarms: given facts, when keys are seen or trusted, then facts. */
import t from 'tap'
import { decideKeys, decideServer, decideServerTrust, decideTrust } from '../../src/client/decisions.ts'
import type { ClientFact, UserKeys } from '../../src/client/facts.ts'
import { clientLimits, createClientState } from '../../src/client/state.ts'
import type { PublicKeyText, ServerId, UserId } from '../../src/protocol/ids.ts'

const ann = 'ann' as UserId
const [first, second, third] = ['k1', 'k2', 'k3'].map((pubkey): UserKeys => ({ pubkey: pubkey as PublicKeyText })) as [
  UserKeys,
  UserKeys,
  UserKeys,
]
const url = 'ws://h:1'
const home = { server: 's1' as ServerId, pubkey: 'sk1' as PublicKeyText }
const other = { server: 's1' as ServerId, pubkey: 'sk2' as PublicKeyText }

const given = (...facts: readonly ClientFact[]) => {
  const { state, evolve } = createClientState()
  facts.forEach(evolve)
  return state
}
const pinned: ClientFact = { type: 'key.pinned', user: ann, ...first }
const changed: ClientFact = { type: 'key.changed', user: ann, ...second }

t.test('the first keys seen of a user are pinned, and seeing them again is nothing', async t => {
  t.same(decideKeys(given(), ann, first), [pinned])
  t.same(decideKeys(given(pinned), ann, first), [])
})

t.test('other keys are a change, once for each, and leave the pin as it is', async t => {
  t.same(decideKeys(given(pinned), ann, second), [changed])
  const state = given(pinned, changed)
  t.same(decideKeys(state, ann, second), [])
  t.same(decideKeys(state, ann, third), [{ type: 'key.changed', user: ann, ...third }])
  t.same(state.users.get(ann)?.keys, first)
})

t.test('another encryption key alone is a change too', async t => {
  const swapped: UserKeys = { ...first, encPubkey: 'evil' as PublicKeyText }
  t.same(decideKeys(given(pinned), ann, swapped), [{ type: 'key.changed', user: ann, ...swapped }])
  t.same(decideKeys(given(pinned), ann, { ...first, encPubkey: first.pubkey }), [], 'the same key under both names is no other')
})

t.test('when the pinned keys come back the alarm is over', async t => {
  t.same(decideKeys(given(pinned, changed), ann, first), [{ type: 'key.restored', user: ann }])
  t.equal(given(pinned, changed, { type: 'key.restored', user: ann }).users.get(ann)?.changed, undefined)
})

t.test("a person's word makes the changed keys the pinned ones, and forgets how the old key signed", async t => {
  const learned: ClientFact = { type: 'construction.learned', user: ann, pubkey: first.pubkey, construction: 'text' }
  t.equal(given(pinned, learned).users.get(ann)?.construction, 'text')
  const trusted: ClientFact = { type: 'key.trusted', user: ann, ...second }
  t.same(decideTrust(given(pinned, changed), ann), [trusted])
  const user = given(pinned, learned, changed, trusted).users.get(ann)
  t.same([user?.keys, user?.changed, user?.construction], [second, undefined, undefined])
  t.same(decideTrust(given(pinned), ann), [], 'there is nothing to trust')
})

t.test('a construction of another key than the pinned one is not learned', async t => {
  t.equal(
    given(pinned, { type: 'construction.learned', user: ann, pubkey: second.pubkey, construction: 'bytes' }).users.get(ann)?.construction,
    undefined,
  )
})

t.test('when there are too many pins, people nobody wrote with make room, and contacts never do', async t => {
  const pins = Array.from({ length: clientLimits.maxPins }, (_, n): ClientFact => ({
    type: 'key.pinned',
    user: `u${n}` as UserId,
    ...first,
  }))
  const heard = (n: number): ClientFact => ({ type: 'message.received', id: `m${n}`, user: `u${n}` as UserId, ts: 1, kind: 'direct' })
  t.same(decideKeys(given(...pins, heard(0)), ann, first), [{ type: 'key.forgotten', user: 'u1' }, pinned])
  t.same(decideKeys(given(...pins, ...pins.map((_, n) => heard(n))), ann, first), [], 'then nobody new is pinned')
})

t.test('message ids are remembered up to a bound, the oldest go first', async t => {
  const facts = Array.from({ length: clientLimits.maxReceived + 1 }, (_, n): ClientFact => ({
    type: 'message.received',
    id: `m${n}`,
    user: ann,
    ts: n,
    kind: 'direct',
  }))
  const { received } = given(...facts)
  t.equal(received.size, clientLimits.maxReceived)
  t.notOk(received.has('m0'))
  t.ok(received.has(`m${clientLimits.maxReceived}`))
})

t.test('the latest ts is the greatest of what was sent', async t => {
  const sent = (ts: number): ClientFact => ({ type: 'message.sent', id: String(ts), to: 'public', ts, kind: 'public' })
  t.equal(given(sent(5), sent(9), sent(7)).lastTs, 9)
})

t.test('a server is pinned by its address on first use; another id or key there is a change that wants a word', async t => {
  const pin: ClientFact = { type: 'server.pinned', url, ...home }
  const change: ClientFact = { type: 'server.changed', url, ...other }
  t.same(decideServer(given(), url, home), [pin])
  t.same(decideServer(given(pin), url, home), [])
  t.same(decideServer(given(pin), url, other), [change])
  t.same(decideServer(given(pin, change), url, other), [])
  t.same(decideServerTrust(given(pin), url), [])
  t.same(decideServerTrust(given(pin, change), url), [{ type: 'server.trusted', url, ...other }])
  t.same(given(pin, change, { type: 'server.trusted', url, ...other }).servers.get(url)?.pin, other)
})

t.test('transfers that a run left open are over when the next one starts', async t => {
  const offered: ClientFact = { type: 'incoming.offered', transfer: 't', file: 'f' as never, user: ann, size: 1, sha256: '' }
  t.equal(given(offered).transfers.get('t'), 'incoming')
  t.equal(given(offered, { type: 'client.started', user: ann, epoch: 2 }).transfers.size, 0)
})
