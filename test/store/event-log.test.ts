/** Every backend of the event log against the one suite. */
import t from 'tap'
import { memoryDisk, memoryLog } from '../../src/store/memory-log.ts'
import { eventLogContract, type Place, type SampleFact } from './event-log-contract.ts'
import { logFile, openSample, tamper } from './sqlite-place.ts'

const endOfTick = (run: () => void): void => void setImmediate(run)

/** A clock on which 50 ms pass as soon as the program has nothing else to do. */
const eagerClock = () => {
  let now = 0
  const due: { at: number; run: () => void }[] = []
  const step = (): void => {
    due.sort((a, b) => a.at - b.at)
    const next = due.shift()
    if (!next) return
    now = next.at
    next.run()
  }
  return {
    now: () => now,
    after(ms: number, run: () => void) {
      due.push({ at: now + ms, run })
      // two turns, so that input of the next tick arrives while the commit still runs
      setImmediate(() => setImmediate(step))
    },
  }
}

const memoryPlace = (): Place => {
  const disk = memoryDisk()
  return {
    open: () => Promise.resolve(memoryLog<SampleFact>({ disk, endOfTick })),
    takeOver: () => void memoryLog<SampleFact>({ disk }),
  }
}

const slowPlace = (): Place => {
  const disk = memoryDisk()
  const clock = eagerClock()
  return {
    open: () =>
      Promise.resolve(
        memoryLog<SampleFact>({
          disk,
          endOfTick,
          commit: done => {
            clock.after(50, done)
          },
        }),
      ),
    takeOver: () => void memoryLog<SampleFact>({ disk }),
  }
}

/** The other writer comes while this one's commit is already on its way. */
const fencelessPlace = (): Place => {
  const disk = memoryDisk()
  const clock = eagerClock()
  let lost = false
  return {
    open: () =>
      Promise.resolve(
        memoryLog<SampleFact>({
          disk,
          endOfTick,
          commit(done) {
            if (lost) clock.after(25, () => void memoryLog<SampleFact>({ disk }))
            lost = false
            clock.after(50, done)
          },
        }),
      ),
    takeOver() {
      lost = true
    },
  }
}

await eventLogContract(t, 'SQLite', t => {
  const file = logFile(t.testdir({}))
  return {
    open: () => openSample(file),
    takeOver: () => {
      tamper(file, 'UPDATE writer SET epoch = epoch + 1')
    },
  }
})
await eventLogContract(t, 'memory', memoryPlace)
await eventLogContract(t, 'a backend whose commits take 50 ms', slowPlace)
await eventLogContract(t, 'a backend that loses its fence during a commit', fencelessPlace)
