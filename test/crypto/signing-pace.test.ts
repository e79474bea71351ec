/** How fast a machine signs: measured at the start, and corrected by what it does. */
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { createSigningPace, measuredPace } from '../../src/crypto/signing-pace.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Crypto, PrivateKey } from '../../src/ports/crypto.ts'
import { testKey } from '../helpers/test-keys.ts'

const privateKey = {} as PrivateKey

const steppingClock = (): Clock & { advance(ms: number): void } => {
  let now = 0
  return { now: () => now, monotonic: () => now, after: () => () => undefined, endOfTick: run => run(), advance: ms => void (now += ms) }
}

void t.test('measuring counts signatures a second of clock time and stays within its budget', async t => {
  const clock = steppingClock()
  const crypto = {
    sign: () => {
      clock.advance(4)
      return Promise.resolve(new Uint8Array(512))
    },
  } as unknown as Crypto
  t.equal((await measuredPace({ crypto, privateKey, clock, inFlight: 1 })).perSecond(), 250)
  t.ok(clock.monotonic() <= 50, `${String(clock.monotonic())} ms`)
})

void t.test('a machine on which one signature takes longer than the budget is measured by one', async t => {
  const clock = steppingClock()
  const crypto = {
    sign: () => {
      clock.advance(400)
      return Promise.resolve(new Uint8Array(512))
    },
  } as unknown as Crypto
  t.equal((await measuredPace({ crypto, privateKey, clock, inFlight: 1 })).perSecond(), 2.5)
})

void t.test('measuring ends on a clock that stands still', async t => {
  const crypto = { sign: () => Promise.resolve(new Uint8Array(512)) } as unknown as Crypto
  t.ok((await measuredPace({ crypto, privateKey, clock: steppingClock(), inFlight: 2 })).perSecond() > 0)
})

void t.test('the real thing measures something', async t => {
  const crypto = nodeCrypto()
  const key = await (await testKey(0)).privateKey(crypto)
  const clock: Clock = { now: Date.now, monotonic: () => performance.now(), after: () => () => undefined, endOfTick: setImmediate }
  const rate = (await measuredPace({ crypto, privateKey: key, clock, inFlight: 2 })).perSecond()
  t.ok(rate > 1 && rate < 100_000, `${rate.toFixed(0)} a second`)
})

/** Signs `count` times, each taking `ms`, `inFlight` at once. */
const sign = (pace: ReturnType<typeof createSigningPace>, clock: ReturnType<typeof steppingClock>, count: number, ms: number): void => {
  for (let n = 0; n < count; n += 2) {
    const both = [pace.begin(), pace.begin()]
    clock.advance(ms)
    for (const made of both) made()
  }
}

void t.test('a wrong start is forgotten within a hundred signatures, and so is the time when a machine was slow', t => {
  const clock = steppingClock()
  const pace = createSigningPace({ clock, inFlight: 2, perSecond: 100 })
  t.equal(pace.perSecond(), 100)
  sign(pace, clock, 100, 2.5)
  t.ok(pace.perSecond() > 550, `${pace.perSecond()} of 800 a second`)
  sign(pace, clock, 200, 20)
  t.ok(pace.perSecond() < 110, `${pace.perSecond()} of 100 a second`)
  sign(pace, clock, 400, 2.5)
  t.ok(pace.perSecond() > 780, `${pace.perSecond()} of 800 a second`)
  t.end()
})

void t.test('a pause of the whole program is not taken for a slow machine', t => {
  const clock = steppingClock()
  const pace = createSigningPace({ clock, inFlight: 2, perSecond: 800 })
  sign(pace, clock, 2, 5_000)
  t.ok(pace.perSecond() > 650, `${pace.perSecond()} of 800 a second`)
  t.end()
})

void t.test('a clock that stands still makes no machine infinitely fast', t => {
  const clock = steppingClock()
  const pace = createSigningPace({ clock, inFlight: 2, perSecond: 800 })
  sign(pace, clock, 1_000, 0)
  t.ok(Number.isFinite(pace.perSecond()))
  t.end()
})
