/** What a fault point costs where nobody uses it: a loop with the call of the empty function, and one without. `node bench/fault-points.ts` */
import { noFaultPoint } from '../src/ports/fault-points.ts'
import { cpuSeconds, lines, median } from './measure.ts'

const CALLS = 50_000_000
const ROUNDS = 7

let sum = 0
const bare = (): void => {
  for (let index = 0; index < CALLS; index += 1) sum += index & 7
}
const withPoints = (reach: typeof noFaultPoint): void => {
  for (let index = 0; index < CALLS; index += 1) {
    sum += index & 7
    reach('fact folded')
  }
}

const costs: number[] = []
for (let round = 0; round < ROUNDS; round += 1) {
  const without = await cpuSeconds(bare)
  const having = await cpuSeconds(() => {
    withPoints(noFaultPoint)
  })
  costs.push(((having - without) / CALLS) * 1e9)
}
lines([
  `a fault point that nobody uses: ${median(costs).toFixed(2)} ns, median of ${ROUNDS} rounds of ${CALLS.toLocaleString('en')} calls`,
  `(the reference is the same loop without it; checksum ${sum})`,
])
