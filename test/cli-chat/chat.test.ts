/** `socp chat` as a script sees it: lines in, JSON lines out, exit codes. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

const rig = processes(t)
const serverData = rig.place('server')
writeIdentity(serverData, newId(), await stockKey(0))
const server = await rig.serve({ data: serverData })
const place = async (n: number): Promise<string> => {
  const data = rig.place('chat')
  writeIdentity(data, newId(), await stockKey(n))
  return data
}

// it takes its time, in which the other tests run
const unanswered = rig.run(['chat', '--server', 'ws://127.0.0.1:9', '--name', 'ann', '--data', await place(5), '--json'], {
  timeoutMs: 60_000,
})

t.test('a wrong address or name is a sentence and exit 2, before anything is made', async t => {
  for (const [url, name, why] of [
    ['http://127.0.0.1:1', 'ann', /not a server's address/],
    ['nonsense', 'ann', /not a server's address/],
    ['ws://user:secret@host', 'ann', /not a server's address/],
    [server.url, '', /at least one visible character/],
    [server.url, 'x'.repeat(65), /at most 64/],
    [server.url, 'a\u001b[31mb', /control, direction or invisible/],
  ] as const) {
    const data = join(rig.folder, 'never-made')
    const { code, stderr, stdout } = await rig.run(['chat', '--server', url, '--name', name, '--data', data])
    t.equal(code, 2, `${url} ${JSON.stringify(name)}`)
    t.match(stderr, why)
    t.equal(stdout, '')
    t.throws(() => statSync(data))
  }
  t.equal((await rig.run(['chat', '--name', 'ann'])).code, 2)
})

t.test('the help has examples', async t => {
  const { code, stdout } = await rig.run(['chat', '--help'])
  t.equal(code, 0)
  t.match(stdout, /Examples:[^]*--name ann/)
})

t.test('a script is done with 0 when all went well, and with 1 when something failed', async t => {
  const data = await place(1)
  const bob = await rig.chat({ server: server.url, name: 'bob', data: await place(2) })
  const args = ['chat', '--server', server.url, '--name', 'ann', '--data', data, '--json']
  const good = await rig.run(args, { input: '@1 /list\n@2 /tell bob hello\n' })
  t.equal(good.code, 0, good.stderr)
  const events = good.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { event: string; ref?: string; status?: string; to?: string })
  t.equal(events[0]?.event, 'ready')
  t.match(
    events.find(event => event.event === 'users'),
    { ref: '1' },
  )
  t.match(
    events.find(event => event.event === 'sent'),
    { ref: '2', status: 'sent', to: bob.id },
  )
  t.match(await bob.waitFor('message'), { text: 'hello', name: 'ann', verified: true })
  const bad = await rig.run(args, { input: '@3 /tell nobody hello\n/quit\n@4 /tell bob never read\n' })
  t.equal(bad.code, 1)
  t.match(bad.stdout, /"event":"error","code":"USER_NOT_FOUND".*"ref":"3"/)
  t.notMatch(bad.stdout, /"ref":"4"/, 'nothing is read after /quit')
})

t.test('without --json the words are for people, and without a terminal there are no colours', async t => {
  const { code, stdout, stderr } = await rig.run(['chat', '--server', server.url, '--name', 'ann', '--data', await place(3)], {
    input: '/help\nwhat?\n',
  })
  t.equal(code, 1)
  t.match(stdout, /Connected as ann/)
  t.match(stdout, /\/tell NAME TEXT/)
  t.match(stderr, /begins with a command/)
  t.notMatch(stdout + stderr, /\u001b/)
})

t.test('two programs on one data directory: the second says so and exits 78', async t => {
  const data = await place(4)
  const first = await rig.chat({ server: server.url, name: 'ann', data })
  const { code, stderr } = await rig.run(['chat', '--server', server.url, '--name', 'ann', '--data', data])
  t.equal(code, 78, stderr)
  t.equal(stderr.trim().split('\n').length, 1)
  t.same(await first.stop(), { code: 0, signal: null })
})

t.test('a server that does not answer is one sentence and exit 1', async t => {
  const { code, stderr, stdout } = await unanswered
  t.equal(code, 1)
  t.match(stderr, /^socp: No server let us in within 10 s: nothing was sent\.\n$/)
  t.match(stdout, /No connection to ws:\/\/127\.0\.0\.1:9: nothing listens there\. Trying again\./)
})

t.test('received files go where --downloads says', async t => {
  const downloads = join(rig.folder, 'elsewhere')
  const bob = await rig.chat({ server: server.url, name: 'bob2', data: await place(6), args: ['--downloads', downloads] })
  const path = join(rig.folder, 'my notes.txt')
  writeFileSync(path, 'some notes')
  const { code, stdout } = await rig.run(['chat', '--server', server.url, '--name', 'ann', '--data', await place(7), '--json'], {
    input: `/file bob2 "${path}"\n`,
  })
  t.equal(code, 0, stdout)
  const file = await bob.waitFor('file')
  t.equal(file.path, join(downloads, 'my notes.txt'))
  t.equal(readFileSync(file.path, 'utf8'), 'some notes')
})
