/** Files between clients, and what a sender who lies comes to (attacks 34 to 36). */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { receivingLimits } from '../../src/client/transfers/receiving.ts'
import { canonical, seal, signText, stockKey, type StockKey } from '../helpers/stock-crypto.ts'
import { memoryNetwork } from './memory-network.ts'
import { annAndBen, type MeshClient } from './mesh-client.ts'
import { attachedClient } from './rig.ts'
import { scriptedServer } from './scripted-server.ts'

const [annKey, malloryKey] = (await Promise.all([2, 3].map(stockKey))) as [StockKey, StockKey]
const hashOf = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

const start = async (test: Test, maxFileBytes?: number) => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const me = await attachedClient(test, {
    network,
    url: server.url,
    name: 'me',
    key: 1,
    ...(maxFileBytes !== undefined && { maxFileBytes }),
  })
  const ann = { id: randomUUID(), name: 'ann', keyText: annKey.text }
  const mallory = { id: randomUUID(), name: 'mallory', keyText: malloryKey.text }
  server.advertise(ann)
  server.advertise(mallory)
  await me.waitFor('presence', event => event.user_id === mallory.id)
  let ts = Date.now()
  const offer = (change: { name?: string; size?: number; sha256?: string; id?: string; sender?: string; sig?: string } = {}): string => {
    const { name = 'a.txt', size = 6, sha256 = hashOf('abcdef'), id: file_id = randomUUID(), sender = ann.id } = change
    const content_sig =
      change.sig ?? signText(annKey, canonical({ file_id, from: sender, mode: 'dm', name, sha256, size, to: me.id, ts: ++ts }))
    server.send(me.id, 'FILE_START', { file_id, name, size, sha256, mode: 'dm', sender, content_sig }, ts)
    return file_id
  }
  const chunk = (file_id: string, index: number, text: string, sender = ann.id): void => {
    server.send(me.id, 'FILE_CHUNK', { file_id, index, ciphertext: seal(me.keyText, text), sender })
  }
  const end = (file_id: string, sender = ann.id): void => {
    server.send(me.id, 'FILE_END', { file_id, sender })
  }
  return { network, server, me, ann, mallory, offer, chunk, end }
}

t.test('a file arrives whole, verified, hashed and recorded, in few chunks for one of ours', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const ann = await attachedClient(t, { network, url: server.url, name: 'ann', key: 1 })
  const bob = await attachedClient(t, { network, url: server.url, name: 'bob', key: 2 })
  await ann.waitFor('presence', event => event.user_id === bob.id)
  const bytes = randomBytes(30_000)
  ann.files.readable.set('30k.bin', bytes)
  const seen: number[] = []
  t.equal(await ann.sendFile('bob', '30k.bin', { ref: 'f', progress: sent => seen.push(sent) }), true)
  const file = await bob.waitFor('file')
  t.match(file, { from: ann.id, from_name: 'ann', name: '30k.bin', path: '30k.bin', size: 30_000, sha256: hashOf(bytes), verified: true })
  t.same(bob.files.saved.get('30k.bin'), bytes)
  t.match(await ann.waitFor('sent'), { id: file.id, ref: 'f', to: bob.id, file: '30k.bin', status: 'sent' })
  t.same(seen, [10_704, 21_408, 30_000])
  for (const [client, types] of [
    [ann, ['outgoing.offered', 'outgoing.sent']],
    [bob, ['incoming.offered', 'incoming.saved']],
  ] as const)
    t.same(
      client
        .facts()
        .map(fact => fact.type)
        .filter(type => /^(in|out)/.test(type)),
      types,
    )
  t.equal(bob.files.temporary.size, 0)
})

t.test('for somebody without the capability a chunk is one block; an empty file is a file too', async t => {
  const { me, server, ann } = await start(t)
  server.people.set(ann.id, { ...ann, caps: [], socket: { send: () => {} } as never })
  me.files.readable.set('900', randomBytes(900))
  t.equal(await me.sendFile('ann', '900'), true)
  t.same(
    server.heard.filter(frame => frame.type === 'FILE_CHUNK').map(frame => [frame.payload.index, String(frame.payload.ciphertext).length]),
    [0, 1, 2].map(index => [index, 683]),
  )
  me.files.readable.set('empty', new Uint8Array())
  t.equal(await me.sendFile('ann', 'empty'), true)
  t.match(
    server.heard.slice(-2).map(frame => frame.type),
    ['FILE_START', 'FILE_END'],
  )
})

