/** `socp log`: what a node recorded, whether it runs or not. */
import type { Command } from 'commander'
import { serverDirectory } from './data-directory.ts'
import { addLogExport } from './log-export.ts'
import { addLogTail } from './log-tail.ts'
import { addLogShow } from './log-show.ts'
import { addLogVerify } from './log-verify.ts'
import { filterOf, heading, humanLine, rowOf, withFilters, type Wanted } from './log-rows.ts'
import { withExamples } from './options.ts'
import { jsonLine, printLine, terminalWidth } from './output.ts'
import { withLog } from './past.ts'

interface ListOptions extends Wanted {
  readonly data: string
  readonly json?: true
}

const list = ({ data, json, ...wanted }: ListOptions): Promise<void> =>
  withLog(data, async reader => {
    const { from, filter } = filterOf(wanted)
    if (json !== true) await printLine(heading())
    for await (const recorded of reader.read(from, filter))
      await printLine(json === true ? jsonLine(rowOf(recorded)) : humanLine(recorded, terminalWidth()))
  })

const addLogList = (log: Command): void => {
  const ls = withFilters(
    log
      .command('ls')
      .description('list the recorded facts, of a running or a stopped node')
      .option('--data <dir>', 'data directory', serverDirectory()),
  )
    .option('--json', 'print one JSON object a line')
    .action(list)
  withExamples(ls, [
    ['socp log ls --stream session: --since 100', 'sessions, from fact 100 on'],
    ['socp log ls --type link. --since 2026-05-01T12:00:00Z', 'what links did since noon'],
    ['socp log ls --json | jq .type', 'for a script: {"seq","stream","version","type","at","epoch","data"}'],
  ])
}

/** Each adds a command that reads, in the order of the help. */
const reading: readonly ((log: Command) => void)[] = [addLogList, addLogTail, addLogShow, addLogVerify, addLogExport]

/** Adds `socp log` with all that reads; answers it, so that what writes can be added to it. */
export const addLog = (program: Command): Command => {
  const log = withExamples(program.command('log').description('look into the event log of a node'), [
    ['socp log ls', 'everything that happened to the default server'],
    ['socp log tail -f', 'what happens now'],
    ['socp log verify', 'whether it is whole'],
  ])
  for (const add of reading) add(log)
  return log
}
