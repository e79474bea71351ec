/** One life of a server, killed after every durable write in turn: what was acknowledged is there, and it serves again. */
import t, { type Test } from 'tap'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { type MortalDisk, mortalDisk, onlySynced, someSectors } from '../helpers/recovery-disk.ts'
import { sampled } from '../helpers/recovery-scale.ts'
import { copyLog } from '../helpers/recovery-in-place.ts'
import { type Ended, type Life, liveOnce } from '../helpers/recovery-scenario.ts'
import { type Claim, readLog, survives } from '../helpers/recovery-survivor.ts'
import { keepUp, tracesOf } from '../helpers/recovery-upkeep.ts'
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

interface Lived {
  readonly ended: Ended
  readonly claims: readonly Claim[]
}

/** One life on a fresh directory or on a copy of `old`. */
const liveWith = async (data: string, disk: MortalDisk, kind: Kind): Promise<Lived> => {
  const claims: Claim[] = []
  const forget = (): void => void claims.splice(0)
  const life: Life = { rig, data, env: disk.env, keyOf, claim: claim => claims.push(claim) }
  const ended = await (kind === 'first'
    ? liveOnce(life)
    : liveOnce(life, (server, life, cleanups) => keepUp(server, { ...life, forget }, cleanups)))
  return { ended, claims }
}

/** `first`: from nothing. `upkeep`: on the log of a first life, with an operator at work on it. */
type Kind = 'first' | 'upkeep'

const first = newPlace('first')
const begin = (kind: Kind, name: string): string => {
  if (kind === 'first') return newPlace(name)
  const data = rig.place(name)
  copyLog(first, data)
  return data
}

const survivesWell = async (t: Test, data: string, claims: readonly Claim[]): Promise<void> => {
  await survives(t, rig, data, { claims, keyOf })
  const { verdict } = await readLog(data)
  if (verdict.ok && (verdict.erased.length > 0 || claims.some(({ what }) => what.startsWith('the person'))))
    t.same(tracesOf(data), [], 'who was erased is in no file')
}

for (const kind of ['first', 'upkeep'] as const) {
  // the life without a fault says how many points there are
  const whole = kind === 'first' ? first : begin(kind, 'whole')
  const disk = mortalDisk(whole, rig.place('disk'))
  const { ended, claims: all } = await liveWith(whole, disk, kind)
  const syncs = disk.count('sync')
  // the next kind begins where this one ended, before anything else looks at it
  const looked = rig.place('looked')
  copyLog(whole, looked)

  t.test(`${kind}: without a fault the life goes through, with ${String(syncs)} durable writes`, async t => {
    t.equal(ended.how, 'through', ended.stderr)
    t.ok(syncs > 20)
    await survivesWell(t, looked, all)
  })

  for (const point of sampled(Array.from({ length: syncs }, (_, n) => n + 1))) {
    t.test(`${kind}: killed after durable write ${String(point)} of ${String(syncs)}`, async t => {
      const data = begin(kind, 'killed')
      const mortal = mortalDisk(data, rig.place('disk'), { on: 'sync', at: point, then: 'kill' })
      const { ended, claims } = await liveWith(data, mortal, kind)
      // the life is not the same to the last write: which facts share a tick is the scheduler's choice
      if (ended.how === 'through') t.ok(point > syncs - 8, 'only the last points may not be reached')
      else t.equal(ended.how, 'killed')
      t.comment(`${String(claims.length)} claims; last on the disk: ${mortal.last()}`)
      const [synced, torn] = [rig.place('synced'), rig.place('torn')]
      onlySynced(data, mortal, synced)
      someSectors(data, mortal, torn, seededRandom(point).fraction)

      await t.test('kill -9: all that was written is there', t => survivesWell(t, data, claims))
      await t.test('loss of power: only what was synced is there', t => survivesWell(t, synced, claims))
      await t.test('loss of power: of the rest some sectors are there and some are not', t => survivesWell(t, torn, claims))
    })
  }
}
