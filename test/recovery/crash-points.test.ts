/** One life of a server, killed after every durable write in turn: what was acknowledged is there, and it serves again. */
import t from 'tap'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { mortalDisk, onlySynced, someSectors } from '../helpers/recovery-disk.ts'
import { sampled } from '../helpers/recovery-scale.ts'
import { liveOnce } from '../helpers/recovery-scenario.ts'
import { type Claim, survives } from '../helpers/recovery-survivor.ts'
import { seededRandom } from '../helpers/seeded-random.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const ID = '00000000-0000-4000-8000-000000000001'
const newPlace = (name: string): string => {
  const data = rig.place(name)
  writeIdentity(data, ID, keyOf(0))
  return data
}

// the life without a fault says how many points there are
const whole = newPlace('whole')
const disk = mortalDisk(whole, rig.place('disk'))
const all: Claim[] = []
const lived = await liveOnce({ rig, data: whole, env: disk.env, keyOf, claim: claim => all.push(claim) })
const syncs = disk.count('sync')

t.test(
  `without a fault the life goes through, with ${String(all.length)} acknowledgements and ${String(syncs)} durable writes`,
  async t => {
    t.equal(lived.how, 'through', lived.stderr)
    t.ok(syncs > 20)
    await survives(t, rig, whole, { claims: all, keyOf })
  },
)

for (const point of sampled(Array.from({ length: syncs }, (_, n) => n + 1))) {
  t.test(`killed after durable write ${String(point)} of ${String(syncs)}`, async t => {
    const data = newPlace('killed')
    const mortal = mortalDisk(data, rig.place('disk'), { on: 'sync', at: point, then: 'kill' })
    const claims: Claim[] = []
    const ended = await liveOnce({ rig, data, env: mortal.env, keyOf, claim: claim => claims.push(claim) })
    // the life is not the same to the last write: which facts share a tick is the scheduler's choice
    if (ended.how === 'through') t.ok(point > syncs - 8, 'only the last points may not be reached')
    else t.equal(ended.how, 'killed')
    t.comment(`${String(claims.length)} acknowledgements; last on the disk: ${mortal.last()}`)
    const [synced, torn] = [rig.place('synced'), rig.place('torn')]
    onlySynced(data, mortal, synced)
    someSectors(data, mortal, torn, seededRandom(point).fraction)

    await t.test('kill -9: all that was written is there', t => survives(t, rig, data, { claims, keyOf }))
    await t.test('loss of power: only what was synced is there', t => survives(t, rig, synced, { claims, keyOf }))
    await t.test('loss of power: of the rest some sectors are there and some are not', t => survives(t, rig, torn, { claims, keyOf }))
  })
}
