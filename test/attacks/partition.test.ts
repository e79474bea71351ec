/** Attacks by users on the links between servers: what one of them writes, or is, must not part two honest servers, nor a reader from theirs. */
import t, { type Test } from 'tap'
import { signPayload } from '../../src/crypto/transport-signature.ts'
import { admitStock, createIntruder } from '../helpers/intruder.ts'
import { testKey } from '../helpers/test-keys.ts'
import { createMesh, idOf, linked, type Mesh, type MeshNode, startPair } from '../server/mesh.ts'
import { attachUser, listFor, type MeshUser } from '../server/user.ts'

const MAX_FRAME_BYTES = 65_536
const content = { ciphertext: 'AAAA', content_sig: 'A'.repeat(683) }

/** Watches the link of two servers from here on. */
const watch = (t: Test, mesh: Mesh, first: MeshNode, second: MeshNode): (() => void) => {
  const before = [first.events.length, second.events.length]
  return () => {
    t.same([first.events.slice(before[0]), second.events.slice(before[1])], [[], []], 'nothing is told of the link')
    t.ok(linked(mesh, first, second) && linked(mesh, second, first), 'which stands')
  }
}

/** A message of just as many bytes as a frame may have; on its way it grows. */
const largest = async (sender: MeshUser, to: string, type = 'MSG_DIRECT'): Promise<string> => {
  const fields = { ...content, type, to, ts_ms: '' }
  const { length } = await sender.sign(type, to, fields)
  return await sender.sign(type, to, { ...fields, ts_ms: 'x'.repeat(MAX_FRAME_BYTES - length) })
}

const errors = (user: MeshUser) => user.heard.filter(({ type }) => type === 'ERROR').map(({ payload }) => payload)

t.test('a message that no longer fits into a frame when it is passed on goes back to its sender, and cuts nobody', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const mallory = await attachUser(mesh, first, 4)
  const here = await attachUser(mesh, first, 5, { caps: ['proof', 'ack', 'receipts'] })
  const there = await attachUser(mesh, second, 6)
  await mesh.pass(1_000)
  const unharmed = watch(t, mesh, first, second)
  for (const to of [here.id, there.id, 'public']) mallory.raw(await largest(mallory, to, 'MSG_PUBLIC_CHANNEL'))
  mallory.raw(await largest(mallory, there.id))
  await mesh.pass(2_000)
  unharmed()
  t.same([here.ended, there.ended, mallory.ended], [[], [], []])
  t.same(
    errors(mallory).map(({ code }) => code),
    ['UNKNOWN_TYPE', 'UNKNOWN_TYPE', 'UNKNOWN_TYPE', 'UNKNOWN_TYPE'],
  )
})

t.test('a text in clear is as long as its canonical form: six bytes for a letter that is not English', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const writer = await attachUser(mesh, first, 4)
  const reader = await attachUser(mesh, second, 5)
  await mesh.pass(1_000)
  const unharmed = watch(t, mesh, first, second)
  const text = 'ж'.repeat(16_000)
  // as a stock program writes it: raw UTF-8
  for (const to of ['public', reader.id]) {
    const payloadText = JSON.stringify({ text, to })
    const sig = await signPayload(mesh.crypto, await (await testKey(4)).privateKey(mesh.crypto), payloadText)
    const head = JSON.stringify({ type: 'MSG_PUBLIC_CHANNEL', from: writer.id, to, ts: Math.floor(mesh.clock.now()) }).slice(0, -1)
    writer.raw(`${head},"payload":${payloadText},"sig":"${sig}"}`)
  }
  await mesh.pass(1_000)
  unharmed()
  t.equal(errors(writer).length, 2)
  t.same(reader.ended, [])
})

t.test('a long list of people with long names comes in parts that fit', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const { server, link } = await admitStock(mesh, home, 2, idOf(2), 9_500)
  const meta = { pubkey: server.pubkey, display_name: 'ж'.repeat(120) }
  for (let n = 0; n < 150; n += 1)
    link.send(await server.signed('USER_ADVERTISE', '*', { user_id: `${'x'.repeat(60)}${n}`, server_id: server.id, meta }))
  const reader = await attachUser(mesh, home, 5)
  await mesh.pass(1_000)
  t.equal(Object.keys(await listFor(mesh, reader)).length, 151)
  t.same(reader.ended, [])
})

