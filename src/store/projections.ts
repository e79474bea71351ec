/** How read models are described: which tables, and which rows come from which facts; the store carries it out. */
import type { Models, ModelRow } from './durable-log.ts'
import type { RecordedFact } from './log.ts'

/**
 * What a new value does to the one that stands there: `replace` it, `keep` the old one when the new one is null, keep what came `first`,
 * null too, or what is `pinned`: the first that was not null. `count` ignores the given value: 1 in a new row, one more with every change of another column.
 */
export type Merge = 'replace' | 'keep' | 'first' | 'pinned' | 'count'

export interface Column {
  readonly type: 'TEXT' | 'INTEGER'
  readonly merge: Merge
}

export interface ModelTable {
  readonly columns: Readonly<Record<string, Column>>
  /** Columns that make the primary key. */
  readonly key: readonly string[]
}

export type RowChange =
  /** A row with these values; columns that are left out are null. */
  | { readonly put: string; readonly row: ModelRow }
  /** Removes the rows whose columns have these values. */
  | { readonly remove: string; readonly where: ModelRow }

export interface Projections<T extends { readonly type: string } = { readonly type: string }> {
  /** Changes with every change below: the tables are dropped and made anew from base and facts. */
  readonly version: string
  readonly tables: Readonly<Record<string, ModelTable>>
  /** Rows before the first fact. */
  readonly initial: Models
  /** Fact type → rows. Pure; what is not listed here changes nothing. */
  readonly project: {
    readonly [Type in T['type']]?: (
      recorded: Pick<RecordedFact<Extract<T, { readonly type: Type }>>, 'stream' | 'at' | 'fact'>,
    ) => readonly RowChange[]
  }
  /** What removes all rows about a person. */
  readonly erase: (subject: string) => readonly RowChange[]
}
