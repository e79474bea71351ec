/** The shape of the configuration: everything has a default, and what is not known is refused. */
import t from 'tap'
import { parseAddress } from '../../src/protocol/address.ts'
import { bootstrapSchema, configSchema } from '../../src/server/config.ts'

const problemOf = (value: unknown): string | undefined => {
  const [issue] = configSchema.safeParse(value).error?.issues ?? []
  return issue === undefined ? undefined : `${issue.path.join('.')}: ${issue.message}`
}
const introducer = { host: 'chat.example', port: 9_000, pubkey: 'key' }

t.test('nothing at all is a server on this machine alone', async t => {
  t.match(configSchema.parse({}), {
    host: '127.0.0.1',
    port: 9_000,
    bootstrap_servers: [],
    membership: 'vouched',
    introduce: true,
    attach: 'open',
    allow_unproven: 'unproven_ids',
    allow_unsigned: false,
    origins: [],
    timing: { helloMs: 5_000, heartbeatMs: 15_000, silenceMs: 45_000, acceptPastMs: 600_000, acceptFutureMs: 120_000 },
    limits: { sockets: 10_000 },
  })
})

t.test('one limit or time may be set alone', async t => {
  const config = configSchema.parse({ limits: { sessions: 7 }, timing: { helloMs: 1 } })
  t.match(config, { limits: { sessions: 7, sockets: 10_000 }, timing: { helloMs: 1, heartbeatMs: 15_000 } })
})

t.test('a key that is not known is refused by name, at any depth', async t => {
  t.match(problemOf({ hots: 'x' }), /hots/)
  t.match(problemOf({ limits: { socket: 1 } }), /limits.*socket/)
  t.match(problemOf({ timing: { helloS: 1 } }), /timing.*helloS/)
  t.match(problemOf({ limits: { refusals: { burst: 1, perSecond: 1, perMinute: 1 } } }), /limits\.refusals.*perMinute/)
  t.match(problemOf({ servers: [{ server_id: 'a', ...introducer, name: 'x' }] }), /servers\.0.*name/)
})

t.test('values that make no sense are refused with their place', async t => {
  for (const [value, place] of [
    [{ port: -1 }, /^port/],
    [{ port: 65_536 }, /^port/],
    [{ port: '9000' }, /^port/],
    [{ host: '' }, /^host/],
    [{ membership: 'open' }, /^membership/],
    [{ limits: { sockets: 0 } }, /^limits\.sockets/],
    [{ limits: { sessions: 1.5 } }, /^limits\.sessions/],
    [{ limits: { joins: { burst: 0, perSecond: 1 } } }, /^limits\.joins\.burst/],
    [{ timing: { silenceMs: -1 } }, /^timing\.silenceMs/],
    [{ bootstrap_servers: [{ ...introducer, port: 0 }] }, /^bootstrap_servers\.0\.port/],
    [{ users: [''] }, /^users\.0/],
    [{ log_level: 'loud' }, /^log_level/],
    [[], /./],
    ['text', /./],
  ] as const)
    t.match(problemOf(value), place, JSON.stringify(value))
})

t.test("the standard's bootstrap list names at least one introducer, and may say more about each", async t => {
  t.notOk(bootstrapSchema.safeParse({ bootstrap_servers: [] }).success)
  t.notOk(bootstrapSchema.safeParse({}).success)
  t.same(bootstrapSchema.parse({ bootstrap_servers: [{ ...introducer, comment: 'ours' }] }), { bootstrap_servers: [introducer] })
})

t.test('HOST:PORT takes names, IPv4 and IPv6 in brackets', async t => {
  t.same(parseAddress('chat.example:9000'), { host: 'chat.example', port: 9_000 })
  t.same(parseAddress('10.0.0.1:1'), { host: '10.0.0.1', port: 1 })
  t.same(parseAddress('[::1]:65535'), { host: '::1', port: 65_535 })
  for (const wrong of ['chat.example', ':9000', 'a:0', 'a:65536', '::1:9000', '[::1]', 'a b:1', 'http://a:1', 'a/b:1', 'a:1x', 'a:', ''])
    t.equal(parseAddress(wrong), undefined, wrong)
})
