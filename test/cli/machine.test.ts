/** `socp machine`: every machine as a diagram, and where those of a running or stopped node are. */
import t from 'tap'
import { processes } from '../helpers/processes.ts'
import { recordLife } from './recorded-log.ts'
import { runSocp } from './run-socp.ts'

const { data, facts, peer, self } = await recordLife(t)
const rowsOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as { readonly name: string })

t.test('ls lists all machines with their states, without a node too', async t => {
  const { code, stdout } = await runSocp(['machine', 'ls', '--json', '--data', t.testdir()])
  t.equal(code, 0)
  const rows = rowsOf(stdout)
  t.same(
    rows.map(({ name }) => name),
    ['link', 'session', 'transfer', 'bootstrap', 'client-transfer'],
  )
  t.match(rows[1], { states: ['absent', 'attached', 'detached', 'ended'], running: false, instances: {} })
})

t.test('ls shows where the machines of a stopped node were left', async t => {
  const { code, stdout, stderr } = await runSocp(['machine', 'ls', '--json', '--data', data])
  t.equal(code, 0, stderr)
  t.match(stderr, /no node runs there; the machines are as its log leaves them/)
  t.match(rowsOf(stdout)[0], { name: 'link', running: false, instances: { [`link:${peer}`]: { state: 'linked' } } })
  const human = await runSocp(['machine', 'ls', '--data', data])
  t.match(human.stdout, new RegExp(`linked +link:${peer}`))
})

t.test('show draws a kind or one machine', async t => {
  const [kind, one, unknown, absent] = await Promise.all([
    runSocp(['machine', 'show', 'link', '--data', data]),
    runSocp(['machine', 'show', `link:${peer}`, '--data', data, '--json']),
    runSocp(['machine', 'show', 'nosuch', '--data', data]),
    runSocp(['machine', 'show', `link:${self}`, '--data', data]),
  ])
  t.match(kind.stdout, /^stateDiagram-v2\n {2}\[\*\] --> resting\n/)
  t.match(kind.stdout, 'note right of linked : 1 here now')
  t.match(JSON.parse(one.stdout), { name: 'link', instances: { [`link:${peer}`]: { state: 'linked' } } })
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /There are link, session, transfer, bootstrap, client-transfer/)
  t.match(absent.stderr, /there is no machine link:/)
  t.ok(facts.length > 0)
})

t.test('ls and show ask a running node', async t => {
  const running = processes(t)
  const first = await running.serve()
  const second = await running.serve({ bootstrap: [{ host: '127.0.0.1', port: first.port, pubkey: first.pubkey }] })
  await first.waitFor('linked')
  await second.waitFor('linked')
  const { code, stdout, stderr } = await runSocp(['machine', 'ls', '--json', '--data', first.data])
  t.equal(code, 0, stderr)
  t.equal(stderr, '')
  t.match(rowsOf(stdout)[0], { name: 'link', running: true, instances: { [`link:${second.id}`]: { state: 'linked' } } })
  t.match((await runSocp(['machine', 'show', 'bootstrap', '--data', second.data])).stdout, 'note right of joined : 1 here now')
})
