/** Actors take one message at a time; what throws restarts by its group's strategy, within its intensity, or escalates. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { ActorOptions } from '../../src/actors/actor.ts'
import type { GroupOptions, Strategy } from '../../src/actors/group.ts'
import { createSupervisor, type SupervisorEvent } from '../../src/actors/supervisor.ts'
import { microtasks } from '../helpers/held-log.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

type Name = 'outer' | 'inner'
const lasting = { restarts: 3, withinMs: 10_000, backoff: { firstMs: 100, capMs: 1_000 } } as const

const start = (groups: Partial<Record<Name, Partial<GroupOptions<Name>>>> = {}) => {
  const clock = createManualClock()
  const log: string[] = []
  const events: SupervisorEvent[] = []
  const escalated: unknown[] = []
  const supervisor = createSupervisor<Name>({
    clock,
    groups: {
      outer: { strategy: 'one_for_one', ...lasting, ...groups.outer },
      inner: { parent: 'outer', strategy: 'one_for_one', ...lasting, ...groups.inner },
    },
    deadLetters: 100,
    stopMs: 1_000,
    escalated: error => escalated.push(error),
    observe: event => events.push(event),
  })
  /** An actor that writes down what happens to it, and throws at `'crash'`. */
  const spawn = (address: string, options: Partial<ActorOptions<string, Name>> = {}) =>
    supervisor.spawn<string>({
      address,
      group: 'inner',
      mailbox: { messages: 10 },
      receive: message => {
        if (message === 'crash') throw new Error(`${address} crashed`)
        log.push(`${address} ${message}`)
      },
      restarted: () => log.push(`${address} restarted`),
      stopped: why => void log.push(`${address} stopped: ${why}`),
      ...options,
    })
  const crash = async (address: string) => {
    supervisor.tell(address, 'crash')
    await microtasks()
  }
  const states = () => Object.fromEntries([...supervisor.actors()].map(({ address, state }) => [address, state]))
  return { clock, log, events, escalated, supervisor, spawn, crash, states }
}

t.test('messages are handled in order, after whoever told them has returned', async t => {
  const { log, supervisor, spawn } = start()
  const a = spawn('a')
  t.equal(a.tell('1'), true)
  t.equal(supervisor.tell('a', '2'), true)
  t.same(log, [])
  await microtasks()
  t.same(log, ['a 1', 'a 2'])
})

t.test('a burst of synchronous messages costs one microtask', async t => {
  const { log, spawn } = start()
  const a = spawn('a', { mailbox: { messages: 100 } })
  for (let n = 0; n < 100; n += 1) a.tell(String(n))
  await Promise.resolve()
  t.equal(log.length, 100)
})

t.test('an asynchronous message is finished before the next begins', async t => {
  const { log, spawn } = start()
  const gates = new Map<string, () => void>()
  const a = spawn('a', {
    receive: async message => {
      log.push(`begin ${message}`)
      await new Promise<void>(resolve => gates.set(message, resolve))
      log.push(`end ${message}`)
    },
  })
  a.tell('1')
  a.tell('2')
  await microtasks()
  t.same(log, ['begin 1'])
  gates.get('1')?.()
  await microtasks()
  t.same(log, ['begin 1', 'end 1', 'begin 2'])
  gates.get('2')?.()
  await microtasks()
  t.equal(log.at(-1), 'end 2')
})

t.test('a long burst lets sockets and timers have their turn', async t => {
  const { clock, supervisor, spawn } = start()
  let handled = 0
  const ping = (other: string) => (): void => {
    handled += 1
    supervisor.tell(other, 'ball')
  }
  spawn('a', { receive: ping('b') })
  spawn('b', { receive: ping('a') })
  supervisor.tell('a', 'ball')
  await microtasks()
  const first = handled
  t.ok(first >= 1_024 && first < 1_024 + 128)
  clock.endOfTick(() => supervisor.stop('a', 'enough'))
  clock.tick()
  t.ok(handled > first)
})

t.test('one busy actor does not keep the others waiting', async t => {
  const { log, supervisor, spawn } = start()
  spawn('a', { mailbox: { messages: 500 } })
  spawn('b')
  for (let n = 0; n < 500; n += 1) supervisor.tell('a', String(n))
  supervisor.tell('b', 'hello')
  await microtasks()
  t.equal(log.indexOf('b hello'), 64)
  t.equal(log.length, 501)
})

