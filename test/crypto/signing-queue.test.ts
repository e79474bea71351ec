import fc from 'fast-check'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { createSigningQueue, priorities, type Priority } from '../../src/crypto/signing-queue.ts'
import type { Crypto, PrivateKey } from '../../src/ports/crypto.ts'
import { fromUtf8, toBase64Url, utf8 } from '../../src/protocol/encoding.ts'
import { testKey } from '../helpers/test-keys.ts'

/** A crypto port whose signatures are the message itself, and are ready when the test says so. */
const held = () => {
  const started: { readonly text: string; readonly finish: () => void; readonly fail: (error: Error) => void }[] = []
  const sign: Crypto['sign'] = (_, message) =>
    new Promise((resolve, reject) => {
      started.push({ text: fromUtf8(message), finish: () => resolve(message), fail: reject })
    })
  return { crypto: { sign } as unknown as Crypto, started }
}
const privateKey = {} as PrivateKey
const settled = () => new Promise(resolve => setImmediate(resolve))
const signatureOf = (text: string) => toBase64Url(utf8(text))

void t.test('no more than the allowed number is in flight, and the next starts when one is done', async t => {
  const { crypto, started } = held()
  const queue = createSigningQueue({ crypto, privateKey, inFlight: 2, maxQueued: 10 })
  const answers = ['a', 'b', 'c'].map(text => queue.sign(text, 'message'))
  t.same(
    started.map(({ text }) => text),
    ['a', 'b'],
  )
  t.equal(queue.depth(), 1)
  started[1]?.finish()
  t.equal(await answers[1], signatureOf('b'))
  await settled()
  t.same(
    started.map(({ text }) => text),
    ['a', 'b', 'c'],
  )
  t.equal(queue.depth(), 0)
  for (const { finish } of started) finish()
  t.same(await Promise.all(answers), ['a', 'b', 'c'].map(signatureOf))
})

void t.test('the urgent overtake what waits, and within one priority the order of asking is kept', async t => {
  const { crypto, started } = held()
  const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 100 })
  const asked: readonly (readonly [string, Priority])[] = [
    ['first', 'file'],
    ['file 1', 'file'],
    ['message 1', 'message'],
    ['control 1', 'control'],
    ['presence 1', 'presence'],
    ['file 2', 'file'],
    ['control 2', 'control'],
    ['presence 2', 'presence'],
    ['message 2', 'message'],
  ]
  const answers = asked.map(([text, priority]) => queue.sign(text, priority))
  for (let at = 0; at < asked.length; at++) {
    started[at]?.finish()
    await settled()
  }
  await Promise.all(answers)
  t.same(
    started.map(({ text }) => text),
    ['first', 'control 1', 'control 2', 'presence 1', 'presence 2', 'message 1', 'message 2', 'file 1', 'file 2'],
  )
})

void t.test('a full queue refuses with TIMEOUT overloaded, and goes on when there is room', async t => {
  const { crypto, started } = held()
  const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 2 })
  const answers = ['a', 'b', 'c'].map(text => queue.sign(text, 'message'))
  t.equal(queue.depth(), 2)
  await t.rejects(queue.sign('d', 'message'), { name: 'ProtocolError', code: 'TIMEOUT', reason: 'overloaded', message: /send less/ })
  await t.rejects(queue.sign('e', 'file'), { name: 'ProtocolError', reason: 'overloaded' })
  started[0]?.finish()
  await settled()
  answers.push(queue.sign('f', 'message'))
  for (let at = 1; at < 4; at++) {
    started[at]?.finish()
    await settled()
  }
  t.same(await Promise.all(answers), ['a', 'b', 'c', 'f'].map(signatureOf))
})

void t.test('a full queue turns away the newest of its least urgent for something more urgent', async t => {
  const { crypto, started } = held()
  const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 3 })
  const running = queue.sign('running', 'file')
  const file = queue.sign('file', 'file')
  const older = queue.sign('older', 'message')
  const newer = queue.sign('newer', 'message')
  const control = queue.sign('control', 'control')
  await t.rejects(file, { name: 'ProtocolError', reason: 'overloaded' })
  const presence = queue.sign('presence', 'presence')
  await t.rejects(newer, { name: 'ProtocolError', reason: 'overloaded' })
  t.equal(queue.depth(), 3)
  for (let at = 0; at < 4; at++) {
    started[at]?.finish()
    await settled()
  }
  t.same(await Promise.all([running, control, presence, older]), ['running', 'control', 'presence', 'older'].map(signatureOf))
})

void t.test('a queue that may hold nothing still signs while there is a free place', async t => {
  const { crypto, started } = held()
  const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 0 })
  const answer = queue.sign('a', 'file')
  await t.rejects(queue.sign('b', 'control'), { name: 'ProtocolError', reason: 'overloaded' })
  started[0]?.finish()
  t.equal(await answer, signatureOf('a'))
})

void t.test('a signature that fails rejects its own caller and frees its place', async t => {
  const { crypto, started } = held()
  const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 5 })
  const [bad, good] = [queue.sign('bad', 'control'), queue.sign('good', 'control')]
  started[0]?.fail(new Error('no entropy'))
  await t.rejects(bad, { message: 'no entropy' })
  await settled()
  started[1]?.finish()
  t.equal(await good, signatureOf('good'))
})

