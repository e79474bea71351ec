/** `socp replay`: the state at any moment, what changed, why, what would have been, step by step, and as a test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Database from 'better-sqlite3'
import t from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import type { NewFact } from '../../src/store/log.ts'
import { recordLife, writeLog } from './recorded-log.ts'
import { runSocp, socpFile } from './run-socp.ts'

const { data, facts, withAnn, machinesWithAnn, ann, bob, self, peer } = await recordLife(t)
const head = facts.length

const replay = (...args: readonly string[]) => runSocp(['replay', '--data', data, ...args])
interface Change {
  readonly part: string
  readonly key: string
}
/** What the options print; each prints some of it. */
interface Answer {
  readonly seq: number
  readonly machines: Readonly<Record<string, unknown>>
  readonly directory: object
  readonly read_models: { readonly users: readonly { readonly user_id: string }[] }
  readonly from: { readonly seq: number }
  readonly to: { readonly seq: number }
  readonly changes: readonly Change[]
  readonly facts: readonly { readonly type: string }[]
  readonly present: readonly Change[]
  readonly effects: readonly unknown[]
}
const json = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await replay(...args, '--json')
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Answer
}

t.test('the state at a fact is that of the running node at that fact', async t => {
  const state = await json('--until', String(withAnn))
  t.equal(state.seq, withAnn)
  t.strictSame(state.machines, machinesWithAnn)
  t.match(state, {
    server_id: self,
    running: true,
    directory: {
      [ann]: { local: 'attached', claims: [{ name: 'Ann Example', server_id: self }] },
      [bob]: { claims: [{ server_id: peer }] },
    },
    pins: { servers: { [peer]: { linked: true } } },
  })
  t.same(state.read_models.users.map(({ user_id }) => user_id).sort(), [ann, bob].sort())
})

t.test('without --until it is the present, with a time what was at that time, and 0 is the beginning', async t => {
  const [present, then, beginning] = await Promise.all([
    json(),
    json('--until', new Date(facts[withAnn - 1]?.at ?? 0).toISOString()),
    json('--until', '0'),
  ])
  t.equal(present.seq, head)
  t.notOk(ann in present.directory)
  t.equal(then.seq, withAnn)
  t.strictSame(then.machines, machinesWithAnn)
  t.match(beginning, { seq: 0, machines: {}, directory: {}, server_id: null })
  t.same(beginning.read_models.users, [])
})

t.test('--machine shows one machine', async t => {
  const address = `session:${ann}`
  const state = await json('--until', String(withAnn), '--machine', address)
  t.strictSame(state.machines, { [address]: machinesWithAnn[address] })
  const { stdout } = await replay('--until', String(withAnn), '--machine', address)
  t.match(stdout, `${address} is attached after fact ${withAnn}`)
})

t.test('for people the state is a text that a terminal shows', async t => {
  const { code, stdout } = await replay('--until', String(withAnn))
  t.equal(code, 0)
  for (const text of [self, peer, ann, bob, 'Ann Example', 'attached', 'linked', 'Read models']) t.ok(stdout.includes(text), text)
  t.notMatch(stdout, /[\u001b\u009b]/)
})

t.test('what cannot be answered is one sentence and wrong usage', async t => {
  const cases: readonly (readonly [args: readonly string[], words: RegExp])[] = [
    [['--until', String(head + 1)], new RegExp(`The log ends with fact ${head}, there is no fact ${head + 1} yet`)],
    [['--until', '2999-01-01'], /lies in the future/],
    [['--until', 'yesterday'], /a sequence number, or a time such as/],
    [['--machine', 'session:nobody'], /There is no machine session:nobody after fact/],
    [['--why', 'nobody'], /No fact up to then had to do with nobody/],
    [['--without', String(head + 1)], /There is no fact/],
    [['--diff', '5'], /two sequence numbers or times/],
    [['--diff', '5..2'], /The second moment lies before the first/],
    [['--step', '--why', ann], /--step and --why ask for different things/],
  ]
  await Promise.all(
    cases.map(async ([args, words]) => {
      const { code, stdout, stderr } = await replay(...args)
      t.equal(code, 2, `${args.join(' ')}: ${stderr}`)
      t.equal(stdout, '', args.join(' '))
      t.match(stderr, words, args.join(' '))
    }),
  )
})

t.test('--diff says what is different and which facts did it', async t => {
  const { from, to, changes, facts: by } = await json('--diff', `${withAnn}..`)
  t.match([from.seq, to.seq], [withAnn, head])
  t.match(
    changes.find(({ part }) => part === 'machines'),
    { key: `session:${ann}`, before: { state: 'attached' }, after: null },
  )
  t.match(by.at(-1), { type: 'session.ended', data: { user: ann } })
  const { stdout } = await replay('--diff', `${withAnn}..`)
  t.match(stdout, `machines session:${ann} is gone`)
  t.match((await replay('--diff', `${head}..${head}`)).stdout, '0 changes')
})

t.test('--why lists the facts behind a state', async t => {
  const link = await json('--why', `link:${peer}`)
  t.match(link.present, [{ part: 'machines', key: `link:${peer}`, value: { state: 'linked' } }])
  t.match(link.facts.at(-1), { type: 'link.linked', changes: [{ key: `link:${peer}` }] })
  const user = await json('--why', bob)
  t.same(
    user.facts.map(({ type }) => type),
    ['user.advertised'],
  )
  const { stdout } = await replay('--why', ann, '--until', String(withAnn))
  for (const text of ['session.attached', 'directory', 'pins.users']) t.ok(stdout.includes(text), text)
})

