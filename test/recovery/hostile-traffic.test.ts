/** The log under strangers who come and go and an admitted server that floods: it stays within its stated size, and everybody is still served. */
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { isLong } from '../helpers/recovery-scale.ts'
import { holdsClaims, readLog } from '../helpers/recovery-survivor.ts'
import { stockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

const SECONDS = isLong() ? 120 : 20
/** What the operator allows, in a small: an hour at full speed is a matter of more of the same. */
const LOG_BYTES = 2 * 2 ** 20
const PINS = 200
/**
 * The stated size. The log is looked at every 5 s; in between it grows by what comes in, and while it is compacted its file is
 * written anew through the WAL, which SQLite writes back at 4,000 pages (16 MiB). What cannot be compacted is the state, which the limits on users bound.
 */
const STATED_BYTES = 28 * 2 ** 20

const rig = processes(t)
const keys = await Promise.all([0, 1, 2, 3].map(stockKey))
const [serverKey, evilKey, strangerKey, honestKey] = keys
if (!serverKey || !evilKey || !strangerKey || !honestKey) throw new Error('no keys')
const data = rig.place('server')
writeIdentity(data, '00000000-0000-4000-8000-000000000001', serverKey)
const config = join(rig.folder, 'config.yaml')
writeFileSync(config, `limits:\n  logBytes: ${String(LOG_BYTES)}\n  pins: ${String(PINS)}\n`)
const server = await rig.serve({ data, args: ['--config', config] })
const evil = await startStockServer({ key: evilKey })
t.teardown(() => evil.close())
const { socket } = await evil.join(server.url)
socket.send(evil.announcement())
await server.waitFor('linked')
const honest = await attachFrameUser({ url: server.url, key: honestKey, name: 'honest', caps: ['proof', 'ack'] })

const bytes = (): number =>
  ['log.db', 'log.db-wal'].reduce((sum, name) => sum + (statSync(join(data, name), { throwIfNoEntry: false })?.size ?? 0), 0)

t.test(`${String(SECONDS)} s of hostile traffic leave the log within ${String(STATED_BYTES / 2 ** 20)} MiB`, async t => {
  const until = performance.now() + SECONDS * 1_000
  const over = (): boolean => performance.now() > until
  let sent = 0
  let strangers = 0
  let refused = 0
  let peak = 0

  /** A fresh name each time, as fat as it may be; every third user is a new one. */
  const flood = async (): Promise<void> => {
    for (let n = 1; !over(); n += 1) {
      const user = n % 3 === 0 ? newId() : `0000000${String(n % 10)}-0000-4000-8000-0000000000ee`
      const meta = { pubkey: strangerKey.text, display_name: 'x'.repeat(60), pronouns: 'y'.repeat(30), extras: { seq: [1, n] } }
      socket.send(evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta }))
      sent += 1
      if (n % 20 === 0) await later(1)
    }
  }
  const comeAndGo = async (): Promise<void> => {
    while (!over()) {
      const id = `0000000${String((strangers + refused) % 7)}-0000-4000-8000-0000000000dd`
      const user = await attachFrameUser({ url: server.url, key: strangerKey, name: 'z'.repeat(60), id }).catch((error: unknown) => {
        // when there are as many users as the operator allows, new ones are refused
        if (!/refused/.test((error as Error).message)) throw error
      })
      if (user === undefined) {
        refused += 1
        await later(20)
        continue
      }
      user.send('CTRL_CLOSE', server.id, {})
      await user.socket.closed
      strangers += 1
    }
  }
  const measure = async (): Promise<void> => {
    while (!over()) {
      peak = Math.max(peak, bytes())
      await later(50)
    }
  }
  await Promise.all([flood(), comeAndGo(), measure()])
  t.ok(peak < STATED_BYTES, `never more than ${(peak / 2 ** 20).toFixed(1)} MiB`)
  const { base, verdict } = await readLog(data)
  t.ok(base > 0, `compacted by itself up to ${String(base)}`)
  t.comment(
    `${String(sent)} advertisements sent, ${String(strangers)} visits, ${String(refused)} refused, ${String(verdict.seq)} facts, now ${(bytes() / 2 ** 20).toFixed(1)} MiB`,
  )
  t.notOk(honest.socket.isClosed(), 'the honest user is still there')
  t.ok(
    (await honest.list()).some(entry => entry.user_id === honest.id),
    'and still served',
  )
})

t.test('the log is whole, and comes back', async t => {
  t.same(await server.stop(), { code: 0, signal: null })
  holdsClaims(t, await readLog(data), [])
  const again = await rig.serve({ data, args: ['--config', config] })
  t.equal(again.epoch, server.epoch + 1)
  await again.stop()
})
