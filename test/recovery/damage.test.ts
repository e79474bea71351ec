/** Every page of a small log flipped, wiped or cut, and every frame of its WAL: a sentence, or nothing is wrong; never another history. */
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { callControl } from '../../src/ports/node/control-socket.ts'
import { LogUnusable } from '../../src/store/log.ts'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { processes, type ServerProcess, writeIdentity } from '../helpers/processes.ts'
import { copyLog, recoverCopy } from '../helpers/recovery-in-place.ts'
import { isLong } from '../helpers/recovery-scale.ts'
import { type LogOnDisk, readLog, type Recorded, sha256 } from '../helpers/recovery-survivor.ts'
import { seededRandom } from '../helpers/seeded-random.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

const PAGE = 4_096
const WAL_HEADER = 32
const FRAME = PAGE + 24

const rig = processes(t)
const keys = await Promise.all([0, 1, 2].map(stockKey))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const { fraction: random } = seededRandom(20_251_121)
const below = (limit: number): number => Math.floor(random() * limit)

/** Users come and go, `turns` times. */
const busy = async (server: ServerProcess, turns: number): Promise<void> => {
  for (let turn = 0; turn < turns; turn += 1) {
    const user = await attachFrameUser({ url: server.url, key: keyOf(1 + (turn % 2)), name: `user ${String(turn)}` })
    if (turn % 3 !== 0) user.send('CTRL_CLOSE', server.id, {})
    else user.socket.webSocket.terminate()
    await user.socket.closed
  }
}
const control = (server: ServerProcess, command: string, params = {}): Promise<unknown> =>
  callControl(join(server.data, 'control.sock'), command, params)

/** A data directory after `life`; what it holds is read once it is over. */
const lived = async (name: string, life: (server: ServerProcess) => Promise<unknown>): Promise<{ data: string; whole: LogOnDisk }> => {
  const data = rig.place(name)
  writeIdentity(data, '00000000-0000-4000-8000-000000000001', keyOf(0))
  await life(await rig.serve({ data }))
  // reading makes the index of the WAL anew, and must not be what is looked at
  const frozen = rig.place(`${name}-frozen`)
  copyLog(data, frozen)
  return { data: frozen, whole: await readLog(data) }
}

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

interface Read {
  readonly facts: readonly Recorded[]
  /** The sentence at which reading or verifying ended. */
  readonly sentence: string | undefined
  readonly verified: boolean
}

const isSentence = (error: unknown): string => {
  if (error instanceof LogUnusable && /^(The|Row|There) .+\.( \[\w+\])?$/.test(error.message)) return error.message
  throw error
}

/** As much as can be read, and what verify says. */
const readDamaged = async (data: string): Promise<Read> => {
  const facts: Recorded[] = []
  let reader: ReturnType<typeof openLogReader> | undefined
  try {
    reader = openLogReader(join(data, 'log.db'))
    const verdict = reader.verify(sha256)
    for await (const fact of reader.read(1)) facts.push(fact as Recorded)
    return verdict.ok
      ? { facts, sentence: undefined, verified: true }
      : { facts, sentence: `${String(verdict.seq)}: ${verdict.why}`, verified: false }
  } catch (error) {
    return { facts, sentence: isSentence(error), verified: false }
  } finally {
    reader?.close()
  }
}

interface Outcome {
  readonly start: 'equal' | 'prefix' | 'refused'
  readonly verify: 'whole' | 'damaged'
}

