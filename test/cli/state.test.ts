/** `socp state`: the fold of a log as a start would make it, for scripts and for people. */
import { join } from 'node:path'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import type { Base64Url, PublicKeyText, ServerId, UserId } from '../../src/protocol/ids.ts'
import { openSqliteLog } from '../../src/store/sqlite-log.ts'
import { testKey } from '../helpers/test-keys.ts'
import { writeLog } from './recorded-log.ts'
import { runSocp } from './run-socp.ts'

const self = '3f1b8a52-94c4-4a3e-8d7b-0c6f0f5f9a11' as ServerId
const peer = '5e0a9c11-2b3d-4c4e-9f5a-6b7c8d9e0f10' as ServerId
const user = '0d9c4d7e-6e0f-4a55-9a55-5f1d2a9b7c10' as UserId

t.test('directory, pins and machines are told, while the log is open and after', async t => {
  const data = t.testdir()
  const [userKey, peerKey] = (await Promise.all([testKey(0), testKey(1)])).map(({ publicText }) => publicText) as [
    PublicKeyText,
    PublicKeyText,
  ]
  const log = await openSqliteLog<Fact>({
    file: join(data, 'log.db'),
    sha256: bytes => nodeCrypto().sha256(bytes),
    randomBytes: length => nodeRandom().bytes(length),
    endOfTick: run => nodeClock().endOfTick(run),
  })
  const meta = { display_name: 'Ann \u001b[31m' }
  await log.append(
    [
      { stream: 'node', at: 1, fact: { type: 'node.started', server: self, epoch: log.epoch } },
      {
        stream: `server:${peer}`,
        at: 2,
        fact: { type: 'server.pinned', server: peer, pubkey: peerKey, host: 'peer.example', port: 9001, vouchedBy: 'operator' },
      },
      {
        stream: `session:${user}`,
        at: 3,
        fact: { type: 'session.attached', user, pubkey: userKey, meta, caps: [], proven: true, seq: [1, 1] },
      },
    ],
    { expected: { epoch: log.epoch } },
  )
  const living = await runSocp(['state', '--data', data, '--json'])
  t.equal(living.code, 0, living.stderr)
  t.match(JSON.parse(living.stdout), {
    seq: 3,
    server_id: self,
    epoch: 1,
    running: true,
    directory: [{ user_id: user, local: 'attached' }],
    pins: {
      users: { [user]: { pubkey: userKey, proven: true } },
      servers: { [peer]: { pubkey: peerKey, host: 'peer.example', port: 9001, vouched_by: 'operator' } },
    },
    machines: { [`session:${user}`]: { state: 'attached' } },
    set_aside: [],
  })
  await log.close()
  const after = await runSocp(['state', '--data', data, '--json'])
  t.equal(after.stdout, living.stdout)

  const forPeople = await runSocp(['state', '--data', data])
  for (const text of [self, peer, user, 'peer.example:9001', 'Ann']) t.ok(forPeople.stdout.includes(text), text)
  t.notMatch(forPeople.stdout, '\u001b')
})

t.test('what a server said that has fallen silent since is shown as in doubt, now and as it was', async t => {
  const data = t.testdir()
  const elsewhere = '1d9c4d7e-6e0f-4a55-9a55-5f1d2a9b7c10' as UserId
  const link = `link:${peer}` as const
  const facts: readonly Fact[] = [
    { type: 'node.started', server: self, epoch: 1 },
    { type: 'link.linked', server: peer, direction: 'dialled', proven: true, caps: ['presence-digest'] },
    { type: 'user.advertised', user: elsewhere, server: peer, meta: {}, caps: [], seq: [1, 1], digest: 'digest' as Base64Url },
    { type: 'link.silent', server: peer },
    { type: 'link.lapsed', server: peer },
  ]
  const streams = ['node', link, `user:${elsewhere}`, link, link] as const
  const recorded = facts.map((fact, n) => ({ fact, stream: streams[n] ?? 'node', at: n + 1, seq: n + 1, version: 1, epoch: 1 }))
  await (await writeLog(data, recorded)).close()
  const now = await runSocp(['state', '--data', data])
  t.match(now.stdout, `at ${peer} (lapsed)`)
  const then = async (until: string, ...more: string[]) => (await runSocp(['replay', '--data', data, '--until', until, ...more])).stdout
  t.match(await then('3'), new RegExp(`at ${peer}$`, 'm'))
  t.match(await then('4'), `at ${peer} (suspect)`)
  t.match(JSON.parse(await then('4', '--json')), {
    directory: { [elsewhere]: { claims: [{ server_id: peer, presence: 'suspect' }] } },
    standings: { [peer]: { doubt: 'suspect' } },
  })
})

t.test('no log is one sentence and 78', async t => {
  const { code, stderr } = await runSocp(['state', '--data', t.testdir()])
  t.equal(code, 78)
  t.match(stderr, /^socp: There is no log at [^\n]+\n$/)
})