t.test('--without shows what would have been', async t => {
  const attached = facts.find(({ fact }) => fact.type === 'session.attached')?.seq ?? 0
  const state = await json('--until', String(withAnn), '--without', String(attached))
  t.notOk(ann in state.directory)
  t.ok(bob in state.directory)
  t.same(
    state.changes.map(({ part, key }) => `${part} ${key}`),
    [`machines session:${ann}`, `directory ${ann}`, `pins.users ${ann}`],
  )
  t.match((await replay('--until', String(withAnn), '--without', String(attached))).stdout, 'would not be there')
})

/** A walk whose words the test types, one at a time. */
const walk = (directory: string) => {
  const child = spawn(process.execPath, [socpFile, 'replay', '--step', '--json', '--data', directory], { stdio: 'pipe' })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part))
  const exited = once(child, 'close')
  const line = async () => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`it ended: ${stderr}`)
    return JSON.parse(value) as Answer
  }
  return {
    line,
    type: (word: string) => {
      child.stdin.write(`${word}\n`)
      return line()
    },
    end: async () => {
      child.stdin.end()
      const [code] = (await exited) as [number]
      return { code, stderr }
    },
  }
}

t.test('--step walks forwards and backwards', async t => {
  const { line, type, end } = walk(data)
  t.match(await line(), { seq: 0, fact: null, changes: [] })
  t.match(await type('n'), { seq: 1, fact: { type: 'node.started' }, changes: [{ part: 'node' }] })
  t.match(await type(''), { seq: 2 })
  const last = await type('l')
  t.match(last, { seq: head, fact: { type: 'session.ended' } })
  t.match(last.effects, [{ effect: 'announceRemoval', address: `session:${ann}` }])
  t.match(await type('p'), { seq: head - 1 })
  t.match(await type(String(withAnn)), { seq: withAnn })
  t.strictSame((await type('s')).machines, machinesWithAnn)
  t.match(await type('f'), { seq: 1 })
  t.match(await type('p'), { seq: 0 })
  t.same((await end()).code, 0)
})

/** Bytes: SQLite writes the WAL back when it has 4,000 pages, and a commit may go beyond. */
const CHECKPOINTED = 18_000_000

t.test('a walk that is left open does not let the log of a busy node grow, and sees what came', async t => {
  const place = t.testdir()
  const log = await writeLog(place, facts)
  const file = join(place, 'log.db')
  let at = facts.at(-1)?.at ?? 0
  const work = async (): Promise<number> => {
    let most = 0
    for (let batch = 0; batch < 100; batch += 1) {
      const more = Array.from({ length: 400 }, (): NewFact<Fact> => {
        at += 1
        return { stream: `link:${peer}`, at, fact: { type: 'link.closed', server: peer as never, why: 'x'.repeat(200) } }
      })
      await log.append(more, { expected: { epoch: log.epoch } })
      most = Math.max(most, statSync(`${file}-wal`).size)
    }
    return most
  }
  const { line, type, end } = walk(place)
  await line()
  t.match(await type('n'), { seq: 1 })
  const most = await work()
  t.ok(most < CHECKPOINTED, `the WAL had ${most} bytes at most`)
  t.match(await type('l'), { seq: head + 40_000 })
  t.equal((await end()).code, 0)

  // the same with a transaction held open shows that the measure measures
  const held = new Database(file, { readonly: true })
  held.exec('BEGIN')
  held.prepare('SELECT max(seq) FROM facts').get()
  const grown = await work()
  held.close()
  await log.close()
  t.ok(grown > CHECKPOINTED, `with a transaction held open it had ${grown} bytes`)
})

const runNode = async (file: string) => {
  const ran = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, TAP: '1' } })
  let output = ''
  ran.stdout.setEncoding('utf8').on('data', (part: string) => (output += part))
  const [code] = (await once(ran, 'close')) as [number]
  return { code, output }
}

t.test('--as-test writes a test that passes, of the whole, of a window, of one machine, and with stand-ins', async t => {
  const place = t.testdir()
  const cases: readonly (readonly [name: string, args: readonly string[]])[] = [
    ['whole.test.ts', []],
    ['window.test.js', ['--from', String(withAnn), '--until', String(head)]],
    ['machine.test.mjs', ['--machine', `link:${peer}`]],
    ['redacted.test.js', ['--redact', '--from', '5']],
    ['redacted-machine.test.ts', ['--redact', '--machine', `session:${ann}`, '--until', String(withAnn)]],
  ]
  await Promise.all(
    cases.map(async ([name, args]) => {
      const file = join(place, name)
      const { code, stderr } = await replay('--as-test', file, ...args)
      t.equal(code, 0, stderr)
      const { code: ended, output } = await runNode(file)
      t.equal(ended, 0, `${name}: ${output}`)
      t.match(output, /ok 1 - facts \d+ to \d+ lead/, name)
      const text = readFileSync(file, 'utf8')
      if (args.includes('--redact'))
        for (const secret of [ann, bob, self, peer, 'Example']) t.notOk(text.includes(secret), `${name}: ${secret}`)
      else t.ok(text.includes(peer), name)
    }),
  )
  // a test that could not fail would be none
  const tampered = join(place, 'tampered.test.js')
  writeFileSync(
    tampered,
    readFileSync(join(place, 'window.test.js'), 'utf8').replace('"type":"session.ended"', '"type":"session.detached"'),
  )
  t.not((await runNode(tampered)).code, 0)

  const again = await replay('--as-test', join(place, 'whole.test.ts'))
  t.equal(again.code, 1)
  t.match(again.stderr, /it is there already, and was left as it is/)
})

t.test('no log is one sentence and 78', async t => {
  const { code, stderr } = await runSocp(['replay', '--data', t.testdir()])
  t.equal(code, 78)
  t.match(stderr, /^socp: There is no log at [^\n]+\n$/)
})
