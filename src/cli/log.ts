/** `socp log`: lists what a node recorded, whether it runs or not. */
import type { Command } from 'commander'
import type { Fact } from '../domain/facts.ts'
import type { RecordedFact } from '../store/log.ts'
import { openLogReader } from '../store/sqlite-reader.ts'
import { existingDirectory, filesIn, serverDirectory } from './data-directory.ts'
import { sequenceNumber, withExamples } from './options.ts'
import { jsonLine, printLine, shown, styled, terminalWidth } from './output.ts'

interface LogOptions {
  readonly data: string
  readonly stream?: string
  readonly since?: number
  readonly json?: true
}

/** The row that scripts read. Keys may be added, never changed. */
const rowOf = ({ seq, stream, version, at, epoch, fact }: RecordedFact<Fact>) => {
  const { type, ...data } = fact
  return { seq, stream, version, type, at, epoch, data }
}

const WIDTHS = { seq: 7, at: 24, epoch: 5, type: 22, stream: 20 } as const

/** Ids are long and alike at the end: their beginning tells them apart. */
const fitted = (text: string, width: number): string => (text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width))

const humanLine = (recorded: RecordedFact<Fact>, width: number | undefined): string => {
  const row = rowOf(recorded)
  const head = [
    String(row.seq).padStart(WIDTHS.seq),
    fitted(new Date(row.at).toISOString(), WIDTHS.at),
    String(row.epoch).padStart(WIDTHS.epoch),
    fitted(row.type, WIDTHS.type),
    fitted(shown(row.stream), WIDTHS.stream),
  ].join('  ')
  const data = shown(jsonLine(row.data))
  return `${styled('cyan', head)}  ${width === undefined ? data : data.slice(0, Math.max(width - head.length - 2, 10))}`
}

const heading = (): string =>
  styled(
    'bold',
    ['seq'.padStart(WIDTHS.seq), 'at'.padEnd(WIDTHS.at), 'epoch', 'type'.padEnd(WIDTHS.type), 'stream'.padEnd(WIDTHS.stream), 'data'].join(
      '  ',
    ),
  )

/** A stream by its whole name, or all of a kind: `session:`. */
const isOf = (wanted: string | undefined, stream: string): boolean =>
  wanted === undefined || stream === wanted || (wanted.endsWith(':') && stream.startsWith(wanted))

const list = async ({ data, stream, since = 1, json }: LogOptions): Promise<void> => {
  const reader = openLogReader<Fact>(filesIn(await existingDirectory(data)).log)
  try {
    if (json !== true) await printLine(heading())
    for await (const recorded of reader.read(since)) {
      if (!isOf(stream, recorded.stream)) continue
      await printLine(json === true ? jsonLine(rowOf(recorded)) : humanLine(recorded, terminalWidth()))
    }
  } finally {
    reader.close()
  }
}

/** Adds `socp log ls`. */
export const addLog = (program: Command): void => {
  const log = withExamples(program.command('log').description('look into the event log of a node'), [
    ['socp log ls', 'everything that happened to the default server'],
  ])
  const ls = log
    .command('ls')
    .description('list the recorded facts, of a running or a stopped node')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--stream <name>', 'only this stream, or with a colon at its end all of a kind: session:')
    .option('--since <seq>', 'begin at this sequence number', sequenceNumber)
    .option('--json', 'print one JSON object a line')
    .action(list)
  withExamples(ls, [
    ['socp log ls --stream session: --since 100', 'sessions, from fact 100 on'],
    ['socp log ls --json | jq .type', 'for a script: {"seq","stream","version","type","at","epoch","data"}'],
  ])
}