t.test('a path that is no file is an error, a file that is too large fails, and a refusal on the way ends it', async t => {
  const { me, server, ann } = await start(t, 1_000)
  t.equal(await me.sendFile('ann', 'missing', { ref: 'm' }), false)
  t.match(await me.waitFor('error'), { code: 'FILE_UNREADABLE', ref: 'm', detail: /no such file/ })
  me.files.readable.set('big', new Uint8Array(1_001))
  t.equal(await me.sendFile('ann', 'big'), false)
  t.match(await me.waitFor('sent'), { status: 'failed', why: /1001 bytes; at most 1000/ })
  server.people.delete(ann.id)
  me.files.readable.set('small', new Uint8Array(10))
  t.equal(await me.sendFile('ann', 'small'), false)
  t.match(await me.waitFor('sent', event => event.id !== ''), { why: /USER_NOT_FOUND/ })
  t.equal(me.facts().at(-1)?.type, 'outgoing.failed')
  t.equal(me.files.reading.size, 0, 'whatever became of them, they are closed')
})

const problems = (client: MeshClient): readonly string[] =>
  client.events.flatMap(event => (event.event === 'error' ? [event.detail] : event.event === 'sent' ? [event.why ?? event.status] : []))

t.test('a file does not wait for somebody who left: one sentence with their name', async t => {
  const { mesh, ann, ben } = await annAndBen(t)
  ben.crash()
  await mesh.pass(40_000)
  ann.files.readable.set('small', new Uint8Array(10))
  t.equal(await ann.client.sendFile('user 4', 'small'), false)
  t.same(problems(ann), ['user 4 is not online, and a file does not wait.'])
  t.equal(ann.client.nameOf(ben.id), 'user 4', 'their name is still known')
})

t.test('a file whose reader is lost on the way fails once, with one sentence', async t => {
  const { mesh, ann, ben } = await annAndBen(t)
  ann.files.readable.set('large', new Uint8Array(2_000_000))
  let moved = 0
  let done: boolean | undefined
  const report = (sent: number): void => {
    moved = sent
  }
  void ann.client.sendFile('user 4', 'large', { progress: report }).then(sent => {
    done = sent
  })
  await mesh.until(() => moved > 100_000, 60_000, 'some of it is sent')
  ben.crash()
  await mesh.until(() => done !== undefined, 120_000, 'it is given up')
  t.equal(done, false)
  t.match(problems(ann), [/^USER_NOT_FOUND: .* is not online/])
  t.equal(problems(ann).length, 1)
  t.ok(ann.client.attached)
})

t.test('without a connection a file is refused, and closed; so are questions, each in its own words', async t => {
  const { me, network } = await start(t)
  network.reachable = false
  network.cut()
  await me.waitFor('offline')
  me.files.readable.set('small', new Uint8Array(10))
  t.equal(await me.sendFile('ann', 'small', { ref: 'f' }), false)
  t.match(await me.waitFor('sent'), { ref: 'f', file: 'small', status: 'failed', why: /no connection to the server; send it again/ })
  t.equal(me.files.reading.size, 0)
  t.equal(await me.list(), false)
  t.equal(await me.tell('zoe', 'hello'), false)
  t.same(
    me.events.filter(event => event.event === 'error').map(({ detail }) => detail),
    [
      'There is no connection to the server; ask again when it is back.',
      'There is no connection to the server, and nobody is known here who is called "zoe".',
    ],
  )
})

t.test('chunks out of order, doubled, and counted from 1 make the file; taken names are never overwritten', async t => {
  const { me, offer, chunk, end } = await start(t)
  const one = offer()
  for (const [index, text] of [
    [2, 'ef'],
    [0, 'ab'],
    [0, 'ab'],
    [1, 'cd'],
  ] as const)
    chunk(one, index, text)
  end(one)
  t.match(await me.waitFor('file'), { path: 'a.txt', verified: true })
  const two = offer()
  for (const [index, text] of [
    [1, 'ab'],
    [2, 'cd'],
    [3, 'ef'],
  ] as const)
    chunk(two, index, text)
  end(two)
  t.match(await me.waitFor('file', event => event.id === two), { path: 'a (1).txt', verified: true })
})

t.test('an end that overtakes chunks waits for them', async t => {
  const { me, offer, chunk, end } = await start(t)
  const id = offer()
  chunk(id, 0, 'abc')
  end(id)
  chunk(id, 1, 'def')
  t.match(await me.waitFor('file'), { id, sha256: hashOf('abcdef') })
})

