/** Which servers a client goes to: those that a person named, and of those that it was told of only such as their teller may point to. */
import t from 'tap'
import type { ClientFact } from '../../src/client/facts.ts'
import { clientLimits, createClientState } from '../../src/client/state.ts'
import type { Journal } from '../../src/client/journal.ts'
import { createServers } from '../../src/client/servers.ts'
import { serverId } from '../../src/protocol/ids.ts'
import { testKey } from '../helpers/test-keys.ts'

const key = (await testKey(1)).publicText
const idNumber = (n: number) => serverId.parse(`20000000-0000-4000-8000-${String(n).padStart(12, '0')}`)
const listed = (host: string, n = 1, more: object = {}) => ({ server_id: idNumber(n), host, port: 9_000 + n, pubkey: key, ...more })

const rig = (...named: [string, ...string[]]) => {
  const { state, evolve } = createClientState()
  const facts: ClientFact[] = []
  const journal = {
    state,
    record: (_stream: string, fact: ClientFact) => {
      facts.push(fact)
      evolve(fact)
    },
  } as unknown as Journal
  const servers = createServers(named, journal, true)
  const learned = (): readonly string[] => [...state.learned.keys()]
  return { servers, facts, learned, evolve }
}

const hosts = {
  loopback: ['127.0.0.1', 'localhost', '::1'],
  private: ['10.0.0.7', '192.168.1.1', '169.254.169.254', 'fd00::7'],
  public: ['203.0.114.9', 'two.example'],
  unusable: ['0.0.0.0', '0x7f.1', '127.1', '2130706433'],
}

t.test('a server points to addresses as far out as its own, and never further in', async t => {
  for (const [at, allowed] of [
    ['203.0.114.1', ['public']],
    ['192.168.1.5', ['private', 'public']],
    ['127.0.0.1', ['loopback', 'private', 'public']],
    ['unknown', ['public']],
  ] as const)
    for (const [kind, addresses] of Object.entries(hosts))
      for (const host of addresses) {
        const { servers, learned } = rig('ws://one.example:9000')
        servers.reached(at)
        servers.learn({ servers: [listed(host)] })
        t.equal(learned().length === 1, (allowed as readonly string[]).includes(kind), `${at} tells of ${host}`)
      }
})

t.test('a name that was told of is asked what it stands for; one that a person named is not', async t => {
  const { servers } = rig('ws://one.example:9000')
  servers.reached('203.0.114.1')
  servers.learn({ servers: [listed('two.example')] })
  t.same(servers.guard('ws://one.example:9000'), {})
  const { mayReach } = servers.guard('ws://two.example:9001')
  t.same(
    ['127.0.0.1', '10.0.0.7', '203.0.114.9'].map(address => mayReach?.(address)),
    [false, false, true],
  )

  servers.reached('192.168.1.5')
  servers.learn({ servers: [listed('two.example')] })
  const { mayReach: within } = servers.guard('ws://two.example:9001')
  t.same(
    ['127.0.0.1', '10.0.0.7', '203.0.114.9'].map(address => within?.(address)),
    [false, true, true],
  )
})

t.test('what an older program learned without asking is not gone to before it is told anew', async t => {
  const { servers, evolve, learned } = rig('ws://127.0.0.1:9000')
  const url = 'ws://127.0.0.1:9001'
  evolve({ type: 'server.learned', url, server: idNumber(1), pubkey: key })
  t.ok(servers.alone)
  servers.reached('127.0.0.1')
  servers.learn({ servers: [listed('127.0.0.1')] })
  t.notOk(servers.alone)
  t.same(learned(), [url])
})

t.test('TLS is spoken where a member says so, and always by who came with TLS', async t => {
  const plain = rig('ws://one.example:9000')
  plain.servers.reached('203.0.114.1')
  plain.servers.learn({ servers: [listed('two.example', 1, { tls: true }), listed('three.example', 2)] })
  t.same(plain.learned(), ['wss://two.example:9001', 'ws://three.example:9002'])
  const secure = rig('wss://one.example:9000')
  secure.servers.reached('203.0.114.1')
  secure.servers.learn({ servers: [listed('two.example')] })
  t.same(secure.learned(), ['wss://two.example:9001'])
})

t.test('however many it is told of, it remembers a few, and dials nobody whose key it does not know from them', async t => {
  const { servers, learned, facts } = rig('ws://one.example:9000')
  servers.reached('203.0.114.1')
  const tell = (from: number) => {
    servers.learn({ servers: Array.from({ length: 40 }, (_, n) => listed('two.example', from + n)) })
  }
  tell(1)
  t.equal(learned().length, clientLimits.maxLearned)
  t.equal(facts.length, clientLimits.maxLearned)
  servers.next()
  const before = servers.current
  t.ok(learned().includes(before))
  tell(100)
  t.notOk(learned().includes(before))
  t.equal(servers.current, 'ws://one.example:9000', 'the one that was forgotten is not dialled again')
})
