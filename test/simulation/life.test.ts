/** An incarnation: it dies at any call, and what it waited for never comes. */
import t from 'tap'
import type { Ports } from '../../src/ports/ports.ts'
import { createClock } from '../../src/simulation/clock.ts'
import { createDice } from '../../src/simulation/dice.ts'
import { createLife } from '../../src/simulation/life.ts'
import { createNetwork } from '../../src/simulation/network.ts'
import { portsFor, standIn } from '../../src/simulation/place.ts'
import { createKeyring } from '../../src/simulation/crypto.ts'
import { createSchedule } from '../../src/simulation/schedule.ts'
import { createWitnesses } from '../../src/simulation/witness.ts'
import { ground } from './ground.ts'

const died = () => {
  const times = { count: 0 }
  return { times, life: createLife(() => void (times.count += 1)) }
}

t.test('it dies at the call that was named, and once', async t => {
  const { times, life } = died()
  life.dieAt(3)
  t.ok(life.calls())
  t.ok(life.calls())
  t.notOk(life.calls(), 'the third does nothing any more')
  t.notOk(life.calls())
  life.die()
  t.equal(times.count, 1)
  t.notOk(life.alive)
})

t.test('while it stands still the world does not get in; it hears of everything afterwards, in order', async t => {
  const { life } = died()
  const heard: string[] = []
  life.pause()
  life.enter(() => heard.push('a'))
  life.enter(() => {
    heard.push('b')
    life.die()
  })
  life.enter(() => heard.push('c'))
  t.same(heard, [])
  life.resume()
  t.same(heard, ['a', 'b'], 'and of nothing once it has died of it')
})

t.test('whoever dies while paused hears of nothing', async t => {
  const { life } = died()
  life.pause()
  life.enter(() => t.fail('it is dead'))
  life.die()
  life.resume()
})

t.test('every port counts as a call, and none answers after the death', async t => {
  const schedule = createSchedule(ground.loop)
  const dice = createDice(1)
  const keyring = createKeyring(dice.fork('keys'))
  const network = createNetwork(schedule, dice.fork('network'), { sent: () => {}, arrived: () => {} })
  const machine = network.machine('m', '10.0.0.1')
  const { times, life } = died()
  const place = {
    schedule,
    network,
    witnesses: createWitnesses(),
    makeKey: keyring.make,
    sha256: ground.sha256,
    crypto: standIn(schedule, keyring, ground.sha256),
  }
  const { pkcs8 } = keyring.make()
  const { clock, crypto } = portsFor(place, machine, { offsetMs: 0, asleepMs: 0, rate: 1 }, life, dice.fork('life'))
  const key = await crypto.importPrivateKey(pkcs8)

  const deaf = () => ({ message: () => {}, malformed: () => {}, closed: () => {} })
  const calls: Readonly<Record<string, (ports: Ports) => unknown>> = {
    timer: ports => ports.clock.after(1, () => t.fail('a timer of the dead')),
    'end of tick': ports => {
      ports.clock.endOfTick(() => t.fail('a tick of the dead'))
    },
    random: ports => ports.random.bytes(4),
    crypto: ports => ports.crypto.sign(key, new Uint8Array(4)),
    dial: ports => ports.network.dial('ws://10.0.0.9:1', { timeoutMs: 10, maxBytes: 10 }, deaf),
    listen: ports => ports.network.listen({ host: '10.0.0.1', port: 1, maxBytes: 10, maxSockets: 1 }, () => undefined),
  }
  for (const [name, call] of Object.entries(calls)) {
    const own = died()
    own.life.dieAt(1)
    call(portsFor(place, machine, { offsetMs: 0, asleepMs: 0, rate: 1 }, own.life, dice.fork(name)))
    t.equal(own.times.count, 1, name)
  }

  let settled = false
  void crypto.sign(key, new Uint8Array(4)).finally(() => {
    settled = true
  })
  clock.after(10, () => t.fail('it was alive when it asked, and is dead when it is due'))
  life.die()
  await schedule.run(1_000)
  t.notOk(settled, 'what was asked for never settles')
  t.equal(times.count, 1)
})

t.test('a clock runs at its own rate, jumps, and stays behind a pause', async t => {
  const schedule = createSchedule(ground.loop)
  const { life } = died()
  const quartz = { offsetMs: 1_000, asleepMs: 0, rate: 1.01 }
  const clock = createClock(schedule, quartz, life)
  const began = clock.now()
  const fired: number[] = []
  clock.after(10_100, () => fired.push(schedule.now()))
  await schedule.run(10_000)
  t.equal(clock.now() - began, 10_100)
  t.equal(fired.length, 1, 'a second of a fast clock is shorter')
  quartz.offsetMs -= 3_600_000
  t.ok(clock.now() < began, 'it jumped back')
  t.equal(clock.monotonic(), 10_100, 'and durations did not')
  clock.after(101, () => fired.push(schedule.now()))
  life.pause()
  await schedule.run(20_000)
  t.equal(fired.length, 1)
  life.resume()
  t.same(fired.at(-1), 20_000, 'what was due in the pause comes after it')
})
