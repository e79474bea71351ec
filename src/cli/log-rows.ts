/** A fact of the log as a row, for scripts and for people; and which rows a person wants. */
import type { Command } from 'commander'
import type { Fact } from '../domain/facts.ts'
import type { Moment } from '../server/time-travel.ts'
import type { ReadFilter } from '../store/log-reader.ts'
import type { RecordedFact } from '../store/log.ts'
import { moment } from './options.ts'
import { jsonLine, shown, styled } from './output.ts'

/** The row that scripts read. Keys may be added, never changed. */
export const rowOf = ({ seq, stream, version, at, epoch, fact }: RecordedFact<Fact>) => {
  const { type, ...data } = fact
  return { seq, stream, version, type, at, epoch, data }
}

const WIDTHS = { seq: 7, at: 24, epoch: 5, type: 22, stream: 20 } as const

/** Ids are long and alike at the end: their beginning tells them apart. */
const fitted = (text: string, width: number): string => (text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width))

/** Longer texts are keys and signatures, which tell people nothing after their beginning; `--json` has them whole. */
const LONGEST = 64
const BEGINNING = 24
const short = (_key: string, value: unknown): unknown =>
  typeof value === 'string' && value.length > LONGEST ? `${value.slice(0, BEGINNING)}…` : value

/** One line of a table; `width` cuts it to a terminal. */
export const humanLine = (recorded: RecordedFact<Fact>, width: number | undefined): string => {
  const row = rowOf(recorded)
  const head = [
    String(row.seq).padStart(WIDTHS.seq),
    fitted(new Date(row.at).toISOString(), WIDTHS.at),
    String(row.epoch).padStart(WIDTHS.epoch),
    fitted(row.type, WIDTHS.type),
    fitted(shown(row.stream), WIDTHS.stream),
  ].join('  ')
  const data = shown(jsonLine(row.data, short))
  return `${styled('cyan', head)}  ${width === undefined ? data : data.slice(0, Math.max(width - head.length - 2, 10))}`
}

/** The line above them. */
export const heading = (): string =>
  styled(
    'bold',
    ['seq'.padStart(WIDTHS.seq), 'at'.padEnd(WIDTHS.at), 'epoch', 'type'.padEnd(WIDTHS.type), 'stream'.padEnd(WIDTHS.stream), 'data'].join(
      '  ',
    ),
  )

export interface Wanted {
  readonly stream?: string
  readonly type?: string
  readonly since?: Moment
  readonly until?: Moment
}

/** Adds the options that choose rows. */
export const withFilters = (command: Command): Command =>
  command
    .option('--stream <name>', 'only this stream, or with a colon at its end all of a kind: session:')
    .option('--type <type>', 'only facts of this type, or with a dot at its end all of a kind: link.')
    .option('--since <seq|time>', 'begin at this sequence number or time', moment)
    .option('--until <seq|time>', 'end with this sequence number or time', moment)

/** The wanted rows as the store selects them. */
export const filterOf = ({ stream, type, since, until }: Wanted): { readonly from: number; readonly filter: ReadFilter } => ({
  from: since !== undefined && 'seq' in since ? since.seq : 1,
  filter: {
    ...(stream !== undefined && { stream }),
    ...(type !== undefined && { type }),
    ...(since !== undefined && 'at' in since && { since: since.at }),
    ...(until !== undefined && ('at' in until ? { until: until.at } : { to: until.seq })),
  },
})