t.test('a number that no JSON can write again is left behind', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const mallory = await attachUser(mesh, home, 4)
  const reader = await attachUser(mesh, home, 5)
  const payloadText = `{"ciphertext":"AAAA","content_sig":"${content.content_sig}","ts_ms":1e400}`
  const sig = await signPayload(mesh.crypto, await (await testKey(4)).privateKey(mesh.crypto), payloadText)
  const head = JSON.stringify({ type: 'MSG_DIRECT', from: mallory.id, to: reader.id, ts: Math.floor(mesh.clock.now()) }).slice(0, -1)
  mallory.raw(`${head},"payload":${payloadText},"sig":"${sig}"}`)
  await mesh.pass(1_000)
  t.same(home.complaints, [], 'no bug ended anything')
  t.equal(reader.heard.filter(({ type }) => type === 'USER_DELIVER').length, 1)
})

t.test('a file for somebody whose socket has just gone ends the file, and its sender hears of it once', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const sender = await attachUser(mesh, first, 4)
  const reader = await attachUser(mesh, second, 5)
  await mesh.pass(1_000)
  reader.drop()
  await mesh.pass(1_000)
  const unharmed = watch(t, mesh, first, second)
  await sender.send('FILE_START', reader.id, { file_id: 'f', name: 'a', size: 1_000_000, mode: 'dm' })
  for (let n = 0; n < 60; n += 1) await sender.send('FILE_CHUNK', reader.id, { file_id: 'f', index: n, ciphertext: 'A'.repeat(683) })
  await mesh.pass(2_000)
  unharmed()
  t.match(errors(sender), [{ code: 'USER_NOT_FOUND', msg_ref: 'f' }])
  const { 'refused offline': offline = 0, 'refused no_transfer': over = 0, 'refused file_failed': late = 0 } = second.running.counters()
  t.equal(offline + over + late, 61, 'what came all the same was counted')
})

t.test('messages of somebody whose clock is wrong cost their server nothing', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const late = await createIntruder(mesh, 4, 'late')
  const reader = await attachUser(mesh, second, 5)
  await mesh.pass(1_000)
  const unharmed = watch(t, mesh, first, second)
  const then = Math.floor(mesh.clock.now()) - 3_600_000
  const socket = await late.dial(first)
  socket.send(await late.signed('USER_HELLO', '*', { client: 'stock', pubkey: late.pubkey, meta: {} }, then))
  await socket.hear('ACK')
  for (let n = 0; n < 10; n += 1) socket.send(await late.signed('MSG_DIRECT', reader.id, { ...content, n }, then + n))
  await mesh.pass(2_000)
  unharmed()
  t.equal(socket.heard.filter(({ type, payload }) => type === 'ERROR' && payload['code'] === 'TIMEOUT').length, 10, 'they are told')
})

t.test('one id that two people hold at two servers that had not met is a conflict of theirs, however often they attach', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const twin = { id: 'twin' }
  await attachUser(mesh, first, 4, twin)
  const second = await mesh.start(1)
  await attachUser(mesh, second, 5, twin)
  mesh.crash(second)
  const back = await mesh.restart(second, { introducers: [first] })
  await mesh.until(() => linked(mesh, first, back) && linked(mesh, back, first), 15_000, 'the two are linked')
  const unharmed = watch(t, mesh, first, back)
  for (let n = 0; n < 25; n += 1) await attachUser(mesh, back, 5, twin)
  await mesh.pass(1_000)
  unharmed()
  t.ok((first.running.counters()['refused key_conflict'] ?? 0) > 20)
})

t.test('a file that its reader cannot take in that fast ends; the reader is not cut for what others send', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0, { config: { limits: { outgoingBytes: 262_144 } } })
  const mallory = await attachUser(mesh, home, 4)
  const reader = await attachUser(mesh, home, 5)
  reader.host.deaf = true
  await mallory.send('FILE_START', reader.id, { file_id: 'f', name: 'a', size: 10_000_000, mode: 'dm' })
  for (let n = 0; n < 40; n += 1) await mallory.send('FILE_CHUNK', reader.id, { file_id: 'f', index: n, ciphertext: 'A'.repeat(16_384) })
  await mesh.pass(20_000)
  reader.host.deaf = false
  await mesh.pass(1_000)
  t.same(reader.ended, [])
  t.equal(home.running.counters()['closed slow_reader'], undefined)
  const given = errors(mallory).filter(({ msg_ref: about }) => about === 'f')
  t.match(given, [{ code: 'TIMEOUT', detail: 'The file was given up: its reader takes it in too slowly.' }])
})