t.test('a message that does not fit, or has nobody to go to, is a dead letter with its reason', async t => {
  const { supervisor, spawn, log } = start()
  const a = spawn('a', { mailbox: { messages: 1, bytes: 10 } })
  t.same([a.tell('1', 5), a.tell('2', 5), supervisor.tell('nobody', '3')], [true, false, false])
  supervisor.stop('a', 'done')
  t.equal(a.tell('4'), false)
  t.same(
    supervisor.deadLetters.list().map(({ address, message, reason }) => [address, message, reason]),
    [
      ['a', '2', 'full'],
      ['nobody', '3', 'unknown'],
      ['a', '1', 'stopped'],
      ['a', '4', 'stopped'],
    ],
  )
  t.same(supervisor.deadLetters.counts(), { full: 1, unknown: 1, stopped: 2, crashed: 0 })
  spawn('nobody')
  const letter = supervisor.deadLetters.list().find(({ address }) => address === 'nobody')
  t.equal(supervisor.deadLetters.replay(letter?.id ?? 0), true)
  await microtasks()
  t.same(log, ['a stopped: done', 'nobody 3'])
})

t.test('watermarks are said while the mailbox fills and when it has emptied', async t => {
  const { log, spawn } = start()
  const a = spawn('a', { mailbox: { messages: 4, high: () => log.push('pause'), low: () => log.push('resume') } })
  for (const n of ['1', '2', '3', '4']) a.tell(n)
  t.same(log, ['pause'])
  await microtasks()
  t.same(log, ['pause', 'a 1', 'a 2', 'a 3', 'a 4', 'resume'])
})

t.test('an actor that throws loses that message to the dead letters and goes on with the rest after its backoff', async t => {
  const { clock, log, events, supervisor, spawn, states } = start()
  spawn('a')
  for (const message of ['1', 'crash', '2']) supervisor.tell('a', message)
  await microtasks()
  t.same(log, ['a 1'])
  t.same(states(), { a: 'suspended' })
  t.match(supervisor.deadLetters.list(), [{ message: 'crash', reason: 'crashed' }])
  t.ok(supervisor.tell('a', '3'), 'its mailbox stays open')
  clock.advance(99)
  await microtasks()
  t.same(log, ['a 1'])
  clock.advance(1)
  await microtasks()
  t.same(log, ['a 1', 'a restarted', 'a 2', 'a 3'])
  t.match(events, [
    { type: 'actor.crashed', address: 'a', group: 'inner', error: { message: 'a crashed' } },
    { type: 'actor.restarted', address: 'a' },
  ])
})

t.test('a promise that rejects is a crash as well', async t => {
  const { clock, log, supervisor, spawn, states } = start()
  spawn('a', {
    receive: async message => {
      await microtasks()
      throw new Error(message)
    },
  })
  supervisor.tell('a', 'late')
  await microtasks()
  await microtasks()
  t.same(states(), { a: 'suspended' })
  t.match(supervisor.deadLetters.list(), [{ message: 'late', reason: 'crashed' }])
  clock.advance(100)
  t.same(log, ['a restarted'])
})

t.test('each restart of the same actor within the period waits twice as long', async t => {
  const { clock, spawn, crash, log } = start({ inner: { restarts: 5, backoff: { firstMs: 100, capMs: 300 } } })
  spawn('a')
  for (const wait of [100, 200, 300, 300]) {
    await crash('a')
    const restarts = log.length
    clock.advance(wait - 1)
    t.equal(log.length, restarts)
    clock.advance(1)
    t.equal(log.length, restarts + 1)
  }
})

t.test('crashes of one actor do not delay another that crashes for the first time', async t => {
  const { clock, spawn, crash, log } = start()
  spawn('a')
  spawn('b')
  await crash('a')
  await crash('b')
  clock.advance(100)
  t.same(log, ['a restarted', 'b restarted'])
})

