/** How much faster than real time a simulated mesh runs under the standard load, with this machine's speed beside it. `node bench/simulation.ts` */
import { cpus } from 'node:os'
import { nodeCrypto } from '../src/crypto/node-crypto.ts'
import { nodeClock } from '../src/ports/node/clock.ts'
import { createTraceFile } from '../src/simulation/node-trace-file.ts'
import { simulate } from '../src/simulation/simulation.ts'
import { createTrace } from '../src/simulation/trace.ts'
import { lines, median, spent } from './measure.ts'

const ROUNDS = 5
const worlds = [
  { name: '5 servers, 40 users, 10 min', servers: 5, users: 40, timeMs: 600_000 },
  { name: '3 servers, 12 users, 60 s', servers: 3, users: 12, timeMs: 60_000 },
] as const

const { sha256 } = nodeCrypto()
/** What a machine does in a CPU second, to compare figures of different ones: JSON texts of a frame's size read and written. */
const machine = async (): Promise<number> => {
  const text = JSON.stringify({ type: 'MSG_DIRECT', payload: { ciphertext: 'x'.repeat(683), content_sig: 'y'.repeat(683) }, ts: 1 })
  const count = 200_000
  const { cpu } = await spent(() => {
    for (let index = 0; index < count; index += 1) JSON.stringify(JSON.parse(text))
  })
  return count / cpu
}

lines([
  `${cpus()[0]?.model ?? 'unknown processor'}; ${Math.round(await machine()).toLocaleString('en')} frames of JSON read and written a CPU second`,
])
for (const { name, ...world } of worlds) {
  const wall: number[] = []
  const cpu: number[] = []
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    let virtualMs = 0
    const time = await spent(async () => {
      const trace = createTraceFile()
      const outcome = await simulate({ seed, ...world }, { loop: nodeClock(), sha256 }, ({ witnesses, schedule }) => {
        witnesses.join(createTrace(trace.write, schedule.now))
      })
      trace.close()
      virtualMs = outcome.virtualMs
    })
    wall.push(virtualMs / 1_000 / time.wall)
    cpu.push(virtualMs / 1_000 / time.cpu)
  }
  lines([
    `${name}, a message every 10 s a user, a fault every 20 s: ${median(wall).toFixed(0)} times real time, ${median(cpu).toFixed(0)} in CPU time (wanted: 500)`,
  ])
}
