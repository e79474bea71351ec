/** The control socket: its rights, its questions and answers, what is left behind by a kill, and what a bad client can do. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { ControlRequest } from '../../src/ports/control.ts'
import { callControl, controlSocket } from '../../src/ports/node/control-socket.ts'

const answers = (request: ControlRequest): Promise<unknown> => {
  if (request.command === 'fail') return Promise.reject(new Error('It cannot be done: do something else.'))
  request.progress({ half: true })
  return Promise.resolve({ command: request.command, params: request.params })
}

/** A folder with a short path, which goes with the test. */
const place = (t: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), 'socp-control-'))
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

t.test('a request is answered with its result, its progress told before, and a refusal is a sentence', async t => {
  const file = join(place(t), 'control.sock')
  const listener = await controlSocket(file).listen(answers)
  const told: unknown[] = []
  const result = await callControl(file, 'compact', { keep: 3 }, { progress: what => told.push(what) })
  t.same(result, { command: 'compact', params: { keep: 3 } })
  t.same(told, [{ half: true }])
  await t.rejects(callControl(file, 'fail', {}), {
    name: 'ControlError',
    kind: 'refused',
    message: 'It cannot be done: do something else.',
  })
  await listener.close()
  await t.rejects(callControl(file, 'compact', {}), { name: 'ControlError', kind: 'absent' })
})

t.test('a node that takes a request and says nothing is noticed, and whoever asks may stop waiting', async t => {
  const file = join(place(t), 'control.sock')
  const answered = Promise.withResolvers<string>()
  const listener = await controlSocket(file).listen(() => answered.promise)
  await t.rejects(
    callControl(
      file,
      'status',
      {},
      {
        silentMs: 20,
        silent: () => new Error('Enough.'),
      },
    ),
    { message: 'Enough.' },
  )
  const patient = callControl(
    file,
    'compact',
    {},
    {
      silentMs: 20,
      silent: () => {
        answered.resolve('done')
        return undefined
      },
    },
  )
  t.equal(await patient, 'done')
  await listener.close()
})

t.test('only its owner may open it, whatever the umask', async t => {
  const file = join(place(t), 'control.sock')
  const before = process.umask(0)
  const listener = await controlSocket(file).listen(answers)
  t.equal(process.umask(before), 0, 'the umask is as it was')
  t.equal(statSync(file).mode & 0o777, 0o600)
  await listener.close()
})

t.test('a socket that a killed node left behind is taken over', async t => {
  const file = join(place(t), 'control.sock')
  // what closes a socket of its own accord removes its file; a kill does not
  const left = createServer()
  left.listen(`${file}.other`)
  await once(left, 'listening')
  renameSync(`${file}.other`, file)
  left.close()
  await t.rejects(callControl(file, 'x', {}), { name: 'ControlError', kind: 'absent' })
  const listener = await controlSocket(file).listen(answers)
  t.match(await callControl(file, 'x', {}), { command: 'x' })
  await listener.close()
})

t.test('a path that is longer than a socket’s may be is reached all the same', { skip: process.platform !== 'linux' }, async t => {
  const file = join(t.testdir({ ['x'.repeat(120)]: {} }), 'x'.repeat(120), 'control.sock')
  const listener = await controlSocket(file).listen(answers)
  t.match(await callControl(file, 'x', {}), { command: 'x' })
  await listener.close()
  t.notOk(existsSync(file))
})

t.test('closing waits for the command at work, and a client that only listens does not hold it up', async t => {
  const file = join(place(t), 'control.sock')
  let finish: () => void = () => {}
  let begun: () => void = () => {}
  const working = new Promise<void>(resolve => {
    begun = resolve
  })
  const listener = await controlSocket(file).listen(
    () =>
      new Promise(resolve => {
        finish = () => {
          resolve('done')
        }
        begun()
      }),
  )
  const idle = createConnection(file)
  await once(idle, 'connect')
  const asked = callControl(file, 'slow', {})
  await working
  const closed = listener.close()
  finish()
  t.equal(await asked, 'done')
  await closed
  idle.destroy()
})

t.test('what is no request is told so, and a line without end is cut off', async t => {
  const file = join(place(t), 'control.sock')
  const listener = await controlSocket(file).listen(answers)
  for (const bad of ['hello\n', '{"id":1}\n', '{"id":1,"command":"x","params":3}\n']) {
    const client = createConnection(file)
    client.end(bad)
    const [text] = (await once(client.setEncoding('utf8'), 'data')) as [string]
    t.match(JSON.parse(text), { ok: false, error: /A request is one JSON object a line/ })
    await once(client, 'close')
  }
  const endless = createConnection(file)
  endless.on('error', () => {})
  endless.write('x'.repeat(100_000))
  await once(endless, 'close')
  t.match(await callControl(file, 'y', {}), { command: 'y' }, 'others are served')
  await listener.close()
})
