/** A node with more work than it can sign, and with readers that do not read: what is given up, who is told, and that it comes back by itself. */
import t from 'tap'
import type { Priority } from '../../src/crypto/signing-queue.ts'
import type { Crypto } from '../../src/ports/crypto.ts'
import { createMesh, linked, type Mesh, type MeshNode, startPair } from './mesh.ts'
import { attachUser, type MeshUser } from './user.ts'

const notices = (user: MeshUser): readonly unknown[] =>
  user.heard.filter(({ type }) => type === 'SERVER_NOTICE').map(({ payload }) => payload['code'])
const ciphertext = 'A'.repeat(684)
const message = { ciphertext, content_sig: 'AAAA' }

/** While `slow` a signature of the nodes takes 100 ms of virtual time. */
const slowSigning = (mesh: Mesh): { slow: readonly MeshNode[] } => {
  const machine: { slow: readonly MeshNode[] } = { slow: [] }
  const { sign } = mesh.crypto
  const late: Crypto['sign'] = async (key, bytes) => {
    if (machine.slow.some(({ pubkey }) => pubkey === key.publicKey.text)) await new Promise<void>(resolve => mesh.clock.after(100, resolve))
    return sign(key, bytes)
  }
  Object.assign(mesh.crypto, { sign: late })
  return machine
}

t.test(
  'overload turns the public channel away, then direct messages, heartbeats never; users hear of it, and it is over by itself',
  async t => {
    const mesh = createMesh(t)
    const machine = slowSigning(mesh)
    const [first, second] = await startPair(mesh, { limits: { signatures: 40 } })
    const ann = await attachUser(mesh, first, 3, { caps: ['proof', 'notice'] })
    const old = await attachUser(mesh, first, 4, { caps: ['proof'] })
    const shed = (priority: Priority): number => first.running.counters()[`shed ${priority}`] ?? 0
    const ben = await attachUser(mesh, first, 5)
    await mesh.quiet()
    machine.slow = [first]
    for (let n = 0; n < 30; n += 1) await ann.send('MSG_PUBLIC_CHANNEL', ben.id, { ...message, group_id: 'public', n })
    for (let n = 0; n < 20; n += 1) await old.send('MSG_DIRECT', ben.id, { ...message, n })
    await mesh.pass(1_000)
    t.ok(shed('public') > 0, 'public messages are turned away')
    t.equal(shed('message'), 0, 'before any direct one')
    for (let n = 20; n < 80; n += 1) await old.send('MSG_DIRECT', ben.id, { ...message, n })
    await mesh.pass(1_000)
    t.ok(shed('message') > 0, 'then direct ones')
    t.equal(shed('presence') + shed('control') + shed('heartbeat'), 0, 'and nothing else')
    t.match(first.running.gauges(), { 'refusing public': 1, 'refusing heartbeat': 0 })
    t.match(
      first.events.findLast(({ event }) => event === 'degraded'),
      { why: /messages to everybody.* are refused/ },
    )
    await mesh.pass(30_000)
    t.equal(shed('heartbeat'), 0)
    t.ok(linked(mesh, first, second) && linked(mesh, second, first), 'the links live')
    machine.slow = []
    await mesh.until(() => first.events.at(-1)?.event === 'recovered', 30_000, 'recovered')
    t.match(first.running.gauges(), { 'refusing public': 0, 'refusing message': 0 })
    await mesh.quiet()
    t.same([...new Set(notices(ann))], ['OVERLOADED', 'RECOVERED'], 'who can hear it is told')
    t.same(notices(old), [], 'others are not')
    const refused = old.heard.filter(({ type }) => type === 'ERROR')
    t.ok(refused.length > 0 && refused.every(({ payload }) => payload['code'] === 'TIMEOUT'), 'each refused frame is an error')
    await old.send('MSG_DIRECT', ben.id, { ...message, n: 'after' })
    await mesh.quiet()
    t.ok(ben.heard.filter(({ type }) => type === 'USER_DELIVER').length > 0)
  },
)

t.test('chunks of a file are held back while the queue is half full, so a fast sender loses none', async t => {
  const mesh = createMesh(t)
  const machine = slowSigning(mesh)
  const first = await mesh.start(0, { config: { limits: { signatures: 40 } } })
  const ann = await attachUser(mesh, first, 3)
  const ben = await attachUser(mesh, first, 4)
  machine.slow = [first]
  const file_id = '20000000-0000-4000-8000-000000000001'
  await ann.send('FILE_START', ben.id, { file_id, name: 'x', size: 100 * 446, sha256: 'a'.repeat(64), mode: 'dm' })
  for (let index = 0; index < 100; index += 1)
    await ann.send('FILE_CHUNK', ben.id, { file_id, index, ciphertext: `${ciphertext.slice(4)}${String(1000 + index)}` })
  await ann.send('FILE_END', ben.id, { file_id })
  await mesh.until(() => ben.heard.some(({ type }) => type === 'FILE_END'), 60_000, 'all of it')
  t.equal(ben.heard.filter(({ type }) => type === 'FILE_CHUNK').length, 100)
  t.equal(first.running.counters()['shed file'], 0)
})

t.test('a reader that takes nothing is told at half of the time and cut at the end of it, and nobody else is', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0, { config: { timing: { slowReaderMs: 10_000 } } })
  const ann = await attachUser(mesh, first, 3, { caps: ['proof', 'ack', 'notice'] })
  const ben = await attachUser(mesh, first, 4, { caps: ['proof', 'ack', 'notice'] })
  ben.host.deaf = true
  for (let n = 0; n < 3; n += 1) await ann.send('MSG_DIRECT', ben.id, { ...message, n })
  await mesh.pass(7_000)
  t.match(first.running.counters(), { 'slow user': 1 })
  t.equal(first.running.counters()['closed slow_reader'], undefined)
  await mesh.pass(6_000)
  t.match(first.running.counters(), { 'closed slow_reader': 1 })
  ben.host.deaf = false
  await mesh.quiet()
  await mesh.until(() => ben.ended.length > 0, 5_000, 'cut')
  t.same(ann.ended, [])
  t.equal(first.running.gauges()['sessions attached'], 1)
})
