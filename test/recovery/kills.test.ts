/** SIGKILL at random instants under load, again and again: a checker over the clients' own records finds nothing lost and nothing doubled. */
import { setTimeout as later } from 'node:timers/promises'
import t from 'tap'
import { createNodeFold, viewOfNode } from '../../src/server/replay.ts'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { processes, type ServerProcess, writeIdentity } from '../helpers/processes.ts'
import { recoverCopy } from '../helpers/recovery-in-place.ts'
import { newRecords, startLoad } from '../helpers/recovery-load.ts'
import { isLong } from '../helpers/recovery-scale.ts'
import { type Claim, holdsClaims, readLog, type Recorded } from '../helpers/recovery-survivor.ts'
import { seededRandom } from '../helpers/seeded-random.ts'
import { stockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

const KILLS = isLong() ? 300 : 20
// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(KILLS + 1)

const seed = Date.now() % 2 ** 32
t.comment(`seed ${String(seed)}`)
const random = seededRandom(seed).fraction
const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const data = rig.place('server')
writeIdentity(data, '00000000-0000-4000-8000-000000000001', keyOf(0))
const peer = await startStockServer({ key: keyOf(1) })
t.teardown(() => peer.close())
const records = newRecords([2, 3, 4, 5, 6, 7].map(keyOf), 3)

// the whole history, as it was read after each kill, whatever the server has dropped of it since
const history = createNodeFold()
let known: readonly Recorded[] = []
let head = 0
let epoch = 0
const beginnings = new Map<string, number>()

for (let kill = 1; kill <= KILLS; kill += 1) {
  // every fifth dies before it is ready, or soon after: how long a start takes is the machine's choice
  const early = kill > 1 && random() < 0.2
  const wait = Math.floor(random() * (early ? 400 : 1_000))
  t.test(`kill ${String(kill)}, ${String(wait)} ms into ${early ? 'a start' : 'the load'}`, async t => {
    const claims: Claim[] = []
    const isReady = (server: ServerProcess): void => {
      t.ok(server.epoch > epoch, 'a new epoch')
      epoch = server.epoch
      claims.push({ what: 'it was ready', holds: ({ fact }) => fact.type === 'node.started' && fact.epoch === server.epoch })
    }
    if (early) {
      const starting = rig.serve({ data, under: ['timeout', '-s', 'KILL', String(Math.max(wait, 1) / 1_000)] })
      const server = await starting.catch((error: unknown) => {
        if (!/SIGKILL|ended with 137/.test((error as Error).message)) throw error
      })
      if (server !== undefined) isReady(server)
      await server?.exited
    } else {
      const server = await rig.serve({ data })
      isReady(server)
      if (kill === 1) {
        const { socket } = await peer.join(server.url)
        socket.send(peer.announcement())
        await server.waitFor('linked')
      }
      const load = startLoad(server, { records, claim: claim => claims.push(claim), random, read: head, peer, peerKey: keyOf(1) })
      await later(wait)
      await server.kill()
      await load.over
    }

    const log = await readLog(data)
    holdsClaims(t, log, claims)
    t.ok(log.base <= head, 'what was dropped had been read before')
    const still = new Map(known.map(fact => [fact.seq, fact]))
    const overlap = log.facts.filter(fact => still.has(fact.seq))
    t.same(
      overlap,
      overlap.map(fact => still.get(fact.seq)),
      'what was there before stands unchanged',
    )
    for (const fact of log.facts) if (fact.seq > head) history.host.apply(fact)
    known = log.facts
    head = log.verdict.seq
    epoch = Math.max(epoch, ...log.facts.map(fact => fact.epoch))
    const whole = JSON.parse(JSON.stringify(viewOfNode(history, head))) as unknown
    t.same(JSON.parse(JSON.stringify(log.view)), whole, 'base and tail fold to what the whole history folds to')
    const recovered = await recoverCopy(data, rig.place('copy'))
    t.same(JSON.parse(JSON.stringify(recovered.view)), whole, `so does a start, which begins at ${recovered.from}`)
    t.same(recovered.said, [])
    beginnings.set(recovered.from, (beginnings.get(recovered.from) ?? 0) + 1)
    for (const { id, standing } of records.users) {
      const local = log.view.directory.find(user => user.user_id === id)?.local
      if (standing === 'attached' && local !== 'attached' && local !== 'detached') t.fail(`${id} was acknowledged and is ${String(local)}`)
      if (standing === 'left' && local !== undefined) t.fail(`${id} had left and is ${local}`)
    }
    t.same(records.wrongs, [], 'no sequence has two meanings, no message came twice')
    t.comment(`${String(claims.length)} claims, ${String(log.facts.length)} facts behind a base at ${String(log.base)}`)
  })
}

t.test('after the last kill it serves, and knows who was there', async t => {
  const server = await rig.serve({ data })
  const before = (await readLog(data)).view.directory.map(user => user.user_id)
  const seer = await attachFrameUser({ url: server.url, key: keyOf(8), name: 'seer' })
  t.same((await seer.list()).map(entry => entry.user_id).sort(), [...before, seer.id].sort())
  await seer.socket.close()
  t.same(await server.stop(), { code: 0, signal: null })
  const log = await readLog(data)
  holdsClaims(t, log, [])
  const delivered = [...records.messages.values()].filter(times => times > 0).length
  t.comment(`${String(head)} facts, ${String(records.presence.size)} presence events and ${String(delivered)} messages heard`)
  t.comment(`commands done: ${JSON.stringify([...records.done])}; starts from: ${JSON.stringify([...beginnings])}`)
})
