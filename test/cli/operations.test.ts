/** A server as its operator meets it in a terminal: health, metrics, status, decisions, TLS, and a configuration that is read again. */
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { newId } from '../helpers/frame-client.ts'
import { makeCertificate } from '../helpers/certificates.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

t.plan(2)

const rig = processes(t)
const [oneKey, twoKey, annKey] = await Promise.all([stockKey(0), stockKey(1), stockKey(2)])
const json = async (...args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await rig.run([...args, '--json'])
  if (code !== 0) throw new Error(`socp ${args.join(' ')}: ${stderr}`)
  return stdout === '' ? undefined : (JSON.parse(stdout) as unknown)
}
const place = (key: typeof oneKey): string => {
  const data = rig.place('server')
  writeIdentity(data, newId(), key)
  return data
}
const lines = (text: string): readonly Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)
/** Waits for a line of the server's log; there is no other sign that a signal was handled. */
const logged = async (server: { stderr(): string }, event: RegExp): Promise<Record<string, unknown>> => {
  for (;;) {
    const found = lines(server.stderr()).findLast(line => event.test(String(line['event'])))
    if (found !== undefined) return found
    await new Promise(resolve => setImmediate(resolve))
  }
}

t.test('two servers over TLS, watched, steered, and told to read their configuration again', async t => {
  const { certFile, keyFile } = makeCertificate(rig.folder, 'server')
  const config = join(rig.folder, 'config.yaml')
  writeFileSync(config, `tls: {cert: ${certFile}, key: ${keyFile}}\n`)
  const [dataOne, dataTwo] = [place(oneKey), place(twoKey)]
  const one = await rig.serve({ data: dataOne, args: ['--config', config, '--http', '0'] })
  t.match(one.url, /^wss:\/\/127\.0\.0\.1:/)
  const two = await rig.serve({ data: dataTwo, args: ['--config', config, '--bootstrap', join(dataOne, 'introducer.yaml')] })
  await Promise.all([one.waitFor('linked'), two.waitFor('linked')])
  const { http = '' } = one.events.find(event => event.event === 'ready') as unknown as { readonly http?: string }
  t.match(await (await fetch(`${http}/healthz`)).text(), 'ok')
  t.equal((await fetch(`${http}/readyz`)).status, 200)
  const metrics = await (await fetch(`${http}/metrics`)).text()
  t.match(metrics, /^socp_links\{state="linked"\} 1$/m)
  t.match(metrics, /^socp_append_seconds_count \d+$/m)

  t.match(await json('status', '--data', dataOne), {
    server_id: one.id,
    state: 'ready',
    links: [{ server_id: two.id, state: 'linked', tls: true }],
  })
  const since = one.mark()
  t.match(await json('peers', 'ban', two.id.slice(0, 8), '--why', 'a test', '--data', dataOne), { state: 'banned', banned: 'a test' })
  await one.waitFor('unlinked', undefined, { since })
  const again = one.mark()
  await json('peers', 'unban', two.id, '--data', dataOne)
  await one.waitFor('linked', undefined, { since: again })

  appendFileSync(config, 'limits: {sessions: 2}\nport: 1\nlog_level: debug\n')
  process.kill(one.pid, 'SIGHUP')
  t.match(await logged(one, /^read the configuration again/), { changed: ['limits.sessions', 'log_level'] })
  writeFileSync(config, 'a: [')
  process.kill(one.pid, 'SIGHUP')
  t.match(await logged(one, /^the configuration was not taken/), { level: 'error', why: /is not YAML/ })
  t.match(await json('status', '--data', dataOne), { links: [{ state: 'linked' }] }, 'no link was dropped')
  for (const line of lines(one.stderr())) {
    t.match(line, { level: String, time: /^\d{4}-/, event: /^[a-zA-Z]/ })
    t.notMatch(JSON.stringify(line), /MII|PRIVATE KEY/, 'never a key')
  }
  t.same(
    [await one.stop(), await two.stop()],
    [
      { code: 0, signal: null },
      { code: 0, signal: null },
    ],
  )
})

t.test('decisions are taken for a server that does not run too, and status says that it does not', async t => {
  const data = place(oneKey)
  const server = await rig.serve({ data })
  const { id: user } = await attachFrameUser({ url: server.url, key: annKey, name: 'Ann', id: newId(), caps: ['proof', 'ack'] })
  t.match(await json('users', '--data', data), { user_id: user, state: 'attached', proven: true })
  await server.stop()
  t.match(await rig.run(['status', '--data', data]), { code: 1, stderr: /No server runs on .*socp serve/ })
  t.match(await json('users', 'unpin', user, '--data', data), { user_id: user, pubkey: null })
  t.equal(await json('users', '--data', data), undefined)
})
