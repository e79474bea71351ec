/** The simulated disk: each way in which a commit goes wrong, and what a crash leaves. */
import t from 'tap'
import type { Address } from '../../src/protocol/ids.ts'
import { LogRefused } from '../../src/store/log.ts'
import { createClock } from '../../src/simulation/clock.ts'
import { createDice } from '../../src/simulation/dice.ts'
import { type CommitFault, createDisk, type Disk, openDisk } from '../../src/simulation/disk.ts'
import { createLife } from '../../src/simulation/life.ts'
import { createSchedule, type Schedule } from '../../src/simulation/schedule.ts'
import { ground } from './ground.ts'

interface Noted {
  readonly type: 'noted'
  readonly what: string
}

const stream: Address = 'link:x'

const open = async (schedule: Schedule, disk: Disk) => {
  const life = createLife(() => {})
  const durable: string[] = []
  const opening = openDisk<Noted>({
    name: 'disk',
    disk,
    schedule,
    life,
    clock: createClock(schedule, { offsetMs: 0, asleepMs: 0, rate: 1 }, life),
    random: createDice(1),
    sha256: ground.sha256,
    committed: facts => void durable.push(...facts.map(({ fact }) => fact.what)),
  })
  await schedule.run(schedule.now() + 1)
  const log = await opening
  /** How the append ended, once it has; undefined until then. */
  const append = (what: string) => {
    const ended: { how: string | undefined } = { how: undefined }
    log.append([{ stream, at: 1, fact: { type: 'noted', what } }], { expected: { epoch: log.epoch } }).then(
      ({ firstSeq }) => (ended.how = `fact ${firstSeq}`),
      (error: unknown) => (ended.how = error instanceof LogRefused ? 'refused' : String(error)),
    )
    return ended
  }
  const read = async (): Promise<readonly string[]> => {
    const facts: string[] = []
    for await (const { fact } of log.read(1)) facts.push(fact.what)
    return facts
  }
  return { life, log, append, durable, read }
}

const start = async (fault?: CommitFault) => {
  const schedule = createSchedule(ground.loop)
  const disk = createDisk()
  t.teardown(() => {
    disk.database.close()
  })
  const first = await open(schedule, disk)
  disk.fault = fault
  const pass = (ms: number): Promise<void> => schedule.run(schedule.now() + ms)
  return { schedule, disk, pass, ...first, again: () => open(schedule, disk) }
}

t.test('a commit is durable before it is told, and the program is ahead of its log until then', async t => {
  const { append, durable, disk, pass } = await start()
  const one = append('one')
  t.equal(disk.pending, 1)
  t.same(durable, [])
  await pass(100)
  t.equal(one.how, 'fact 1')
  t.same(durable, ['one'])
  t.equal(disk.pending, 0)
})

t.test('one that fails before it is written leaves nothing, and so does all that comes after', async t => {
  const { append, pass, read } = await start('before')
  const ended = [append('one'), append('two')]
  await pass(100)
  t.same(
    ended.map(({ how }) => how),
    ['refused', 'refused'],
  )
  t.same(await read(), [])
})

t.test('one that fails after it was written is refused, and there at the next start', async t => {
  const { append, pass, life, again } = await start('after')
  const one = append('one')
  await pass(100)
  t.equal(one.how, 'refused')
  life.die()
  t.same(await (await again()).read(), ['one'])
})

t.test('a slow one is told late, and those behind it wait', async t => {
  const { append, pass, durable } = await start('slow')
  const ended = [append('one'), append('two')]
  await pass(2_000)
  t.same(durable, [])
  await pass(1_000)
  t.same(
    ended.map(({ how }) => how),
    ['fact 1', 'fact 2'],
  )
})

t.test('one that never returns is written, and nothing is told any more', async t => {
  const { append, pass, read, disk } = await start('never')
  const ended = [append('one'), append('two')]
  await pass(600_000)
  t.same(
    ended.map(({ how }) => how),
    [undefined, undefined],
  )
  t.same(await read(), ['one'])
  t.equal(disk.pending, 2)
})

t.test('a crash drops what was not written, and nothing of the dead program is told', async t => {
  const { append, pass, life, again, disk } = await start()
  append('one')
  await pass(100)
  disk.fault = 'slow'
  const two = append('two')
  await pass(10)
  life.die()
  const next = await again()
  await pass(100)
  t.same(await next.read(), ['one'])
  t.equal(two.how, undefined)
  t.equal(disk.pending, 0, 'the new program waits for nothing')
  next.append('three')
  await pass(100)
  t.same(await next.read(), ['one', 'three'])
  await pass(10_000)
  t.same(await next.read(), ['one', 'three'], 'and the commit of the dead does not come later')
})