void t.test('whatever is asked and finished in whatever order, every caller gets an answer and the bounds hold', async t => {
  const step = fc.oneof(fc.constantFrom(...priorities), fc.constant('finish' as const))
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 5 }),
      async (steps, inFlight, maxQueued) => {
        const { crypto, started } = held()
        const queue = createSigningQueue({ crypto, privateKey, inFlight, maxQueued })
        const answers: Promise<string>[] = []
        let finished = 0
        for (const [at, step] of steps.entries()) {
          if (step !== 'finish') answers.push(queue.sign(String(at), step).then(String, () => 'overloaded'))
          else if (finished < started.length) started[finished++]?.finish()
          await Promise.resolve()
          if (queue.depth() > maxQueued) return false
        }
        await settled()
        while (finished < started.length) {
          started[finished++]?.finish()
          await settled()
        }
        const given = await Promise.all(answers)
        return queue.depth() === 0 && given.length === steps.filter(step => step !== 'finish').length
      },
    ),
    { numRuns: 100 },
  )
  t.pass('property held')
})

void t.test('the real thing signs what verifies', async t => {
  const crypto = nodeCrypto()
  const key = await (await testKey(0)).privateKey(crypto)
  const queue = createSigningQueue({ crypto, privateKey: key, inFlight: 2, maxQueued: 100 })
  const { verifyPayload } = await import('../../src/crypto/transport-signature.ts')
  const texts = Array.from({ length: 8 }, (_, at) => `{"n":${String(at)}}`)
  const signatures = await Promise.all(texts.map((text, at) => queue.sign(text, priorities[at % 4] ?? 'file')))
  for (const [at, text] of texts.entries()) t.equal(await verifyPayload(crypto, key.publicKey, text, signatures[at] ?? ''), true)
})

void t.test('strangers wait behind everybody else and make room for them, but get every fourth turn', async t => {
  const { crypto, started } = held()
  const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 10 })
  const asked = [queue.sign('now', 'control')]
  const strangers = ['s1', 's2', 's3'].map(text => queue.sign(text, 'stranger'))
  for (let n = 1; n <= 7; n += 1) asked.push(queue.sign(`m${n}`, 'file'))
  const turnedAway = (strangers[2] as Promise<unknown>).catch(String)
  asked.push(queue.sign('m8', 'file'))
  t.match(await turnedAway, /cannot sign that much/)
  t.match(await queue.sign('s4', 'stranger').catch(String), /cannot sign that much/)
  for (let at = 0; at < 11; at += 1) {
    started[at]?.finish()
    await settled()
  }
  t.same(
    started.map(({ text }) => text),
    ['now', 'm1', 'm2', 'm3', 's1', 'm4', 'm5', 'm6', 's2', 'm7', 'm8'],
  )
  await Promise.all([...asked, strangers[0], strangers[1]])
})

void t.test(
  'each kind of work fills only its share of the queue, so what can wait is turned away first and what is urgent last',
  async t => {
    const { crypto } = held()
    const shares = { file: 0.2, public: 0.4, message: 0.6, presence: 0.8 } as const
    const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 10, shares })
    const asked: string[] = []
    const turnedAway: string[] = []
    const ask = (priority: Priority, times: number): void => {
      for (let n = 0; n < times; n += 1) {
        asked.push(priority)
        void queue.sign('x', priority).catch(() => turnedAway.push(priority))
      }
    }
    ask('control', 1)
    const filled: Partial<Record<Priority, number>>[] = []
    for (const priority of ['file', 'public', 'message', 'presence'] as const) {
      ask(priority, 10)
      await settled()
      const { file, public: open, message, presence } = queue.depths()
      filled.push({ file, public: open, message, presence })
    }
    t.same(filled, [
      { file: 2, public: 0, message: 0, presence: 0 },
      { file: 2, public: 4, message: 0, presence: 0 },
      { file: 0, public: 4, message: 6, presence: 0 },
      { file: 0, public: 0, message: 2, presence: 8 },
    ])
    ask('heartbeat', 4)
    await settled()
    t.match(queue.depths(), { heartbeat: 4 }, 'a heartbeat finds room')
    t.ok(queue.depth() <= 10)
    t.ok(queue.crowded('file') && queue.crowded('message', 0.5) && !queue.crowded('heartbeat'))
    const { shed, signed } = queue.counts()
    t.equal(
      Object.values(shed).reduce((sum, n) => sum + n),
      turnedAway.length,
    )
    t.equal(
      Object.values(signed).reduce((sum, n) => sum + n),
      0,
    )
    t.equal(queue.depth() + turnedAway.length + 1, asked.length)
  },
)

void t.test(
  'what may wait follows how fast the machine signs: one that was measured while it was busy turns nothing away that it can do',
  async t => {
    const { crypto, started } = held()
    let perSecond = 2
    const pace = { of: { begin: () => () => {}, perSecond: () => perSecond }, withinMs: 1_000 }
    const queue = createSigningQueue({ crypto, privateKey, inFlight: 1, maxQueued: 100, pace })
    const asked = ['at work', 'one', 'two'].map(text => queue.sign(text, 'message'))
    t.match(await queue.sign('three', 'message').catch(String), /cannot sign that much/)
    perSecond = 50
    for (let n = 0; n < 20; n += 1) asked.push(queue.sign(`m${n}`, 'message'))
    t.equal(queue.counts().shed.message, 1)
    for (let at = 0; at < asked.length; at += 1) {
      started[at]?.finish()
      await settled()
    }
    await Promise.all(asked)
  },
)
