/** Facts before effects: nothing leaves before the commit of what caused it, in order, and never after a failure. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { setup } from 'xstate'
import type { NamedEffect } from '../../src/actors/contract.ts'
import { createHost } from '../../src/actors/host.ts'
import { createRuntime } from '../../src/actors/runtime.ts'
import type { MachineTypes } from '../../src/machines/event.ts'
import type { Address } from '../../src/protocol/ids.ts'
import { LogRefused, type NewFact } from '../../src/store/log.ts'
import { memoryDisk, memoryLog } from '../../src/store/memory-log.ts'
import { createHeldLog, microtasks, type HeldLog } from '../helpers/held-log.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

interface F {
  readonly type: 'said' | 'poison' | 'foldBroke' | 'everybody'
  readonly n: number
}

const types: MachineTypes<object, F> = {}
const echo = setup({
  types,
  actions: { say: (_: unknown, _params: { readonly n: number }) => {} },
}).createMachine({
  context: {},
  on: {
    said: { actions: { type: 'say', params: ({ event }) => ({ n: event.n }) } },
    everybody: { actions: { type: 'say', params: ({ event }) => ({ n: event.n }) } },
    poison: {
      actions: {
        type: 'say',
        params: () => {
          throw new Error('poisoned')
        },
      },
    },
  },
})

const start = (log: HeldLog<F> = createHeldLog<F>()) => {
  const clock = createManualClock()
  const out: string[] = []
  const folded: number[] = []
  const fatal: Error[] = []
  const crashes: (readonly [unknown, NamedEffect | undefined])[] = []
  const onEffect = { run: (_effect: NamedEffect): void => {} }
  const host = createHost<F>({
    machines: { link: echo },
    fold: {
      evolve: ({ fact }) => {
        if (fact.type === 'foldBroke') throw new Error('half written')
        folded.push(fact.n)
      },
    },
    broadcast: type => type === 'everybody',
  })
  const runtime = createRuntime<F>({
    log,
    host,
    clock,
    perform: effect => {
      out.push(`say ${String(effect.params['n'])}`)
      onEffect.run(effect)
    },
    fatal: error => fatal.push(error),
    crashed: (error, effect) => crashes.push([error, effect]),
  })
  const say = (n: number, stream: Address = 'link:a') => runtime.record(stream, { type: 'said', n })
  return { clock, log, out, folded, fatal, crashes, onEffect, host, runtime, say }
}

t.test('a fact is folded at once, appended at the end of the tick, and its effect performed after the commit', async t => {
  const { clock, log, out, folded, runtime, say } = start()
  say(1)
  t.same(folded, [1])
  t.ok(runtime.machine('link:a'))
  t.equal(log.batches.length, 0)
  clock.tick()
  t.equal(log.batches.length, 1)
  t.same(out, [])
  t.equal(runtime.pending(), 1)
  await log.commit()
  t.same(out, ['say 1'])
  t.equal(runtime.pending(), 0)
})

t.test('all facts of a tick are one batch, those of the next another', async t => {
  const { clock, log, say } = start()
  say(1)
  say(2)
  clock.tick()
  say(3)
  clock.tick()
  t.same(
    log.batches.map(batch => batch.map(({ fact }) => fact.n)),
    [[1, 2], [3]],
  )
})

t.test('effects and released functions come out in the order in which they went in', async t => {
  const { clock, log, out, runtime, say } = start()
  say(1)
  runtime.release(() => out.push('after 1'))
  say(2)
  runtime.release(() => out.push('after 2'))
  clock.tick()
  await log.commit()
  t.same(out, ['say 1', 'after 1', 'say 2', 'after 2'])
})

t.test('with several batches on their way each waits for its own commit', async t => {
  const { clock, log, out, runtime, say } = start()
  say(1)
  clock.tick()
  say(2)
  clock.tick()
  runtime.release(() => out.push('after 2'))
  clock.tick()
  t.equal(log.waiting(), 2)
  t.same(out, [])
  await log.commit()
  t.same(out, ['say 1'])
  await log.commit()
  t.same(out, ['say 1', 'say 2', 'after 2'])
})

t.test('a released function with nothing pending runs at the end of the tick and appends nothing', async t => {
  const { clock, log, out, runtime } = start()
  runtime.release(() => out.push('released'))
  t.same(out, [])
  clock.tick()
  t.same(out, ['released'])
  t.equal(log.batches.length, 0)
})

t.test('the time of the log never goes back, whatever the wall clock does', async t => {
  const { clock, log, say } = start()
  const now = clock.now()
  say(1)
  clock.jump(-60_000)
  say(2)
  clock.jump(61_000)
  say(3)
  clock.tick()
  t.same(
    log.batches.flat().map(({ at }) => at - now),
    [0, 0, 1_000],
  )
})

t.test('a fact recorded by an effect goes into a later batch', async t => {
  const { clock, log, out, onEffect, say } = start()
  onEffect.run = effect => {
    if (effect.params['n'] === 1) say(2)
  }
  say(1)
  clock.tick()
  await log.commit()
  t.same(out, ['say 1'])
  clock.tick()
  await log.commit()
  t.same(out, ['say 1', 'say 2'])
})

t.test('a fact that a machine cannot take is thrown back and not appended', async t => {
  const { clock, log, folded, runtime, say } = start()
  say(1)
  t.throws(() => runtime.record('link:a', { type: 'poison', n: 2 }), { name: 'ApplyFailed' })
  say(3)
  clock.tick()
  t.same(
    log.batches.flat().map(({ fact }) => fact.n),
    [1, 3],
  )
  t.same(folded, [1, 3])
})

t.test('a failed append is fatal once; nothing is released ever again and nothing recorded', async t => {
  const { clock, log, out, fatal, runtime, say } = start()
  say(1)
  clock.tick()
  say(2)
  clock.tick()
  const flushed = runtime.flushed()
  const refused = new LogRefused('the disk is full')
  const heard = t.rejects(flushed, { name: 'RuntimeStopped', cause: refused })
  await log.refuse(refused)
  await heard
  t.same(fatal, [refused])
  t.throws(() => say(3), { name: 'RuntimeStopped', message: /the disk is full/ })
  runtime.release(() => out.push('never'))
  await log.commit()
  clock.tick()
  t.same(out, [], 'not even what the log took afterwards')
  await t.rejects(runtime.flushed(), { name: 'RuntimeStopped' })
  await runtime.close()
  t.equal(fatal.length, 1)
})

t.test('a log that throws instead of rejecting is as fatal', async t => {
  const log = createHeldLog<F>()
  const broken = Object.assign(log, {
    append: () => {
      throw new LogRefused('another writer')
    },
  })
  const { clock, fatal, say } = start(broken)
  say(1)
  clock.tick()
  await microtasks()
  t.match(fatal, [{ message: 'another writer' }])
})

t.test('a fold that breaks while writing is fatal, because memory and log no longer agree', async t => {
  const { clock, log, out, fatal, runtime, say } = start()
  say(1)
  t.throws(() => runtime.record('link:a', { type: 'foldBroke', n: 2 }), { name: 'FoldBroken' })
  t.match(fatal, [{ name: 'FoldBroken' }])
  clock.tick()
  await microtasks()
  t.same(out, [])
  t.equal(log.batches.length, 0)
})

t.test('nothing leaves after the fold broke, not what was on its way and not the rest of a batch', async t => {
  const { clock, log, out, onEffect, runtime, say } = start()
  onEffect.run = () => {
    t.throws(() => runtime.record('link:a', { type: 'foldBroke', n: 9 }), { name: 'FoldBroken' })
  }
  say(1)
  say(2)
  clock.tick()
  say(3)
  clock.tick()
  await log.commit()
  await log.commit()
  t.same(out, ['say 1'])
})

t.test('an effect that throws is reported as a bug and the rest goes on', async t => {
  const { clock, log, out, crashes, onEffect, runtime, say } = start()
  onEffect.run = effect => {
    if (effect.params['n'] === 1) throw new Error('bug')
  }
  say(1)
  say(2)
  runtime.release(() => {
    throw new Error('another')
  })
  runtime.release(() => out.push('last'))
  clock.tick()
  await log.commit()
  t.same(out, ['say 1', 'say 2', 'last'])
  t.match(crashes, [
    [{ message: 'bug' }, { effect: 'say', params: { n: 1 } }],
    [{ message: 'another' }, undefined],
  ])
})

t.test('flushed waits for what was recorded, and close lets it through and takes no more', async t => {
  const { clock, log, out, runtime, say } = start()
  say(1)
  const closed = runtime.close()
  t.throws(() => say(2), { name: 'RuntimeStopped', message: /closed/ })
  clock.tick()
  await log.commit()
  await closed
  t.same(out, ['say 1'])
  await runtime.close()
})

const stored = (...facts: readonly (readonly [Address, F])[]): NewFact<F>[] =>
  facts.map(([stream, fact], index) => ({ stream, at: 2_000_000_000_000 + index, fact }))

t.test('recovery folds the log, drops the effects, and goes on from its time', async t => {
  const log = createHeldLog<F>(stored(['link:a', { type: 'said', n: 1 }], ['link:b', { type: 'said', n: 2 }]))
  const { clock, out, folded, runtime, say } = start(log)
  t.same(await runtime.recover(), { facts: 2, lastAt: 2_000_000_000_001, setAside: [] })
  t.same(folded, [1, 2])
  t.same(
    [...runtime.machines()].map(([address]) => address),
    ['link:a', 'link:b'],
  )
  say(3)
  clock.tick()
  await log.commit()
  t.same(out, ['say 3'])
  t.equal(log.batches[0]?.[0]?.at, 2_000_000_000_001, 'the clock is behind the log')
})

t.test('in recovery a stream that cannot be folded is set aside from that fact on, and fails closed', async t => {
  const log = createHeldLog<F>(
    stored(
      ['link:a', { type: 'said', n: 1 }],
      ['link:b', { type: 'said', n: 2 }],
      ['link:a', { type: 'poison', n: 3 }],
      ['link:a', { type: 'said', n: 4 }],
      ['node', { type: 'everybody', n: 5 }],
    ),
  )
  const { folded, runtime, say } = start(log)
  const { setAside } = await runtime.recover()
  t.match(setAside, [{ stream: 'link:a', seq: 3, error: { name: 'ApplyFailed' } }])
  t.same(folded, [1, 2, 5])
  t.equal(runtime.machine('link:a'), undefined)
  t.throws(() => say(6), { name: 'RuntimeStopped', message: /link:a was set aside/ })
  t.doesNotThrow(() => say(7, 'link:b'))
})

t.test('a fact for all that one machine cannot take sets that machine aside and reaches the others', async t => {
  const host = createHost<F>({
    machines: {
      link: echo,
      session: setup({ types }).createMachine({
        context: {},
        on: {
          said: { actions: () => {} },
          everybody: {
            guard: () => {
              throw new Error('not me')
            },
          },
        },
      }),
    },
    fold: { evolve: () => {} },
    broadcast: type => type === 'everybody',
  })
  const log = createHeldLog<F>(
    stored(['session:x', { type: 'said', n: 1 }], ['link:a', { type: 'said', n: 1 }], ['node', { type: 'everybody', n: 2 }]),
  )
  const runtime = createRuntime<F>({ log, host, clock: createManualClock(), perform: () => {}, fatal: () => {}, crashed: () => {} })
  const { setAside, facts } = await runtime.recover()
  t.equal(facts, 3)
  t.match(setAside, [{ stream: 'session:x', seq: 3 }])
  t.same(
    [...runtime.machines()].map(([address]) => address),
    ['link:a'],
  )
})

t.test('nothing is recorded while the log is read, and it is read once', async t => {
  const log = createHeldLog<F>(stored(['link:a', { type: 'said', n: 1 }]))
  const { runtime, say } = start(log)
  const recovered = runtime.recover()
  t.throws(() => say(2), { message: /still being read/ })
  await recovered
  await t.rejects(runtime.recover(), { message: /comes once/ })
})

t.test('what one runtime wrote another recovers to equal machines', async t => {
  const disk = memoryDisk()
  const clock = createManualClock({ endOfTick: 'microtask' })
  const open = () => {
    const host = createHost<F>({ machines: { link: echo }, fold: { evolve: () => {} }, broadcast: () => false })
    return createRuntime<F>({
      log: memoryLog<F>({ disk }),
      host,
      clock,
      perform: () => {},
      fatal: error => t.fail(error),
      crashed: () => {},
    })
  }
  const first = open()
  for (const n of [1, 2, 3]) first.record(`link:${n}`, { type: 'said', n })
  await first.close()
  const second = open()
  t.match(await second.recover(), { facts: 3 })
  t.same([...second.machines()], [...first.machines()])
})

t.test('whatever the order of records, releases, ticks and commits, all comes out once, in order, and after its commit', async t => {
  const step = fc.constantFrom('record', 'record', 'release', 'tick', 'commit')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const { clock, log, out, runtime, say } = start()
      const expected: string[] = []
      let facts = 0
      let committed = 0
      for (const step of steps) {
        if (step === 'record') {
          facts += 1
          say(facts)
          expected.push(`say ${facts}`)
        } else if (step === 'release') {
          const label = `released ${expected.length}`
          runtime.release(() => out.push(label))
          expected.push(label)
        } else if (step === 'tick') clock.tick()
        else if (log.waiting() > 0) {
          committed += log.batches[log.batches.length - log.waiting()]?.length ?? 0
          await log.commit()
        }
        assert.equal(runtime.pending(), facts - committed)
        assert.ok(out.filter(line => line.startsWith('say')).length <= committed, 'an effect came before its commit')
        assert.deepEqual(out, expected.slice(0, out.length))
      }
      clock.tick()
      while (log.waiting() > 0) await log.commit()
      assert.deepEqual(out, expected)
    }),
    { numRuns: 200 },
  )
  t.pass('for 200 orders')
})
