/** Three servers and six people as real processes: all commands across all pairs, then the death and return of a server. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import type { ChatProcess, ListedUser, ServerProcess } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(13)

const rig = processes(t)

const startServer = async (n: number, introducer?: ServerProcess): Promise<ServerProcess> => {
  const data = rig.place('server')
  writeIdentity(data, newId(), await stockKey(n))
  return rig.serve({ data, ...(introducer === undefined ? {} : { bootstrap: [introducer] }) })
}
const startChat = async (n: number, server: ServerProcess, name: string): Promise<ChatProcess> => {
  const data = rig.place('chat')
  writeIdentity(data, newId(), await stockKey(n))
  return rig.chat({ server: server.url, name, data })
}

/** Asks for the list until it shows everyone, once more after each change of presence. */
const listOf = async (chat: ChatProcess, count: number): Promise<readonly ListedUser[]> => {
  for (;;) {
    const since = chat.mark()
    chat.say('/list')
    const { users } = await chat.waitFor('users', undefined, { since })
    if (users.length === count) return users
    await chat.waitFor('presence', undefined, { since })
  }
}
const quoted = (name: string): string => (name.includes(' ') ? `"${name}"` : name)
let refs = 0
/** Types a command and waits until it is reported as sent. */
const command = async (chat: ChatProcess, line: string, timeoutMs = 15_000): Promise<void> => {
  refs += 1
  const ref = `r${String(refs)}`
  const since = chat.mark()
  chat.say(`@${ref} ${line}`)
  const { status, why } = await chat.waitFor('sent', event => event.ref === ref && event.status !== 'waiting', { since, timeoutMs })
  if (status === 'failed') throw new Error(`${line.slice(0, 80)} failed: ${String(why)}`)
}
const tell = (from: ChatProcess, to: ChatProcess, text: string): Promise<void> => command(from, `/tell ${quoted(to.name)} ${text}`)
const received = (chat: ChatProcess, from: ChatProcess, text: string, since = 0, timeoutMs = 15_000) =>
  chat.waitFor('message', event => event.from === from.id && event.text === text, { since, timeoutMs })

const first = await startServer(0)
const second = await startServer(1, first)
const third = await startServer(2, first)
const servers = [first, second, third]

t.test('three servers link to each other through one introducer', async t => {
  for (const server of servers) {
    for (const other of servers) {
      if (other === server) continue
      const linked = await server.waitFor('linked', event => event.server_id === other.id)
      t.equal(linked.server_id, other.id)
    }
    t.equal(server.epoch, 1)
  }
})

const names = ['alice', 'bob', 'carol', 'dave', 'Erin Ünï', 'Zoë😀']
const chats = await Promise.all(names.map((name, n) => startChat(3 + n, servers[Math.floor(n / 2)] ?? first, name)))
const pairs = chats.flatMap(from => chats.filter(to => to !== from).map(to => ({ from, to })))
const at = (n: number): ChatProcess => {
  const chat = chats[n]
  if (chat === undefined) throw new Error(`no chat ${String(n)}`)
  return chat
}

t.test('everyone is told their id, name and server when they are ready', async t => {
  for (const [n, chat] of chats.entries()) {
    const ready = await chat.waitFor('ready')
    t.match(ready, { user_id: chat.id, name: names[n], server_id: servers[Math.floor(n / 2)]?.id })
  }
})

t.test('/list is the same on all six and sorted by name', async t => {
  const lists = await Promise.all(chats.map(chat => listOf(chat, chats.length)))
  const ours = lists[0] ?? []
  for (const list of lists) t.same(list, ours)
  t.same(ours.map(user => user.user_id).sort(), chats.map(chat => chat.id).sort())
  t.same(new Set(ours.map(user => user.presence)), new Set(['online']))
  for (const user of ours) t.equal(user.server_id, servers[Math.floor(chats.findIndex(chat => chat.id === user.user_id) / 2)]?.id)
  const shown = ours.map(user => user.name)
  const byCodePoint = [...names].sort()
  const byFold = [...names].sort((a, b) => a.toLowerCase().localeCompare(b.toLowerCase()))
  t.ok([byCodePoint.join(), byFold.join()].includes(shown.join()), 'sorted', { shown })
})

t.test('/tell reaches its recipient, and nobody else, in all thirty ordered pairs', async t => {
  const text = (from: ChatProcess, to: ChatProcess): string => `from ${from.name} to ${to.name}`
  await Promise.all(pairs.map(({ from, to }) => tell(from, to, text(from, to))))
  for (const { from, to } of pairs) {
    t.match(await received(to, from, text(from, to)), { kind: 'direct', name: from.name, verified: true })
  }
  for (const chat of chats) t.equal(chat.events.filter(event => event.event === 'message').length, 5, `${chat.name} got five messages`)
})

