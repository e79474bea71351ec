/** What is left of a log whose process was killed, or whose disk gave up, in the middle of its work. */
import t from 'tap'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { readAll, type SampleFact } from './event-log-contract.ts'
import { startChild } from './child.ts'
import { logFile, openSample, sha256 } from './sqlite-place.ts'

const KILLS = 6

/** Uses up a part of a tick, so that the kill falls at another instant of a commit each time. Not a wait: the loop must not turn. */
const spin = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

t.test(
  'after kill -9 in the middle of appends the chain is whole, all that was acknowledged is there, and the epoch is the next',
  async t => {
    const file = logFile(t.testdir({}))
    let acknowledged = 0
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const { child, lines, gone } = startChild(file, 'forever')
      t.equal((await lines.next()).value?.epoch, 2 * kill - 1)
      // each time a little later, so that some kills fall before and some after the first checkpoint of the WAL
      for (let heard = 0; heard < 40 * kill; heard += 1) acknowledged = (await lines.next()).value?.acknowledged ?? acknowledged
      spin(kill / KILLS)
      child.kill('SIGKILL')
      // what it had said before the kill counts too
      for (let line = await lines.next(); !line.done; line = await lines.next()) acknowledged = line.value.acknowledged ?? acknowledged
      await gone

      const reader = openLogReader<SampleFact>(file)
      const verdict = reader.verify(sha256)
      t.match(verdict, { ok: true }, `kill ${kill}: readable and whole before anyone repairs it`)
      t.ok(verdict.seq >= acknowledged, `kill ${kill}: ${verdict.seq} recorded, ${acknowledged} acknowledged`)
      reader.close()

      const log = await openSample(file)
      t.equal(log.epoch, 2 * kill)
      t.equal(verdict.seq % 24, 0, 'a tick is there whole or not at all')
      t.equal(await log.head(), verdict.seq)
      t.equal((await readAll(log)).length, verdict.seq)
      await log.close()
    }
  },
)

t.test('a disk that takes no more refuses the append and every later one, and loses nothing that was acknowledged', async t => {
  const file = logFile(t.testdir({}))
  const { lines, gone } = startChild(file, 'forever', 1_500)
  let acknowledged = 0
  let refused: string | undefined
  let again: unknown
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    acknowledged = line.value.acknowledged ?? acknowledged
    refused = line.value.refused ?? refused
    again = line.value.again ?? again
  }
  await gone
  t.ok(acknowledged > 0)
  t.match(refused, /^LogRefused: Nothing more can be recorded\. The log .* disk .*start again/)
  t.equal(again, refused, 'it is not tried again')
  const log = await openSample(file)
  t.equal(await log.head(), acknowledged)
  await log.close()
  const reader = openLogReader(file)
  t.match(reader.verify(sha256), { ok: true, seq: acknowledged })
  reader.close()
})

t.test('a log has one writer: a second process is refused with a sentence until the first is gone, even by kill -9', async t => {
  const file = logFile(t.testdir({}))
  const first = startChild(file, 'hold')
  t.equal((await first.lines.next()).value?.epoch, 1)

  const second = startChild(file, 'hold')
  t.match(
    (await second.lines.next()).value?.error,
    new RegExp(`^LogUnusable: The log .*log\\.db is in use by process ${first.child.pid}: stop it first`),
  )
  await second.gone
  t.equal(second.child.exitCode, 78)
  await t.rejects(openSample(file), { name: 'LogUnusable', message: /in use by process/ })

  first.child.kill('SIGKILL')
  await first.gone
  const log = await openSample(file)
  t.equal(log.epoch, 2)
  await t.rejects(openSample(file), { name: 'LogUnusable' }, 'in one process too')
  await log.close()
})