/** Checks one damaged copy; `cut` says that its newest facts may be gone without a trace. */
const examine = async (t: Test, data: string, whole: LogOnDisk, what: string, { cut }: { cut: boolean }): Promise<Outcome | undefined> => {
  const scratch = join(rig.folder, 'scratch')
  rmSync(scratch, { recursive: true, force: true })
  try {
    const before = await readDamaged(data)
    const same = JSON.stringify(before.facts) === JSON.stringify(whole.facts.slice(0, before.facts.length))
    const complete = same && before.facts.length === whole.facts.length
    if (before.verified && !complete && !(cut && same)) t.fail(`${what}: verify says that another history is whole`)

    let start: Outcome['start']
    try {
      const { view } = await recoverCopy(data, scratch)
      const equal = JSON.stringify(json(view)) === JSON.stringify(json(whole.view))
      start = equal ? 'equal' : 'prefix'
      if (!equal && !(cut && view.seq < whole.view.seq)) t.fail(`${what}: a start folds another state`)
    } catch (error) {
      isSentence(error)
      start = 'refused'
    }
    const after = await readDamaged(scratch)
    // an attempt at a start may write the WAL back and the next epoch, and takes no fact away
    if (JSON.stringify(after.facts.slice(0, before.facts.length)) !== JSON.stringify(before.facts)) t.fail(`${what}: a start made it worse`)
    return { start, verify: before.verified ? 'whole' : 'damaged' }
  } catch (error) {
    t.fail(`${what}: no sentence but ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    return undefined
  }
}

type Damage = readonly [name: string, harm: (file: string, page: number) => void]

const edit = (file: string, change: (bytes: Buffer) => void): void => {
  const bytes = readFileSync(file)
  change(bytes)
  writeFileSync(file, bytes)
}
const flip =
  (size: number, offset: number): Damage[1] =>
  (file, page) => {
    edit(file, bytes => {
      const at = offset + page * size + below(size)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8))
    })
  }
const wipe =
  (size: number, offset: number): Damage[1] =>
  (file, page) => {
    edit(file, bytes => bytes.fill(0, offset + page * size, offset + (page + 1) * size))
  }
const cutAt =
  (size: number, offset: number, within: number): Damage[1] =>
  (file, page) => {
    truncateSync(file, offset + page * size + within)
  }

/** Does every damage to every page, each to a fresh copy. */
const harmAll = async (
  t: Test,
  { data, whole }: { data: string; whole: LogOnDisk },
  { file, size, offset, damages, cut }: { file: string; size: number; offset: number; damages: readonly Damage[]; cut: boolean },
): Promise<void> => {
  const pages = Math.ceil((readFileSync(join(data, file)).length - offset) / size)
  const outcomes = new Map<string, number>()
  const copy = join(rig.folder, 'harmed')
  for (const [name, harm] of damages) {
    // a file without anything in it is a server's matter: it knows that it has run before
    for (let page = name === 'cut' && offset === 0 ? 1 : 0; page < pages; page += 1) {
      rmSync(copy, { recursive: true, force: true })
      cpSync(data, copy, { recursive: true })
      harm(join(copy, file), page)
      const outcome = await examine(t, copy, whole, `${name} of ${String(page + 1)} in ${file}`, { cut })
      const key = outcome === undefined ? 'wrong' : `${name}: start ${outcome.start}, verify ${outcome.verify}`
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
    }
  }
  t.ok(pages > 5, `${String(pages)} pages`)
  for (const [what, count] of outcomes) t.comment(`${what}: ${String(count)}`)
  t.notOk(outcomes.has('wrong'), 'each is a sentence, or no harm')
}

const flips = isLong() ? 8 : 1
const damagesOf = (size: number, offset: number): readonly Damage[] => [
  ...Array.from({ length: flips }, (): Damage => ['flip', flip(size, offset)]),
  ['wipe', wipe(size, offset)],
  ['cut', cutAt(size, offset, 0)],
  ['cut within', cutAt(size, offset, 1_000)],
]

t.test('a log that was closed in order, with snapshot, checkpoint and read models', async t => {
  const log = await lived('closed', async server => {
    await busy(server, 12)
    t.equal((await server.stop()).code, 0)
  })
  await harmAll(t, log, { file: 'log.db', size: PAGE, offset: 0, damages: damagesOf(PAGE, 0), cut: false })
})

t.test('a longer log of which no snapshot was made yet: what is folded is checked', async t => {
  const log = await lived('long', async server => {
    await busy(server, 90)
    await server.kill()
  })
  t.ok(log.whole.facts.length > 150, `${String(log.whole.facts.length)} facts`)
  // written back into the file, as SQLite does by itself after a thousand pages
  const db = new Database(join(log.data, 'log.db'))
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
  const damages: readonly Damage[] = [...Array.from({ length: flips }, (): Damage => ['flip', flip(PAGE, 0)]), ['wipe', wipe(PAGE, 0)]]
  await harmAll(t, log, { file: 'log.db', size: PAGE, offset: 0, damages, cut: false })
})

t.test('a log behind a base whose server was killed, with facts in the WAL', async t => {
  const log = await lived('killed', async server => {
    await busy(server, 10)
    await control(server, 'compact', { keep: 5 })
    await control(server, 'checkpoint')
    await busy(server, 4)
    await server.kill()
  })
  t.ok(log.whole.base > 5)
  await harmAll(t, log, { file: 'log.db', size: PAGE, offset: 0, damages: damagesOf(PAGE, 0), cut: true })
  await harmAll(t, log, { file: 'log.db-wal', size: FRAME, offset: WAL_HEADER, damages: damagesOf(FRAME, WAL_HEADER), cut: true })
})