for (const [strategy, restarted] of [
  ['one_for_one', ['b']],
  ['one_for_all', ['a', 'b', 'c']],
  ['rest_for_one', ['b', 'c']],
] as readonly (readonly [Strategy, readonly string[]])[])
  t.test(`${strategy} restarts ${restarted.join(', ')} when b of a, b, c throws`, async t => {
    const { clock, log, supervisor, spawn, crash, states } = start({ inner: { strategy } })
    for (const address of ['a', 'b', 'c']) spawn(address)
    await crash('b')
    for (const address of ['a', 'b', 'c']) t.equal(states()[address], restarted.includes(address) ? 'suspended' : 'running', address)
    for (const address of restarted) supervisor.tell(address, 'waited')
    await microtasks()
    t.same(log, [])
    clock.advance(100)
    await microtasks()
    t.same(log, [...restarted.map(address => `${address} restarted`), ...restarted.map(address => `${address} waited`)])
  })

t.test('a neighbour that has a message in hand finishes it before it restarts', async t => {
  const { clock, log, supervisor, spawn, crash } = start({ inner: { strategy: 'one_for_all' } })
  let finish = (): void => {}
  spawn('a', { receive: () => new Promise<void>(resolve => (finish = resolve)) })
  spawn('b')
  supervisor.tell('a', 'slow')
  await crash('b')
  clock.advance(100)
  t.same(log, ['b restarted'])
  finish()
  await microtasks()
  t.same(log, ['b restarted', 'a restarted'])
})

/** An actor that finishes its message when it is told how. */
const held = () => {
  const hands: ReturnType<typeof Promise.withResolvers<undefined>>[] = []
  const receive = (): Promise<void> => {
    const hand = Promise.withResolvers<undefined>()
    hands.push(hand)
    return hand.promise
  }
  return { receive, hands }
}

t.test('a neighbour that throws while a restart is due puts it off for all', async t => {
  const { clock, log, supervisor, spawn, crash } = start({ inner: { strategy: 'one_for_all' } })
  const { receive, hands } = held()
  spawn('a')
  spawn('b', { receive })
  supervisor.tell('b', 'slow')
  await crash('a')
  clock.advance(50)
  hands[0]?.reject(new Error('b crashed'))
  await microtasks()
  clock.advance(99)
  t.same(log, [])
  clock.advance(1)
  t.same(log, ['a restarted', 'b restarted'])
  t.equal(clock.timers(), 0)
})

t.test('a restart that waits for the message in hand is put off with the others', async t => {
  const { clock, log, supervisor, spawn, crash } = start({ inner: { strategy: 'one_for_all' } })
  const { receive, hands } = held()
  spawn('a', { receive })
  spawn('b')
  supervisor.tell('a', 'slow')
  await crash('b')
  clock.advance(100)
  await crash('b')
  hands[0]?.resolve(undefined)
  await microtasks()
  t.same(log, ['b restarted'])
  clock.advance(200)
  t.same(log, ['b restarted', 'a restarted', 'b restarted'])
})

t.test('an actor that throws while it restarts is tried again later', async t => {
  const { clock, log, spawn, crash } = start()
  let broken = true
  spawn('a', {
    restarted: () => {
      if (broken) throw new Error('still broken')
      log.push('a is well')
    },
  })
  await crash('a')
  clock.advance(100)
  broken = false
  clock.advance(199)
  t.same(log, [])
  clock.advance(1)
  t.same(log, ['a is well'])
})

t.test('one restart too many is a failure of the group, which its parent restarts as a whole', async t => {
  const { clock, log, events, escalated, supervisor, spawn, crash, states } = start({ inner: { restarts: 1 } })
  spawn('a')
  spawn('b')
  spawn('bystander', { group: 'outer' })
  await crash('a')
  clock.advance(100)
  await crash('a')
  t.match(events.at(-1), { type: 'group.escalated', group: 'inner', error: { message: 'a crashed' } })
  t.same(states(), { a: 'suspended', b: 'suspended', bystander: 'running' })
  log.length = 0
  clock.advance(100)
  t.same(log, ['a restarted', 'b restarted'])
  t.same(escalated, [])
  log.length = 0
  await crash('b')
  clock.advance(100)
  t.same(log, ['b restarted'], 'the group counts anew')
  t.ok(supervisor.tell('a', 'hello'))
})