t.test('text of any script and length arrives as it was typed, locally and across servers', async t => {
  const texts = [
    'Grüße aus Zürich — 你好，世界 — नमस्ते — שלום — 👩‍👩‍👧‍👦 e\u0301',
    'a'.repeat(446),
    'b'.repeat(447),
    'ü'.repeat(223),
    `${'ü'.repeat(223)}c`,
    'd'.repeat(5000),
    '😀'.repeat(1250),
  ]
  for (const to of [at(1), at(5)]) {
    for (const text of texts) await tell(at(0), to, text)
    for (const text of texts) {
      const got = await received(to, at(0), text)
      t.ok(got.verified, `${String(Buffer.byteLength(text))} bytes to ${to.name}`)
    }
  }
})

t.test('messages of one user arrive in the order in which they were typed', async t => {
  const since = at(4).mark()
  const texts = Array.from({ length: 20 }, (_, n) => `in order ${String(n)}`)
  for (const text of texts) at(2).say(`/tell ${quoted(at(4).name)} ${text}`)
  await received(at(4), at(2), 'in order 19', since)
  t.same(
    at(4)
      .events.slice(since)
      .flatMap(event => (event.event === 'message' ? [event.text] : [])),
    texts,
  )
})

t.test('/all is seen once by the five others, verified, and not by its sender', async t => {
  for (const from of chats) await command(from, `/all hello all, says ${from.name} ✓`)
  for (const from of chats) {
    const text = `hello all, says ${from.name} ✓`
    for (const to of chats) {
      if (to !== from) t.match(await received(to, from, text), { kind: 'public', verified: true })
    }
  }
  await Promise.all(pairs.map(({ from, to }) => tell(from, to, 'after all')))
  await Promise.all(pairs.map(({ from, to }) => received(to, from, 'after all')))
  for (const chat of chats) t.equal(chat.events.filter(event => event.event === 'message' && event.kind === 'public').length, 5, chat.name)
})

const offer = (name: string, bytes: Buffer): string => {
  const path = join(rig.place('files'), name)
  writeFileSync(path, bytes)
  return path
}
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

t.test('/file brings 2 kB byte for byte to someone here and to someone on another server', async t => {
  const bytes = randomBytes(2048)
  const path = offer('two kilobytes ü.bin', bytes)
  for (const [from, to] of [
    [at(0), at(1)],
    [at(0), at(2)],
    [at(5), at(0)],
    [at(3), at(4)],
  ] as const) {
    const since = to.mark()
    await command(from, `/file ${quoted(to.name)} "${path}"`)
    const file = await to.waitFor('file', event => event.from === from.id, { since, timeoutMs: 20_000 })
    t.match(file, { name: 'two kilobytes ü.bin', size: 2048, sha256: sha256(bytes), verified: true })
    t.ok(readFileSync(file.path).equals(bytes), `${from.name} to ${to.name}`)
  }
})

t.test('the same file twice never overwrites the first', async t => {
  const [one, two] = [offer('same.txt', Buffer.from('one')), offer('same.txt', Buffer.from('two'))]
  const paths: string[] = []
  for (const path of [one, two]) {
    const since = at(3).mark()
    await command(at(1), `/file dave ${path}`)
    paths.push((await at(3).waitFor('file', undefined, { since })).path)
  }
  t.same(
    paths.map(path => readFileSync(path, 'utf8')),
    ['one', 'two'],
  )
})

t.test('/file brings 1 MB across servers with its hash', async t => {
  const bytes = randomBytes(1_000_000)
  const path = offer('megabyte.bin', bytes)
  const began = performance.now()
  await command(at(1), `/file ${quoted(at(4).name)} ${path}`, 60_000)
  const sent = performance.now() - began
  const file = await at(4).waitFor('file', event => event.name === 'megabyte.bin', { timeoutMs: 60_000 })
  t.comment(
    `1 MB across servers: sent after ${sent.toFixed(0)} ms, received and verified after ${(performance.now() - began).toFixed(0)} ms`,
  )
  t.match(file, { size: 1_000_000, sha256: sha256(bytes), verified: true })
  t.equal(sha256(readFileSync(file.path)), sha256(bytes))
})

