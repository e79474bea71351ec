/** What an operator does to a log, through a running server and without one: the same commands, the same outcome. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import { openNodeLog } from '../../src/cli/node-log.ts'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(6)

const rig = processes(t)
const keys = await Promise.all([0, 1, 2].map(n => stockKey(n)))
const [serverKey, annKey, benKey] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0]]

const place = (): string => {
  const data = rig.place('server')
  writeIdentity(data, newId(), serverKey)
  return data
}
const attach = (url: string, key: typeof annKey, name: string, id = newId()) =>
  attachFrameUser({ url, key, name, id, caps: ['proof', 'ack'] })
type State = {
  readonly seq: number
  readonly pins: { readonly users: Record<string, unknown> }
  readonly machines: Record<string, unknown>
  readonly set_aside: readonly unknown[]
}
const socp = async (...args: readonly string[]) => {
  const result = await rig.run(args)
  if (result.code !== 0) throw new Error(`socp ${args.join(' ')}: ${result.stderr}`)
  return result.stdout
}
const json = async (...args: readonly string[]): Promise<unknown> => JSON.parse(await socp(...args, '--json')) as unknown
const stateOf = async (data: string): Promise<State> => (await json('state', '--data', data)) as State
const whole = async (data: string): Promise<unknown> => json('log', 'verify', '--data', data)

t.test('a running server takes commands on a socket that only its owner may open', async t => {
  const data = place()
  const server = await rig.serve({ data })
  t.equal(statSync(join(data, 'control.sock')).mode & 0o777, 0o600)
  const ann = await attach(server.url, annKey, 'Ann')
  t.match(await socp('log', 'rebuild', '--data', data), /made anew: .*users 1/)
  const before = await stateOf(data)
  const compacted = (await json('log', 'compact', '--keep', '1', '--data', data)) as { dropped: number; base: number }
  t.ok(compacted.dropped > 0)
  t.equal(compacted.base, before.seq - 1)
  t.same(await stateOf(data), before)
  t.match(await whole(data), { ok: true, from: before.seq })
  t.match(await socp('log', 'compact', '--data', data), /Nothing was dropped/)
  await server.kill()
  t.ok(existsSync(join(data, 'control.sock')), 'a kill leaves its socket')
  const again = await rig.serve({ data })
  t.same((await stateOf(data)).pins.users, before.pins.users)
  t.match(await json('log', 'rebuild', '--data', data), { users: 1 }, 'the socket was taken over')
  await again.stop()
  t.notOk(existsSync(join(data, 'control.sock')))
  await ann.socket.close()
})

t.test('without a server the same commands work on the stopped log, and the next start goes on from there', async t => {
  const data = place()
  const server = await rig.serve({ data })
  const ann = await attach(server.url, annKey, 'Ann')
  await server.stop()
  const before = await stateOf(data)
  t.match(await json('log', 'compact', '--keep', '0', '--data', data), { dropped: before.seq, base: before.seq })
  t.same(await stateOf(data), before)
  t.match(await json('log', 'rebuild', '--data', data), { users: 1 })
  t.match(await whole(data), { ok: true, checkpoints: [{ result: 'good' }] })
  const again = await rig.serve({ data })
  const returned = await attach(again.url, annKey, 'Ann', ann.id)
  t.ok(returned)
  const after = await stateOf(data)
  t.ok(after.seq > before.seq)
  t.match(after.machines, { [`session:${ann.id}`]: { state: 'attached' } })
  await again.stop()
})

for (const running of [true, false])
  void t.test(`a purge leaves neither name nor id in any file, ${running ? 'while the server runs' : 'after it stopped'}`, async t => {
    const data = place()
    const server = await rig.serve({ data })
    const ann = await attach(server.url, annKey, 'Rumpelstiltskin')
    const ben = await attach(server.url, benKey, 'Ben')
    await socp('log', 'compact', '--keep', '1', '--data', data)
    if (!running) await server.stop()
    const found = (text: string): readonly string[] =>
      readdirSync(data, { withFileTypes: true })
        .filter(entry => entry.isFile())
        .filter(({ name }) => readFileSync(join(data, name)).includes(text))
        .map(({ name }) => name)
    t.not(found(ann.id).length, 0, 'it was there')
    t.match(await json('log', 'purge', ann.id, '--yes', '--data', data), { wiped: true })
    for (const secret of [ann.id, 'Rumpelstiltskin']) t.same(found(secret), [], secret)
    t.match(await whole(data), { ok: true })
    const state = await stateOf(data)
    t.equal(state.pins.users[ann.id], undefined)
    t.ok(state.pins.users[ben.id])
    // that nobody else is known either is for test/server/recovery.test.ts
    t.match(await rig.run(['log', 'purge', ann.id, '--yes', '--data', data]), {
      code: 2,
      stderr:
        /^socp: Nobody is known here by the id .*, or they were purged before: nothing was recorded\. "socp state" prints the ids that are known\.\n$/,
    })
    t.equal((await stateOf(data)).seq, state.seq)
    const now = running ? server : await rig.serve({ data })
    const returned = await attach(now.url, annKey, 'somebody', ann.id)
    t.ok(returned, 'they may come back as somebody new')
    await now.stop()
    t.match(await whole(data), { ok: true })
  })

t.test('a stream that cannot be folded is listed, refuses to be retried, and is dropped', async t => {
  const data = place()
  const server = await rig.serve({ data })
  const ann = await attach(server.url, annKey, 'Ann')
  await server.kill()
  const ports = { crypto: nodeCrypto(), random: nodeRandom(), clock: nodeClock() }
  const log = await openNodeLog(join(data, 'log.db'), ports, () => {})
  const broken = { type: 'session.attached', user: ann.id, pubkey: ann.keyText, meta: {}, caps: [], proven: true, seq: null }
  const stream = `session:${ann.id}` as const
  const { firstSeq } = await log.append([{ stream, at: Date.now(), fact: broken as unknown as Fact }], { expected: { epoch: log.epoch } })
  await log.snapshots.clear()
  await log.close()

  t.match(await json('log', 'dead', '--data', data), { stream, seq: firstSeq, foldable: false }, 'without a server, and untouched')
  t.match((await stateOf(data)).set_aside, [{ stream, seq: firstSeq }])
  const again = await rig.serve({ data })
  const { why } = await again.waitFor('degraded')
  t.match(why, stream)
  t.match(await socp('log', 'dead', '--data', data), /cannot be folded/)
  const retried = await rig.run(['log', 'dead', 'retry', stream, '--data', data])
  t.equal(retried.code, 1)
  t.match(retried.stderr, /^socp: session:.* still cannot be folded, at fact \d+: .*\n$/)
  await t.rejects(attach(again.url, annKey, 'Ann', ann.id))
  t.match(await json('log', 'dead', 'drop', stream, '--data', data), { stream, dropped: true })
  t.ok(await attach(again.url, annKey, 'Ann', ann.id))
  t.equal(await socp('log', 'dead', '--data', data), '')
  await again.stop()
})

t.test('what cannot be done is a sentence and the right exit code', async t => {
  const data = place()
  const nothing = await rig.run(['log', 'compact', '--data', data])
  t.match(nothing, { code: 78, stderr: /^socp: There is no log at .*: start a node there first/ })
  const server = await rig.serve({ data })
  const unknown = await rig.run(['log', 'dead', 'drop', 'link:nobody', '--data', data])
  t.match(unknown, { code: 1, stderr: /^socp: No stream link:nobody is set aside/ })
  t.match(await rig.run(['log', 'compact', '--keep', 'some', '--data', data]), { code: 2 })
  t.match(await rig.run(['log', 'purge', 'x'.repeat(65), '--yes', '--data', data]), { code: 2 })
  const copy = join(rig.folder, 'copy.db')
  t.match(await json('log', 'backup', copy, '--data', data), { file: copy })
  t.match(await rig.run(['log', 'backup', copy, '--data', data]), { code: 78, stderr: /never replaces one/ })
  await server.stop()
})