t.test('what throws in a group that waits for its parent neither counts nor restarts by itself', async t => {
  const { clock, log, events, supervisor, spawn, crash } = start({ inner: { restarts: 0 }, outer: { restarts: 1 } })
  const { receive, hands } = held()
  spawn('a')
  spawn('b', { receive })
  supervisor.tell('b', 'slow')
  await crash('a')
  hands[0]?.reject(new Error('b crashed'))
  await microtasks()
  t.equal(events.filter(({ type }) => type === 'group.escalated').length, 1)
  clock.advance(100)
  t.same(log, ['a restarted', 'b restarted'])
  t.equal(clock.timers(), 0)
})

t.test('restarts that lie apart by more than the period never escalate', async t => {
  const { clock, events, spawn, crash } = start({ inner: { restarts: 1, withinMs: 1_000 } })
  spawn('a')
  for (let n = 0; n < 5; n += 1) {
    await crash('a')
    clock.advance(1_000)
  }
  t.notOk(events.some(({ type }) => type === 'group.escalated'))
})

t.test('the failure of a group without a parent stops everything, the last started first, and says so', async t => {
  const { clock, log, escalated, supervisor, spawn, crash } = start({ outer: { restarts: 0 }, inner: { restarts: 0 } })
  spawn('a')
  spawn('b')
  spawn('c', { group: 'outer' })
  await crash('a')
  await microtasks()
  t.same(log, ['c stopped: escalated', 'b stopped: escalated', 'a stopped: escalated'])
  t.match(escalated, [{ message: 'a crashed' }])
  t.equal(clock.timers(), 0)
  t.equal(supervisor.tell('a', 'hello'), false)
  t.throws(() => spawn('d'), { message: 'd cannot start: the supervisor is stopping' })
})

t.test('a temporary actor stops when it throws and counts against nobody', async t => {
  const { log, events, supervisor, spawn, crash } = start({ inner: { restarts: 0 } })
  for (let n = 0; n < 5; n += 1) {
    spawn('socket', { restart: 'temporary' })
    await crash('socket')
  }
  t.same(log, Array(5).fill('socket stopped: crashed'))
  t.notOk(events.some(({ type }) => type === 'group.escalated'))
  t.equal(supervisor.tell('socket', 'hello'), false)
})

t.test('stopping frees the address at once and calls stopped after the message in hand', async t => {
  const { log, supervisor, spawn } = start()
  let finish = (): void => {}
  const old = spawn('a', {
    receive: () => new Promise<void>(resolve => (finish = resolve)),
    stopped: why => void log.push(`old stopped: ${why}`),
  })
  old.tell('slow')
  await microtasks()
  supervisor.stop('a', 'replaced')
  spawn('a')
  supervisor.tell('a', 'hello')
  t.equal(old.tell('for the old one'), false, 'a handle belongs to its actor')
  await microtasks()
  t.same(log, ['a hello'])
  finish()
  await microtasks()
  t.same(log, ['a hello', 'old stopped: replaced'])
  supervisor.stop('nobody', 'nothing happens')
})

t.test('a message in hand that throws after its actor was stopped does not bring it back', async t => {
  const { clock, log, supervisor, spawn, states } = start({ inner: { strategy: 'one_for_all' } })
  const { receive, hands } = held()
  spawn('a')
  const b = spawn('b', { receive })
  b.tell('slow')
  await microtasks()
  supervisor.stop('b', 'done')
  hands[0]?.reject(new Error('too late'))
  await microtasks()
  t.equal(b.tell('hello'), false)
  t.same(states(), { a: 'running' })
  t.same(log, ['b stopped: done'])
  t.equal(clock.timers(), 0)
})

t.test('what throws during shutdown restarts nobody', async t => {
  const { clock, log, supervisor, spawn, states } = start({ inner: { strategy: 'one_for_all' } })
  const { receive, hands } = held()
  spawn('a')
  spawn('b', { receive })
  supervisor.tell('b', 'slow')
  await microtasks()
  const done = supervisor.shutdown('SIGTERM')
  hands[0]?.reject(new Error('too late'))
  t.equal(states()['a'], 'running')
  await done
  t.same(log, ['b stopped: SIGTERM', 'a stopped: SIGTERM'])
  t.equal(clock.timers(), 0)
})

t.test('a restart that is due is called off by shutdown', async t => {
  const { clock, log, supervisor, spawn, crash } = start()
  spawn('a')
  await crash('a')
  t.equal(clock.timers(), 1)
  await supervisor.shutdown('SIGTERM')
  t.equal(clock.timers(), 0)
  t.same(log, ['a stopped: SIGTERM'])
})

