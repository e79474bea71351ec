/**
 * The deadlines that people and peers feel, of a real process and in one wait: heartbeat, silence, grace after a kill. `npm test` shortens the two
 * that are configured and leaves the end of the grace time to `npm run test:long`; test/server/node-links.test.ts and node-sessions.test.ts
 * specify all three at their full length, on virtual time.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { isWellSigned, newId } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { isLong } from '../helpers/recovery-scale.ts'
import { stockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(3)

const rig = processes(t)
const [serverKey, peerKey, lostKey, backKey, watchKey] = await Promise.all([0, 1, 2, 3, 4].map(stockKey))
if (!serverKey || !peerKey || !lostKey || !backKey || !watchKey) throw new Error('no keys')
const data = rig.place('server')
writeIdentity(data, newId(), serverKey)
const HEARTBEAT_MS = isLong() ? 15_000 : 1_500
const SILENCE_MS = 3 * HEARTBEAT_MS
const config = join(rig.folder, 'config.yaml')
writeFileSync(config, isLong() ? '{}' : `timing: { heartbeatMs: ${String(HEARTBEAT_MS)}, silenceMs: ${String(SILENCE_MS)} }`)
const args = ['--config', config]
const before = await rig.serve({ data, args })
const caps = ['proof', 'ack']
const lost = await attachFrameUser({ url: before.url, key: lostKey, name: 'lost', caps })
const back = await attachFrameUser({ url: before.url, key: backKey, name: 'back', caps })
await before.kill()
const home = await rig.serve({ data, port: before.port, args })
const restarted = performance.now()

const isAbout = (type: string, user: string) => (frame: Heard) => frame.type === type && frame.payload.user_id === user
const watcher = await attachFrameUser({ url: home.url, key: watchKey, name: 'watcher' })
t.teardown(() => watcher.socket.close())

// linked, alive at TCP and for pings, and silent above
const silent = await startStockServer({ key: peerKey })
t.teardown(() => silent.close())
const { socket } = await silent.join(home.url)
socket.send(silent.announcement())
await home.waitFor('linked', event => event.server_id === silent.id)
const linked = performance.now()

/** What came, and how long after `from` it came; begun here, so that all deadlines run at once. */
const timed = <T>(from: number, wait: Promise<T>): Promise<{ found: T; after: number }> => {
  const result = wait.then(found => ({ found, after: performance.now() - from }))
  // whoever awaits it still sees the failure
  result.catch(() => undefined)
  return result
}
const removal = !isLong()
  ? undefined
  : timed(restarted, watcher.socket.waitFor(isAbout('USER_REMOVE', lost.id), { timeoutMs: 45_000, what: 'the removal' }))
const heartbeat = timed(linked, silent.waitFor('HEARTBEAT', { timeoutMs: 25_000 }))
const death = timed(
  linked,
  home.waitFor('unlinked', event => event.server_id === silent.id, { timeoutMs: 60_000 }),
)

t.test('sessions of a killed node are still listed as away, and one that returns is online again', async t => {
  const first = await watcher.list()
  t.match(
    first.find(entry => entry.user_id === lost.id),
    { display_name: 'lost', server_id: home.id, presence: 'away' },
  )
  t.match(
    first.find(entry => entry.user_id === back.id),
    { presence: 'away' },
  )
  const returned = await attachFrameUser({ url: home.url, key: backKey, name: 'back', id: back.id, caps })
  const second = await watcher.list()
  t.match(
    second.find(entry => entry.user_id === back.id),
    { presence: 'online' },
  )

  if (removal !== undefined)
    await t.test('one that does not return is removed after the grace time of 30 s', async t => {
      const { found, after } = await removal
      t.ok(after > 25_000 && after < 36_000, `removed after ${after.toFixed(0)} ms`)
      t.ok(isWellSigned(home.pubkey, found))
      const third = await watcher.list()
      t.notOk(third.some(entry => entry.user_id === lost.id))
      t.match(
        third.find(entry => entry.user_id === back.id),
        { presence: 'online' },
      )
      t.notOk(watcher.socket.heard.some(isAbout('USER_REMOVE', back.id)))
    })
  await returned.socket.close()
})

t.test('a heartbeat comes within its period, signed', async t => {
  const { found, after } = await heartbeat
  t.ok(after < HEARTBEAT_MS + 2_000, `after ${after.toFixed(0)} ms`)
  t.ok(isWellSigned(home.pubkey, found))
  t.same(found.payload, {})
})

t.test('16: a peer that is alive at TCP and silent above is dead after three of them', async t => {
  const { found, after } = await death
  t.ok(after > SILENCE_MS * 0.9 && after < SILENCE_MS + 7_000, `unlinked after ${after.toFixed(0)} ms: ${found.why}`)
})
