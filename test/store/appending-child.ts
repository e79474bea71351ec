/** A process that appends to a log without end, for tests that kill it or take its disk away; run with the file as its argument. */
import { writeSync } from 'node:fs'
import { advertised } from './event-log-contract.ts'
import { openSample } from './sqlite-place.ts'

const [, , file = '', how = 'forever'] = process.argv
/** One JSON object a line, written at once: what was said before a kill has been said. */
const say = (what: unknown): void => void writeSync(1, `${JSON.stringify(what)}\n`)

const log = await openSample(file).catch((error: unknown) => {
  say({ error: String(error) })
  process.exit(78)
})
say({ epoch: log.epoch })
for (let batch = 0; how === 'forever'; batch += 1) {
  try {
    // several batches a tick, of different sizes, so that a kill finds transactions of all kinds
    const acknowledged = await Promise.all(
      [1, 3, 20].map(async size => {
        const facts = Array.from({ length: size }, (_, index) => advertised(`${log.epoch}-${(batch + index) % 50}`, batch))
        const { firstSeq } = await log.append(facts, { expected: { epoch: log.epoch } })
        return firstSeq + size - 1
      }),
    )
    say({ acknowledged: acknowledged.at(-1) })
  } catch (error) {
    const again = await log.append([advertised('again')], { expected: { epoch: log.epoch } }).catch((second: unknown) => String(second))
    say({ refused: String(error), again })
    break
  }
}
if (how === 'hold') process.stdin.resume()
