/** Arbitrary histories of a node: facts of a few links, sessions, transfers and the bootstrap, in any order that time allows. */
import fc from 'fast-check'
import type { Fact } from '../../src/domain/facts.ts'
import type { Address, Base64Url, FileId, PublicKeyText, ServerId, UserId } from '../../src/protocol/ids.ts'
import type { NewFact } from '../../src/store/log.ts'

const server = fc.constantFrom('s1', 's2', 's3') as fc.Arbitrary<ServerId>
const user = fc.constantFrom('u1', 'u2', 'u3') as fc.Arbitrary<UserId>
const file = fc.constantFrom('f1', 'f2') as fc.Arbitrary<FileId>
const why = fc.constantFrom('closed', 'refused')
const seq = fc.tuple(fc.nat(3), fc.nat(9))
const caps = fc.subarray(['proof', 'ack', 'vouch'])

const facts: readonly fc.Arbitrary<Fact>[] = [
  fc.record({ type: fc.constant('node.started'), server, epoch: fc.nat(9) }),
  fc.record({ type: fc.constant('link.dialled'), server, url: fc.constant('ws://127.0.0.1:1') }),
  fc.record({ type: fc.constantFrom('link.failed', 'link.closed'), server, why }),
  fc.record({ type: fc.constant('link.linked'), server, direction: fc.constantFrom('dialled', 'accepted'), proven: fc.boolean(), caps }),
  fc.record({ type: fc.constantFrom('link.silent', 'link.greeted', 'link.lapsed', 'link.synced'), server }),
  fc.record({ type: fc.constant('link.wronged'), server, why }),
  fc.record({ type: fc.constant('link.refused'), server, until: fc.constant(1_750_003_600_000) }),
  fc.record({
    type: fc.constant('session.attached'),
    user,
    pubkey: fc.constant('key' as PublicKeyText),
    meta: fc.constant({}),
    caps,
    proven: fc.boolean(),
    seq,
  }),
  fc.record({ type: fc.constant('session.detached'), user, why }),
  fc.record({ type: fc.constant('session.ended'), user, why, seq }),
  fc.record({
    type: fc.constant('transfer.offered'),
    file,
    sender: user,
    recipient: user,
    size: fc.nat(9_999),
    mode: fc.constantFrom('dm', 'public'),
  }),
  fc.record({ type: fc.constant('transfer.began'), file }),
  fc.record({ type: fc.constant('transfer.ended'), file, chunks: fc.nat(9) }),
  fc.record({ type: fc.constant('transfer.failed'), file, why }),
  fc.record({
    type: fc.constant('mailbox.stored'),
    user,
    id: fc.constantFrom('m1', 'm2', 'm3'),
    ts: fc.nat(9),
    bytes: fc.nat(999),
    until: fc.nat(9),
    by: fc.constantFrom('x', 'y') as fc.Arbitrary<Base64Url>,
  }),
  fc.record({
    type: fc.constant('mailbox.released'),
    user,
    ids: fc.subarray(['m1', 'm2', 'm3']),
    why: fc.constantFrom('delivered', 'expired'),
  }),
  fc.record({ type: fc.constant('bootstrap.asked'), introducer: fc.constant('h:1'), attempt: fc.nat(9) }),
  fc.record({ type: fc.constant('bootstrap.failed'), introducer: fc.constant('h:1'), why }),
  fc.record({ type: fc.constant('bootstrap.joined'), introducer: server }),
  fc.record({ type: fc.constant('server.banned'), server, why }),
  fc.record({ type: fc.constant('server.unbanned'), server }),
  fc.record({ type: fc.constant('server.trusted'), server, pubkey: fc.constant('key' as PublicKeyText) }),
  fc.record({ type: fc.constant('user.unpinned'), user }),
]

/** The stream that a node records a fact in. */
const streamOf = (fact: Fact): Address => {
  const kind = fact.type.slice(0, fact.type.indexOf('.'))
  if (kind === 'mailbox' && 'user' in fact) return `mailbox:${fact.user}`
  if ((kind === 'link' || kind === 'server') && 'server' in fact) return `${kind}:${fact.server}`
  if (kind === 'user' && 'user' in fact) return `user:${fact.user}`
  if ('user' in fact) return `session:${fact.user}`
  if ('file' in fact) return `transfer:${fact.file}`
  return kind === 'bootstrap' ? 'bootstrap' : 'node'
}

/** At most `length` facts with times that never go back. */
export const anyHistory = (length: number): fc.Arbitrary<readonly NewFact<Fact>[]> =>
  fc.array(fc.tuple(fc.oneof(...facts), fc.nat(30_000)), { maxLength: length }).map(steps => {
    let at = 1_750_000_000_000
    return steps.map(([fact, passed]) => {
      at += passed
      return { stream: streamOf(fact), at, fact }
    })
  })
