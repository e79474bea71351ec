/** Virtual time: what happens when, and in which order. */
import t from 'tap'
import { createSchedule } from '../../src/simulation/schedule.ts'
import { ground } from './ground.ts'

t.test('things happen in the order of their times, and of those that are due together the first asked for is first', async t => {
  const schedule = createSchedule(ground.loop)
  const happened: string[] = []
  for (const [ms, name] of [
    [20, 'c'],
    [10, 'a'],
    [10, 'b'],
    [30, 'later'],
  ] as const)
    schedule.after(ms, () => happened.push(name))
  await schedule.run(25)
  t.same(happened, ['a', 'b', 'c'])
  t.equal(schedule.now(), 25, 'and the time is what was waited for')
  await schedule.run(30)
  t.equal(happened.at(-1), 'later', 'what is due at the end is within it')
})

t.test('promises settle between two things that are due together', async t => {
  const schedule = createSchedule(ground.loop)
  const happened: string[] = []
  schedule.after(10, () => {
    happened.push('first')
    void Promise.resolve()
      .then(() => {})
      .then(() => happened.push('what follows from it'))
  })
  schedule.after(10, () => happened.push('second'))
  await schedule.run(10)
  t.same(happened, ['first', 'what follows from it', 'second'])
})

t.test('what was cancelled does not happen, and a time in the past is now', async t => {
  const schedule = createSchedule(ground.loop)
  await schedule.run(100)
  const happened: number[] = []
  const cancel = schedule.after(5, () => t.fail('it was cancelled'))
  cancel()
  schedule.after(-50, () => happened.push(schedule.now()))
  await schedule.run(200)
  t.same(happened, [100])
})

t.test('while something is held nothing happens and no time passes', async t => {
  const schedule = createSchedule(ground.loop)
  const work = Promise.withResolvers<undefined>()
  const happened: string[] = []
  schedule.after(10, () => {
    happened.push('before')
    schedule.hold(work.promise)
  })
  schedule.after(20, () => happened.push('after'))
  const ran = schedule.run(50)
  for (let turn = 0; turn < 200; turn += 1) await new Promise<void>(resolve => setImmediate(resolve))
  t.same(happened, ['before'])
  t.equal(schedule.now(), 10)
  work.resolve(undefined)
  await ran
  t.same(happened, ['before', 'after'])
})

t.test('what is thrown ends the run', async t => {
  const schedule = createSchedule(ground.loop)
  schedule.after(1, () => {
    throw new Error('a mistake of the simulation')
  })
  await t.rejects(schedule.run(10), { message: 'a mistake of the simulation' })
})
