/** Crash-point enumeration: a life is lived once to count its durable writes, and then again for each of them, killed right after it. */
import type { Test } from 'tap'
import { processes, writeIdentity } from './processes.ts'
import type { Processes } from './processes.ts'
import { type MortalDisk, mortalDisk, onlySynced, someSectors } from './recovery-disk.ts'
import { sampled } from './recovery-scale.ts'
import type { Ended, Life } from './recovery-scenario.ts'
import { type Claim, readLog, survives } from './recovery-survivor.ts'
import { tracesOf } from './recovery-upkeep.ts'
import { seededRandom } from './seeded-random.ts'
import { type StockKey, stockKey } from './stock-crypto.ts'

export interface Stage {
  readonly rig: Processes
  readonly keyOf: (n: number) => StockKey
  /** A data directory with key and id, and nothing else. */
  readonly newPlace: (name: string) => string
}

/** Lives once; `forget` takes back what was claimed so far. */
export type Lifetime = (life: Life & { readonly forget: () => void }) => Promise<Ended>

/** What is needed to live: everything ends with the test. */
export const setStage = async (t: Test): Promise<Stage> => {
  const rig = processes(t)
  const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => stockKey(n)))
  const keyOf = (n: number): StockKey => {
    const key = keys[n]
    if (key === undefined) throw new Error(`no key ${String(n)}`)
    return key
  }
  return {
    rig,
    keyOf,
    newPlace: name => {
      const data = rig.place(name)
      writeIdentity(data, '00000000-0000-4000-8000-000000000001', keyOf(0))
      return data
    },
  }
}

/** The last points may not be reached: how many facts share a tick is the scheduler's choice, so no two lives are the same to the last write. */
const UNSURE = 8

/** @param begin makes the data directory that a life begins with */
export const killAtEveryPoint = async (
  t: Test,
  { rig, keyOf }: Stage,
  { begin, lifetime }: { readonly begin: () => string; readonly lifetime: Lifetime },
): Promise<void> => {
  const live = async (data: string, disk: MortalDisk): Promise<{ ended: Ended; claims: readonly Claim[] }> => {
    const claims: Claim[] = []
    const forget = (): void => void claims.splice(0)
    const ended = await lifetime({ rig, data, env: disk.env, keyOf, claim: claim => claims.push(claim), forget })
    return { ended, claims }
  }
  const survivesWell = async (t: Test, data: string, claims: readonly Claim[]): Promise<void> => {
    await survives(t, rig, data, { claims, keyOf })
    const { verdict } = await readLog(data)
    if (verdict.ok && (verdict.erased.length > 0 || claims.some(({ what }) => what.startsWith('the person'))))
      t.same(tracesOf(data), [], 'who was erased is in no file')
  }

  const whole = begin()
  const disk = mortalDisk(whole, rig.place('disk'))
  const { ended, claims } = await live(whole, disk)
  const syncs = disk.count('sync')
  t.test(`without a fault the life goes through, with ${String(syncs)} durable writes`, async t => {
    t.equal(ended.how, 'through', ended.stderr)
    t.ok(syncs > 20)
    await survivesWell(t, whole, claims)
  })

  for (const point of sampled(Array.from({ length: syncs }, (_, n) => n + 1))) {
    t.test(`killed after durable write ${String(point)} of ${String(syncs)}`, async t => {
      const data = begin()
      const mortal = mortalDisk(data, rig.place('disk'), { on: 'sync', at: point, then: 'kill' })
      const { ended, claims } = await live(data, mortal)
      if (ended.how === 'through') t.ok(point > syncs - UNSURE, 'only the last points may not be reached')
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
