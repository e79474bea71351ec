/** Every backend of a durable log against the one suite. */
import t from 'tap'
import type { DurableLog } from '../../src/store/durable-log.ts'
import { memoryDisk, memoryLog } from '../../src/store/memory-log.ts'
import { durableLogContract, type KeptFact } from './durable-log-contract.ts'
import { logFile, openSample } from './sqlite-place.ts'

const endOfTick = (run: () => void): void => void setImmediate(run)

await durableLogContract(t, 'SQLite', t => {
  const file = logFile(t.testdir({}))
  return { open: async () => (await openSample(file)) as unknown as DurableLog<KeptFact> }
})
await durableLogContract(t, 'memory', () => {
  const disk = memoryDisk()
  return { open: () => Promise.resolve(memoryLog<KeptFact>({ disk, endOfTick })) }
})
await durableLogContract(t, 'a backend whose commits take two turns', () => {
  const disk = memoryDisk()
  return {
    open: () => Promise.resolve(memoryLog<KeptFact>({ disk, endOfTick, commit: done => void setImmediate(() => setImmediate(done)) })),
  }
})
