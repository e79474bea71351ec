/** What a fold holds in memory after 100,000 and after 1,000,000 facts of the same users: it must not grow with the facts. `node bench/memory.ts [facts]` */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Fact } from '../src/domain/facts.ts'
import { createNodeFold } from '../src/server/replay.ts'
import type { NewFact } from '../src/store/log.ts'
import { history, machineShare } from './history.ts'
import { lines } from './measure.ts'

const FACTS = Number(process.argv[2] ?? 1_000_000)
const USERS = 10_000
/** Parts of the history at which is weighed. */
const AT = [0.1, 0.25, 0.5, 0.75, 1]

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const held = (): number => {
  // the second run frees what finalisers of the first let go
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

/** As a fact comes from the log: made of one text, sharing nothing with any other. */
const read = (fact: NewFact<Fact>): NewFact<Fact> => JSON.parse(JSON.stringify(fact)) as NewFact<Fact>

const facts = history({ facts: FACTS, remote: USERS, local: 1_000, servers: 10, files: 50, populated: true })
// what the history itself keeps is there before the first fact, and is not weighed
const begun = facts.next()
const before = held()
const { state, host } = createNodeFold()
const counts = new Map<string, number>()
const weighed: { readonly facts: number; readonly bytes: number; readonly users: number; readonly machines: number }[] = []
let folded = 0
for (let next = begun; next.done !== true; next = facts.next()) {
  const fact = next.value
  host.apply(read(fact))
  counts.set(fact.fact.type, (counts.get(fact.fact.type) ?? 0) + 1)
  folded += 1
  if (AT.some(part => folded === part * FACTS))
    weighed.push({ facts: folded, bytes: held() - before, users: state.directory.users.size, machines: host.count() })
}
const [first, last] = [weighed[0]?.bytes ?? Number.NaN, weighed.at(-1)?.bytes ?? Number.NaN]
lines([
  `held by the fold after facts of the same ${USERS} remote and 1000 local users, ${(100 * machineShare(counts)).toFixed(0)} % of them with a machine:`,
  ...weighed.map(
    ({ facts: n, bytes, users, machines }) =>
      `  ${n.toLocaleString('en').padStart(9)} facts  ${(bytes / 1e6).toFixed(1)} MB  (${users} users online, ${machines} machines)`,
  ),
  `  ratio ${(last / first).toFixed(2)} (wanted: flat)`,
])