t.test('an address is taken once', async t => {
  const { spawn } = start()
  spawn('a')
  t.throws(() => spawn('a'), { message: 'a is there already' })
})

t.test('shutdown stops one after the other, the last started first, each when the one before has finished', async t => {
  const { log, supervisor, spawn } = start()
  const finish: (() => void)[] = []
  for (const address of ['a', 'b', 'c'])
    spawn(address, {
      stopped: async why => {
        log.push(`${address} ${why}`)
        await new Promise<void>(resolve => finish.push(resolve))
      },
    })
  const done = supervisor.shutdown('SIGTERM')
  for (const expected of ['c', 'b', 'a']) {
    await microtasks()
    t.equal(log.at(-1), `${expected} SIGTERM`)
    finish.pop()?.()
  }
  await done
  t.equal(log.length, 3)
  t.equal(supervisor.shutdown('again'), done)
})

t.test('an actor that does not finish holds shutdown up for a limited time only', async t => {
  const { clock, events, supervisor, spawn } = start()
  spawn('stuck', { receive: () => new Promise<void>(() => {}), stopped: () => new Promise<void>(() => {}) })
  supervisor.tell('stuck', 'message')
  await microtasks()
  const done = supervisor.shutdown('SIGTERM')
  await microtasks()
  clock.advance(1_000)
  await microtasks()
  clock.advance(1_000)
  await done
  t.match(events, [{ type: 'actor.stopped', address: 'stuck', inTime: false }])
})

t.test('a throw in stopped is reported and stops nothing else', async t => {
  const { log, events, supervisor, spawn } = start()
  spawn('a')
  spawn('b', {
    stopped: () => {
      throw new Error('no')
    },
  })
  await supervisor.shutdown('SIGTERM')
  t.same(log, ['a stopped: SIGTERM'])
  t.match(events, [
    { type: 'actor.crashed', address: 'b' },
    { type: 'actor.stopped', address: 'b' },
    { type: 'actor.stopped', address: 'a' },
  ])
})

t.test('a group whose parent does not stand before it is refused', async t => {
  const group = { strategy: 'one_for_one', ...lasting } as const
  t.throws(
    () =>
      createSupervisor<Name>({
        clock: createManualClock(),
        groups: { inner: { ...group, parent: 'outer' }, outer: group },
        deadLetters: 1,
        stopMs: 1,
        escalated: () => {},
      }),
    { message: 'there is no group outer' },
  )
})

t.test(
  'whatever is told and whatever throws, each actor handles what it accepted in order, one at a time, and holds no more than its bound',
  async t => {
    const message = fc.record({ to: fc.constantFrom('a', 'b', 'c'), kind: fc.constantFrom('sync', 'async', 'crash', 'late crash', 'wait') })
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 80 }), async messages => {
        const { clock, supervisor, spawn } = start({ inner: { restarts: 1_000, strategy: 'one_for_all' } })
        const accepted: Record<string, number[]> = { a: [], b: [], c: [] }
        const handled: Record<string, number[]> = { a: [], b: [], c: [] }
        for (const address of ['a', 'b', 'c']) {
          let busy = false
          spawn(address, {
            mailbox: { messages: 5 },
            receive: text => {
              assert.equal(busy, false, 'two at a time')
              const [n, kind] = text.split('|')
              handled[address]?.push(Number(n))
              if (kind === 'crash') throw new Error('crash')
              if (kind === 'sync') return undefined
              busy = true
              return microtasks().then(() => {
                busy = false
                if (kind === 'late crash') throw new Error('late crash')
              })
            },
          })
        }
        for (const [n, { to, kind }] of messages.entries()) {
          if (kind === 'wait') {
            clock.advance(100)
            await microtasks()
          } else if (supervisor.tell(to, `${n}|${kind}`)) accepted[to]?.push(n)
          for (const { waiting } of supervisor.actors()) assert.ok(waiting <= 5)
        }
        for (let turn = 0; turn < 40; turn += 1) {
          clock.advance(1_000)
          await microtasks()
        }
        assert.deepEqual(handled, accepted)
      }),
      { numRuns: 60 },
    )
    t.pass('for 60 runs')
  },
)
