/** Redaction: no id, key, name, address or text of others is left, the same stays the same, and what is folded has the same form. */
import fc from 'fast-check'
import t from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import type { Address } from '../../src/protocol/ids.ts'
import { createRedaction } from '../../src/server/redaction.ts'
import { createTraveller, stateOf } from '../../src/server/time-travel.ts'
import type { RecordedFact } from '../../src/store/log.ts'
import { createMesh, startPair } from './mesh.ts'
import { attachUser } from './user.ts'

const recorded = (stream: string, fact: unknown, seq = 1): RecordedFact<Fact> => ({
  seq,
  version: 1,
  epoch: 1,
  at: 1_000,
  stream: stream as Address,
  fact: fact as Fact,
})

const SECRET = 'S3cret'
const fieldsOf = (secret: string): readonly (readonly [stream: string, fact: object])[] => [
  [`server:${secret}`, { type: 'server.pinned', server: secret, pubkey: secret, host: secret, port: 1, vouchedBy: secret }],
  [`link:${secret}`, { type: 'link.dialled', server: secret, url: `ws://${secret}:9000/path` }],
  [`link:${secret}`, { type: 'link.failed', server: secret, why: `connect ECONNREFUSED ${secret}:1` }],
  [`link:${secret}`, { type: 'link.linked', server: secret, direction: 'dialled', proven: true, caps: ['proof', secret] }],
  [
    `session:${secret}`,
    {
      type: 'session.attached',
      user: secret,
      pubkey: secret,
      encPubkey: secret,
      meta: { display_name: secret, pronouns: secret, age: 30, avatar_url: `https://${secret}/a` },
      caps: [],
      proven: true,
      seq: [1, 1],
    },
  ],
  [`user:${secret}`, { type: 'user.removed', user: secret, server: secret, digest: secret }],
  [`user:${secret}`, { type: 'user.keyConflicted', user: secret, server: secret, pubkey: secret }],
  [
    `transfer:${secret}/${secret}/${secret}`,
    { type: 'transfer.offered', file: secret, sender: secret, recipient: secret, size: 1, mode: 'dm' },
  ],
  ['bootstrap', { type: 'bootstrap.asked', introducer: `${secret}:9000`, attempt: 1 }],
  [
    'bootstrap',
    {
      type: 'bootstrap.joined',
      introducer: secret,
      voucher: { by: secret, server_id: secret, host: secret, port: 1, pubkey: secret, sig: secret },
    },
  ],
  ['node', { type: 'stream.setAside', stream: `session:${secret}`, seq: 1, why: `session:${secret} cannot take it` }],
  ['node', { type: 'something.new', unheardOf: secret, deep: [{ more: secret }] }],
]

t.test('nothing of a secret is left, wherever it stands', async t => {
  for (const secret of [SECRET, 'host.example', '10.1.2.3', 'a/b', 'x y:z']) {
    const redaction = createRedaction()
    for (const [stream, fact] of fieldsOf(secret)) {
      const text = JSON.stringify(redaction.recorded(recorded(stream, fact)))
      t.notOk(text.includes(secret), `${secret} in ${JSON.stringify(fact)}: ${text}`)
    }
  }
})

t.test('the age goes, times, numbers, own words and the code of a failure stay', async t => {
  const redaction = createRedaction()
  const [attached] = [fieldsOf(SECRET)[4]].map(row => redaction.recorded(recorded(...(row as [string, object]))))
  t.notOk('age' in (attached?.fact as { meta: object }).meta)
  t.match(attached, { at: 1_000, fact: { seq: [1, 1], proven: true } })
  t.match(redaction.recorded(recorded('link:s', { type: 'link.failed', server: 's', why: 'connect ECONNREFUSED 1.2.3.4:1' })).fact, {
    why: /\(ECONNREFUSED\)$/,
  })
  t.match(redaction.recorded(recorded('session:u', { type: 'session.detached', user: 'u', why: 'left' })).fact, { why: 'left' })
  t.match(redaction.recorded(recorded('server:s', { type: 'server.pinned', server: 's', vouchedBy: 'operator' })).fact, {
    vouchedBy: 'operator',
  })
})

t.test('the same is replaced by the same, another by another', async t => {
  const redaction = createRedaction()
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), fc.string({ minLength: 1, maxLength: 20 }), (a, b) => {
      const [first, second] = [a, b].map(id => redaction.recorded(recorded(`session:${id}`, { type: 'session.ended', user: id })))
      t.equal(first?.stream === second?.stream, a === b)
      if (!a.includes('/')) t.equal(first?.stream, `session:${(first?.fact as { user: string }).user}`)
    }),
  )
})

t.test(
  'a node’s life with stand-ins folds to the same state with stand-ins, from the beginning and from a state in the middle',
  async t => {
    const mesh = createMesh(t)
    const [node, peer] = await startPair(mesh)
    const ann = await attachUser(mesh, node, 2, { name: 'Ann Example' })
    await mesh.until(() => mesh.view(peer).directory.length === 1, 5_000, 'Ann is known')
    for (const one of [node, peer]) {
      const facts = await mesh.facts(one)
      const redaction = createRedaction()
      const [real, other] = [createTraveller({}), createTraveller({})]
      const half = Math.floor(facts.length / 2)
      for (const fact of facts.slice(0, half)) {
        real.take(fact)
        other.take(redaction.recorded(fact))
      }
      const resumed = createTraveller({ base: { seq: half, state: redaction.state(JSON.parse(JSON.stringify(real.mark().state))) } })
      for (const fact of facts.slice(half)) {
        real.take(fact)
        other.take(redaction.recorded(fact))
        resumed.take(redaction.recorded(fact))
      }
      t.strictSame(stateOf(resumed), stateOf(other))
      const [was, is] = [stateOf(real), stateOf(other)]
      t.strictSame(
        Object.values(is.machines).map(machine => (machine as { state: string }).state),
        Object.keys(was.machines)
          .sort((a, b) => (redaction.stream(a) < redaction.stream(b) ? -1 : 1))
          .map(address => (was.machines[address] as { state: string }).state),
      )
      const text = JSON.stringify(is)
      for (const secret of [ann.id, node.id, peer.id, node.pubkey, peer.pubkey, 'Example', '127.0.0.1'])
        t.notOk(text.includes(secret), secret)
    }
  },
)
