/** SIGKILL at random moments under load, several times: nothing that was acknowledged is lost, and the log stays whole. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import t from 'tap'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import type { FrameUser } from '../helpers/frame-client-user.ts'
import { newId, signedText } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import type { ServerProcess } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

const ROUNDS = 5
// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(ROUNDS + 1)

interface Fact {
  readonly seq: number
  readonly stream: string
  readonly version: number
  readonly type: string
  readonly epoch: number
  readonly data: Record<string, unknown>
}

const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 6 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n % keys.length]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const data = rig.place('server')
writeIdentity(data, newId(), keyOf(0))

const facts = async (): Promise<readonly Fact[]> => {
  const { code, stdout, stderr } = await rig.run(['log', 'ls', '--json', '--data', data])
  if (code !== 0) throw new Error(`log ls: ${stderr}`)
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Fact)
}

/** Every row against its hash and the row before. */
const verdict = (): unknown => {
  const reader = openLogReader(join(data, 'log.db'))
  try {
    return reader.verify(bytes => createHash('sha256').update(bytes).digest())
  } finally {
    reader.close()
  }
}

/** Attaches, talks, leaves, over and over, until the server dies; answers who was acknowledged and had not left. */
const load = async (server: ServerProcess, n: number): Promise<readonly string[]> => {
  const stays: string[] = []
  let previous: FrameUser | undefined
  try {
    for (let round = 0; ; round += 1) {
      const user = await attachFrameUser({
        url: server.url,
        key: keyOf(n),
        name: `user ${String(n)} ${String(round)}`,
        caps: ['proof', 'ack'],
      })
      stays.push(user.id)
      if (previous !== undefined) user.socket.send(user.direct({ id: previous.id, keyText: previous.keyText }, 'hello'))
      if (round % 3 === 2) {
        stays.pop()
        user.socket.send(signedText(user.key, { type: 'CTRL_CLOSE', from: user.id, to: server.id, payload: {} }))
        await user.socket.closed
      } else previous = user
    }
  } catch {
    // the server is dead, which is the point
  }
  return stays
}

let epoch = 0
let known: readonly Fact[] = []
for (let round = 1; round <= ROUNDS; round += 1) {
  const wait = 150 + Math.floor(Math.random() * 900)
  t.test(
    `killed ${String(wait)} ms into load number ${String(round)}, it restarts with a whole log and everyone who was acknowledged`,
    async t => {
      const server = await rig.serve({ data })
      t.equal(server.epoch, epoch + 1)
      epoch = server.epoch
      const loads = [1, 2, 3].map(n => load(server, n))
      await later(wait)
      await server.kill()
      const attached = (await Promise.all(loads)).flat()

      t.match(verdict(), { ok: true }, 'the chain is unbroken')
      const log = await facts()
      t.same(
        log.map(fact => fact.seq),
        log.map((_, n) => n + 1),
        'sequences without a gap',
      )
      t.same(log.slice(0, known.length), known, 'what was there before stands unchanged')
      known = log
      const versions = new Map<string, number>()
      for (const fact of log) {
        if (fact.version !== (versions.get(fact.stream) ?? 0) + 1) t.fail(`${fact.stream} jumps to ${String(fact.version)}`)
        versions.set(fact.stream, fact.version)
      }
      const started = log.filter(fact => fact.type === 'node.started')
      t.same(
        started.map(fact => fact.epoch),
        Array.from({ length: epoch }, (_, n) => n + 1),
        'one node.started per epoch',
      )
      for (const id of attached) {
        const last = log.filter(fact => fact.stream === `session:${id}`).at(-1)
        t.equal(last?.type, 'session.attached', `${id} was acknowledged, so it is in the log`)
      }
      const state = await rig.run(['state', '--json', '--data', data])
      t.equal(state.code, 0, state.stderr)
      for (const id of attached) t.match(state.stdout, id)
    },
  )
}

t.test('after the last restart the chain verifies and all who did not leave are listed as away', async t => {
  const server = await rig.serve({ data })
  const seer = await attachFrameUser({ url: server.url, key: keyOf(5), name: 'seer' })
  const listed = new Map((await seer.list()).map(entry => [String(entry.user_id), entry.presence]))
  const log = await facts()
  const lastOf = new Map(
    log.filter(fact => fact.stream.startsWith('session:')).map(fact => [fact.stream.slice('session:'.length), fact.type]),
  )
  for (const [id, type] of lastOf) {
    if (type !== 'session.ended' && id !== seer.id) t.equal(listed.get(id), 'away', `${id} after ${type}`)
  }
  await seer.socket.close()
  t.same(await server.stop(), { code: 0, signal: null })
  t.match(verdict(), { ok: true })
})