t.test('names that nobody has and unknown commands are answered with an error and its ref', async t => {
  for (const [line, ref] of [
    ['/tell nobody hello', 'e1'],
    ['/frobnicate', 'e2'],
    ['/file bob /does/not/exist', 'e3'],
  ] as const) {
    const since = at(0).mark()
    at(0).say(`@${ref} ${line}`)
    const answer = await at(0).waitFor('error', event => event.ref === ref, { since })
    t.ok(answer.detail.length > 0, `${line}: ${answer.code} ${answer.detail}`)
  }
})

t.test('an end of input lets what was sent finish and exits 0', async t => {
  const since = at(0).mark()
  const leaving = await startChat(9, third, 'leaving')
  // it must know alice before it can name her
  await listOf(leaving, 7)
  leaving.say('/tell alice last words')
  leaving.endInput()
  t.same(await leaving.exited, { code: 0, signal: null })
  t.ok((await received(at(0), leaving, 'last words', since)).verified)
  const gone = await at(0).waitFor('presence', event => event.user_id === leaving.id && event.state === 'offline', { since })
  t.equal(gone.name, 'leaving')
})

t.test('a server that is killed is reported, restarts with the next epoch, relinks within 5 s, and its people are back', async t => {
  const marks = servers.map(server => server.mark())
  const chatMarks = chats.map(chat => chat.mark())
  await second.kill()
  for (const [n, server] of [
    [0, first],
    [2, third],
  ] as const) {
    const unlinked = await server.waitFor('unlinked', event => event.server_id === second.id, { since: marks[n] ?? 0 })
    t.ok(unlinked.why.length > 0, unlinked.why)
  }
  for (const n of [2, 3]) await at(n).waitFor('offline', undefined, { since: chatMarks[n] ?? 0 })

  const state = await rig.run(['state', '--json', '--data', second.data])
  t.equal(state.code, 0, state.stderr)
  const told = state.stdout
  for (const id of [second.id, first.id, third.id, ...chats.map(chat => chat.id)])
    t.match(told, id, 'the folded state of the killed node knows everyone')
  const log = await rig.run(['log', 'ls', '--json', '--data', second.data])
  t.equal(log.code, 0, log.stderr)
  const facts = log.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { seq: number; type: string; epoch: number; stream: string; version: number })
  t.same(
    facts.map(fact => fact.seq),
    facts.map((_, n) => n + 1),
    'no gap in the log',
  )
  t.equal(facts.filter(fact => fact.type === 'node.started').length, 1)

  const began = performance.now()
  const since = [first.mark(), 0, third.mark()]
  const again = await rig.serve({ data: second.data, port: second.port, bootstrap: [first] })
  t.equal(again.id, second.id)
  t.equal(again.epoch, second.epoch + 1)
  const ready = performance.now()
  for (const [n, server] of [
    [0, first],
    [2, third],
  ] as const) {
    await again.waitFor('linked', event => event.server_id === server.id)
    await server.waitFor('linked', event => event.server_id === second.id, { since: since[n] ?? 0 })
  }
  const relinked = performance.now() - ready
  t.comment(`restarted in ${(ready - began).toFixed(0)} ms, linked again ${relinked.toFixed(0)} ms later`)
  t.ok(relinked < 5000)
  for (const n of [2, 3]) {
    const resumed = await at(n).waitFor('resumed', undefined, { since: chatMarks[n] ?? 0, timeoutMs: 25_000 })
    t.equal(resumed.event, 'resumed')
  }
  const before = chats.map(chat => chat.mark())
  await Promise.all(pairs.map(({ from, to }) => tell(from, to, 'after the restart')))
  for (const { from, to } of pairs) t.ok((await received(to, from, 'after the restart', before[chats.indexOf(to)] ?? 0)).verified)

  const logAgain = await rig.run(['log', 'ls', '--json', '--data', second.data])
  const started = logAgain.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { type: string; epoch: number })
    .filter(fact => fact.type === 'node.started')
  t.same(
    started.map(fact => fact.epoch),
    [1, 2],
    'one node.started per epoch, read while the node runs',
  )
  const living = await rig.run(['state', '--json', '--data', second.data])
  t.equal(living.code, 0, living.stderr)

  t.test('SIGTERM says goodbye: stopping is reported, the others unlink, and it exits 0', async t => {
    const mark = first.mark()
    const exit = await again.stop()
    t.same(exit, { code: 0, signal: null }, again.stderr())
    t.ok(again.events.some(event => event.event === 'stopping'))
    t.ok(await first.waitFor('unlinked', event => event.server_id === second.id, { since: mark }))
  })
})
