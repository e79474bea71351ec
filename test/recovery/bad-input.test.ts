/** What an operator meets with a damaged, foreign, newer or lost log, or with a question beyond it: a sentence, the right exit code, nothing made worse. */
import { createHash } from 'node:crypto'
import { closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { readLog } from '../helpers/recovery-survivor.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

const rig = processes(t)
const [serverKey, userKey] = await Promise.all([0, 1].map(stockKey))
if (!serverKey || !userKey) throw new Error('no keys')

const data = rig.place('server')
writeIdentity(data, '00000000-0000-4000-8000-000000000001', serverKey)
const server = await rig.serve({ data })
for (let n = 0; n < 6; n += 1) {
  const user = await attachFrameUser({ url: server.url, key: userKey, name: `user ${String(n)}` })
  user.send('CTRL_CLOSE', server.id, {})
  await user.socket.closed
}
await server.stop()
const whole = await readLog(data)
const head = whole.facts.length
const size = readFileSync(join(data, 'log.db')).length

/** Overwrites bytes in place. */
const patch = (file: string, at: number, bytes: Buffer): void => {
  const fd = openSync(file, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}
const change = (file: string, sql: string): void => {
  const db = new Database(file)
  db.exec(sql)
  db.close()
}

type Command = 'serve' | 'log verify' | 'log ls' | 'state' | 'replay' | 'log compact'
interface Harm {
  readonly what: string
  readonly harm: (log: string) => void
  /** What each command says; `fine` when the harm does not concern it. */
  readonly says: Readonly<Record<Command, RegExp | 'fine'>>
}
const all = (sentence: RegExp): Harm['says'] => ({
  serve: sentence,
  'log verify': sentence,
  'log ls': sentence,
  state: sentence,
  replay: sentence,
  'log compact': sentence,
})

const gone = /^socp: There is no log at .*: start a node there first, or give another directory/m
const backup = /put a backup in its place/

const harms: readonly Harm[] = [
  {
    what: 'a log of which half is cut off',
    harm: log => {
      truncateSync(log, Math.floor(size / 8192) * 4096)
    },
    says: all(backup),
  },
  {
    what: 'a log that is empty',
    harm: log => {
      truncateSync(log, 0)
    },
    says: {
      ...all(/^socp: The log .* is empty: nothing was ever recorded in it\.$/m),
      serve:
        /^socp: The log .* is empty, though this server has run before: put a backup in its place, or begin anew in another directory\.$/m,
    },
  },
  {
    what: 'a log that is gone',
    harm: log => {
      rmSync(log)
    },
    says: { ...all(gone), serve: /^socp: The log .* is gone, though this server has run before/m },
  },
  {
    what: 'a directory in the place of a log',
    harm: log => {
      rmSync(log)
      mkdirSync(log)
    },
    says: all(/^socp: The log .* (cannot be opened|has to be a file)/m),
  },
  {
    what: 'a text in the place of a log',
    harm: log => {
      writeFileSync(log, 'Dear diary,\n'.repeat(1_000))
    },
    says: all(/^socp: The log .* is not a SQLite database: move it away, or put a backup in its place\./m),
  },
  {
    what: 'a database of another program',
    harm: log => {
      rmSync(log)
      change(log, 'CREATE TABLE notes (text TEXT)')
    },
    says: all(/^socp: The file .* is a database of another program: move it away, or give another directory\.$/m),
  },
  {
    what: 'a log of a newer version',
    harm: log => {
      change(log, 'PRAGMA user_version = 99')
    },
    says: all(
      /^socp: The log .* was written by a newer version of this program \(database version 99, known are 1 to \d+\): use that version\.$/m,
    ),
  },
  {
    what: 'a fact of a newer version',
    harm: log => {
      change(
        log,
        `DROP TRIGGER facts_are_not_changed; UPDATE facts SET schema = 9 WHERE seq = ${String(head - 1)};
         DELETE FROM snapshots; DELETE FROM checkpoints`,
      )
    },
    says: all(/Row \d+ of the log/),
  },
  {
    what: 'a bit that was flipped in the last fact',
    harm: log => {
      const at = readFileSync(log).lastIndexOf('"node.stopped"')
      patch(log, at + 3, Buffer.from('Z'))
      change(log, 'DELETE FROM snapshots')
    },
    says: {
      ...all(new RegExp(`Row ${String(head)} of the log .*is damaged.*its data does not match its hash.*backup in its place`, 's')),
      'log ls': 'fine',
      state: 'fine',
      replay: 'fine',
    },
  },
]

/** A hash of every file that counts; an empty WAL is as good as none. */
const filesOf = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    ['log.db', 'log.db-wal', 'key.pem', 'identity.json', 'introducer.yaml'].flatMap(name => {
      const found = statSync(join(folder, name), { throwIfNoEntry: false })
      if (found === undefined || (name === 'log.db-wal' && found.size === 0)) return []
      return [
        [
          name,
          found.isFile()
            ? createHash('sha256')
                .update(readFileSync(join(folder, name)))
                .digest('hex')
            : 'a directory',
        ],
      ]
    }),
  )

for (const { what, harm, says } of harms) {
  t.test(what, async t => {
    const copy = join(rig.folder, 'copy')
    rmSync(copy, { recursive: true, force: true })
    cpSync(data, copy, { recursive: true })
    harm(join(copy, 'log.db'))
    const before = filesOf(copy)
    const ask = async ([command, sentence]: readonly [string, RegExp | 'fine']): Promise<void> => {
      const args = [...command.split(' '), '--data', copy, ...(command === 'serve' ? ['--port', '0', '--json'] : [])]
      const { code, stdout, stderr } = await rig.run(args)
      if (sentence === 'fine') {
        t.equal(code, 0, `${command}: ${stderr}`)
        return
      }
      t.equal(code, 78, `${command}: ${stderr}${stdout.slice(0, 300)}`)
      t.match(stderr, sentence, command)
      t.notMatch(stderr, /\n {4}at |a bug/, `${command} does not show its insides`)
    }
    const writes = ([command]: readonly [string, unknown]): boolean => command === 'serve' || command === 'log compact'
    const questions = Object.entries(says)
    // readers stand in nobody's way, writers in each other's
    await Promise.all(questions.filter(entry => !writes(entry)).map(ask))
    for (const entry of questions.filter(writes)) await ask(entry)
    t.same(filesOf(copy), before, 'nothing was made worse')
  })
}

t.test('a log whose -wal file is missing has what was there when the server was started, and no epoch twice', async t => {
  const place = rig.place('killed')
  writeIdentity(place, '00000000-0000-4000-8000-000000000002', serverKey)
  const attach = async (url: string): Promise<void> => {
    const user = await attachFrameUser({ url, key: userKey, name: 'user' })
    t.teardown(() => {
      user.socket.webSocket.terminate()
    })
  }
  const first = await rig.serve({ data: place })
  await attach(first.url)
  await first.kill()
  const bare = join(rig.folder, 'bare')
  cpSync(place, bare, { recursive: true })
  rmSync(join(bare, 'log.db-wal'))
  const { code, stderr } = await rig.run(['serve', '--data', bare, '--port', '0', '--json'])
  t.equal(code, 78)
  t.match(
    stderr,
    /^socp: The log .* has no facts, as when its -wal file was lost, though this server has run before: put a backup in its place/m,
  )

  const second = await rig.serve({ data: place })
  const before = (await readLog(place)).facts.filter(fact => fact.epoch < second.epoch)
  await attach(second.url)
  await second.kill()
  rmSync(join(place, 'log.db-wal'))
  const third = await rig.serve({ data: place })
  t.ok(third.epoch > second.epoch, `epoch ${String(third.epoch)} after ${String(second.epoch)}`)
  await third.stop()
  const { facts, verdict } = await readLog(place)
  t.equal(verdict.ok, true)
  t.same(facts.slice(0, before.length), before, 'what was there before the second start')
  t.same([...new Set(facts.map(fact => fact.epoch))], [first.epoch, third.epoch])
})

t.test('a server whose first facts cannot be recorded says so and ends, though it listens by then', async t => {
  const copy = join(rig.folder, 'refusing')
  cpSync(data, copy, { recursive: true })
  change(
    join(copy, 'log.db'),
    "CREATE TRIGGER disk_fails BEFORE INSERT ON facts WHEN NEW.type = 'node.started' BEGIN SELECT RAISE (ABORT, 'the disk fails'); END",
  )
  const { code, stderr } = await rig.run(['serve', '--data', copy, '--port', '0', '--json'])
  t.equal(code, 1)
  t.match(
    stderr,
    /Nothing more can be recorded\. The log .* cannot be used \(the disk fails\): put a backup in its place.*the server stops/,
  )
  t.notMatch(stderr, /a bug/)
})

t.test('questions beyond the log are wrong usage, said in a sentence', async t => {
  const nobody = '11111111-2222-4333-8444-555555555555'
  const questions: readonly (readonly [args: readonly string[], code: number, sentence: RegExp])[] = [
    [['replay', '--until', String(head + 1_000)], 2, new RegExp(`fact ${String(head + 1_000)}.*${String(head)}`)],
    [['replay', '--until', '2999-01-01T00:00:00Z'], 2, /lies in the future/],
    [['replay', '--until', 'yesterday'], 2, /yesterday/],
    [['replay', '--machine', `session:${nobody}`], 2, new RegExp(nobody)],
    [['replay', '--why', nobody], 2, new RegExp(nobody)],
    [['replay', '--diff', `5..${String(head + 7)}`], 2, new RegExp(String(head + 7))],
    [['replay', '--diff', 'a..b'], 2, /a\.\.b/],
    [['replay', '--without', String(head + 7)], 2, new RegExp(String(head + 7))],
    [['log', 'show', String(head + 7)], 2, new RegExp(String(head + 7))],
    [['log', 'show', 'first'], 2, /first/],
    [['machine', 'show', 'toaster'], 2, /toaster/],
    [['log', 'backup', join(data, 'log.db')], 78, /log\.db/],
  ]
  const before = filesOf(data)
  for (const [args, code, sentence] of questions) {
    const answer = await rig.run([...args, ...(args[0] === 'machine' ? [] : ['--data', data])])
    t.equal(answer.code, code, `${args.join(' ')}: ${answer.stderr}${answer.stdout.slice(0, 200)}`)
    t.match(answer.stderr, sentence)
    t.notMatch(answer.stderr, /\n {4}at |a bug/)
  }
  t.same(filesOf(data), before)
})