t.test('a hash or a size that lies leaves nothing behind', async t => {
  const { me, offer, chunk, end } = await start(t)
  const wrongHash = offer({ sha256: hashOf('something else') })
  chunk(wrongHash, 0, 'abcdef')
  end(wrongHash)
  t.match(await me.waitFor('error'), { code: 'FILE_FAILED', detail: /hash is not the one/ })
  const tooMuch = offer({ size: 3 })
  chunk(tooMuch, 0, 'abcdef')
  t.match(await me.waitFor('error', event => event.detail.includes('more bytes')), { code: 'FILE_FAILED' })
  t.equal(me.files.saved.size, 0)
  t.equal(me.files.temporary.size, 0)
  t.equal(me.facts().filter(fact => fact.type === 'incoming.failed').length, 2)
})

t.test("another sender's chunks with the same file id are ignored, and so are chunks without an offer", async t => {
  const { me, mallory, offer, chunk, end } = await start(t)
  chunk(randomUUID(), 0, 'nobody asked')
  const id = offer()
  chunk(id, 0, 'evil!!', mallory.id)
  end(id, mallory.id)
  chunk(id, 0, 'abcdef')
  end(id)
  t.match(await me.waitFor('file'), {
    from: me.events.find(event => event.event === 'file')?.from,
    sha256: hashOf('abcdef'),
    verified: true,
  })
  chunk(id, 1, 'after the end')
  end(id)
  await me.list()
  t.equal(me.events.filter(event => event.event === 'file').length, 1)
})

t.test('an offer without a signature or by another key is shown as not verified', async t => {
  const { me, mallory, offer, chunk, end } = await start(t)
  const unsigned = offer({ sig: '' })
  chunk(unsigned, 0, 'abcdef')
  end(unsigned)
  t.match(await me.waitFor('file'), { verified: false })
  const byAnother = offer({ sender: mallory.id })
  chunk(byAnother, 0, 'abcdef', mallory.id)
  end(byAnother, mallory.id)
  t.match(await me.waitFor('file', event => event.id === byAnother), { from: mallory.id, verified: false })
})

t.test('a name that would leave the folder is made safe', async t => {
  const { me, offer, chunk, end } = await start(t)
  const id = offer({ name: '../../.ssh/authorized_keys' })
  chunk(id, 0, 'abcdef')
  end(id)
  t.match(await me.waitFor('file'), { name: 'authorized_keys', path: 'authorized_keys', verified: true })
})

t.test('ten thousand offers open no more than a few files and say so once', async t => {
  const { me, offer, ann } = await start(t)
  for (let n = 0; n < 200; n++) offer({ sig: '' })
  t.match(await me.waitFor('error'), { code: 'FILE_REFUSED', detail: /too many files/ })
  await me.list()
  t.ok(me.files.temporary.size <= receivingLimits.maxPerSender)
  t.equal(me.events.filter(event => event.event === 'error').length, 1, ann.name)
})

t.test('a file over the limit is refused before a byte of it is written', async t => {
  const { me, offer } = await start(t, 1_000)
  offer({ size: 1_001 })
  t.match(await me.waitFor('error'), { code: 'FILE_REFUSED', detail: /1001 bytes/ })
  t.equal(me.files.temporary.size, 0)
})

t.test('a loss ends what is under way, and a restart sweeps what a run that was killed left', async t => {
  const { me, offer, chunk, network, server } = await start(t)
  const id = offer()
  chunk(id, 0, 'abc')
  await me.list()
  while (me.files.temporary.size === 0) await me.list()
  network.cut()
  t.match(await me.waitFor('error', event => event.code === 'FILE_FAILED'), { detail: /connection to the server was lost/ })
  t.equal(me.files.temporary.size, 0)
  await me.waitFor('resumed')
  // a killed program: its log ends after the offer
  const last = me.disk.rows.at(-1)
  if (last === undefined) throw new Error('nothing was recorded')
  me.disk.rows.push({
    ...last,
    type: 'incoming.offered',
    stream: 'transfer:left-open',
    data: JSON.stringify({ type: 'incoming.offered', transfer: 'left-open', file: 'f', user: 'u', size: 1, sha256: '' }),
  })
  const again = await attachedClient(t, { network, url: server.url, name: 'me', key: 1, id: me.id, disk: me.disk })
  t.same(again.files.swept, ['left-open'])
})
