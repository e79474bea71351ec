/** `socp log tail`: the last facts, and with `-f` each new one as it is committed. */
import type { Command } from 'commander'
import type { Fact } from '../domain/facts.ts'
import { nodeClock } from '../ports/node/clock.ts'
import type { LogReader } from '../store/log-reader.ts'
import type { RecordedFact } from '../store/log.ts'
import { serverDirectory } from './data-directory.ts'
import { humanLine, rowOf } from './log-rows.ts'
import { sequenceNumber, withExamples } from './options.ts'
import { jsonLine, printLine, terminalWidth } from './output.ts'
import { withLog } from './past.ts'

interface TailOptions {
  readonly data: string
  readonly lines: number
  readonly follow?: true
  readonly stream?: string
  readonly type?: string
  readonly json?: true
}

/** How often a followed log is looked at: each time a short read that holds nothing open. */
const POLL_MS = 200
/** Facts looked at together when the last ones are searched from the end. */
const WINDOW = 1_000

type Chosen = Pick<TailOptions, 'stream' | 'type'>

const facts = (reader: LogReader<Fact>, from: number, to: number, { stream, type }: Chosen): AsyncIterable<RecordedFact<Fact>> =>
  reader.read(from, { to, ...(stream !== undefined && { stream }), ...(type !== undefined && { type }) })

/** The last `count` facts up to `head`, found from the end in windows that grow, so that a long log is not read whole for ten rows. */
const lastFacts = async (reader: LogReader<Fact>, head: number, count: number, chosen: Chosen): Promise<readonly RecordedFact<Fact>[]> => {
  const first = (reader.base()?.seq ?? 0) + 1
  let found: RecordedFact<Fact>[] = []
  let size = WINDOW
  for (let to = head; to >= first && found.length < count; size *= 2) {
    const from = Math.max(first, to - size + 1)
    const here: RecordedFact<Fact>[] = []
    for await (const recorded of facts(reader, from, to, chosen)) {
      here.push(recorded)
      if (here.length > count) here.shift()
    }
    found = [...here, ...found]
    to = from - 1
  }
  return count === 0 ? [] : found.slice(-count)
}

/** Resolves after a while; or at once when the person or the system asks to end. */
const createPause = (): { readonly ended: () => boolean; wait(ms: number): Promise<void>; release(): void } => {
  const clock = nodeClock()
  let over = false
  let wake: (() => void) | undefined
  const end = (): void => {
    over = true
    wake?.()
  }
  process.on('SIGINT', end).on('SIGTERM', end)
  return {
    ended: () => over,
    wait: ms =>
      new Promise(resolve => {
        if (over) {
          resolve()
          return
        }
        const cancel = clock.after(ms, resolve)
        wake = () => {
          cancel()
          resolve()
        }
      }),
    release: () => {
      process.off('SIGINT', end)
      process.off('SIGTERM', end)
    },
  }
}

const tail = ({ data, lines, follow, json, ...chosen }: TailOptions): Promise<void> =>
  withLog(data, async reader => {
    const print = (recorded: RecordedFact<Fact>): Promise<void> =>
      printLine(json === true ? jsonLine(rowOf(recorded)) : humanLine(recorded, terminalWidth()))
    let head = reader.head()
    for (const recorded of await lastFacts(reader, head, lines, chosen)) await print(recorded)
    if (follow !== true) return
    const pause = createPause()
    try {
      while (!pause.ended()) {
        const now = reader.head()
        if (now > head)
          for await (const recorded of facts(reader, head + 1, now, chosen)) {
            if (pause.ended()) return
            await print(recorded)
          }
        head = now
        await pause.wait(POLL_MS)
      }
    } finally {
      pause.release()
    }
  })

/** Adds `socp log tail`. */
export const addLogTail = (log: Command): void => {
  const command = log
    .command('tail')
    .description('print the last facts, and with -f those that come')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('-n, --lines <count>', 'how many of the last to begin with', sequenceNumber, 10)
    .option('--stream <name>', 'only this stream, or with a colon at its end all of a kind: session:')
    .option('--type <type>', 'only facts of this type, or with a dot at its end all of a kind: link.')
    .option('--json', 'print one JSON object a line')
    .action(tail)
  withExamples(command, [
    ['socp log tail -n 50', 'the last fifty'],
    ['socp log tail -f --stream link:', 'what links do, as it happens'],
    ['socp log tail -f -n 0 --json', 'for a script: the rows of "socp log ls"'],
  ])
}
