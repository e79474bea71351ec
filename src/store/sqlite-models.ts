/** Carries out projections on a database: the log's own in the transaction of the facts, or a scratch one in memory. */
import Database from 'better-sqlite3'
import type { ModelRow, Models } from './durable-log.ts'
import type { RecordedFact } from './log.ts'
import type { Merge, ModelTable, Projections, RowChange } from './projections.ts'
import { isSqliteError } from './sqlite-errors.ts'

/** Rows that were put last are remembered in two generations of this size: presence repeats itself. */
const GENERATION = 10_000

type Value = string | number | null
type Projected = Pick<RecordedFact, 'stream' | 'at' | 'fact'>

export interface ModelTables {
  /** Empty tables, in place of what stood there. */
  create(): void
  /** Rows as they are, beside what stands there. */
  load(models: Models): void
  /** What a fact changes; empty, and told, when its projection cannot take it. */
  changesOf(recorded: Projected): readonly RowChange[]
  /** Carries out what `changesOf` a fact of this stream and type said; a row that cannot be written is told and left out. */
  carryOut(fact: { readonly stream: string; readonly type: string }, changes: readonly RowChange[]): void
  /** Changes that come from no fact. */
  apply(changes: readonly RowChange[]): void
  take(recorded: Projected): void
  /** Forgets what is remembered of the rows; comes after a transaction that was undone. */
  reset(): void
  dump(): Models
  counts(): Readonly<Record<string, number>>
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const merges: Readonly<Record<Merge, (column: string) => string>> = {
  replace: column => `excluded.${column}`,
  keep: column => `coalesce(excluded.${column}, old.${column})`,
  first: column => `old.${column}`,
  pinned: column => `coalesce(old.${column}, excluded.${column})`,
  count: column => `old.${column} + 1`,
}

/** Of the row that was put last: the values that can change something, and of one that is pinned only that there is one. */
type Remembered = readonly Value[]

/** Whether a value changes nothing after the one that was put before it. */
const isNoNews = (merge: Merge, value: Value, before: Value): boolean =>
  value === before || (merge === 'keep' && value === null) || (merge === 'pinned' && (value === null || before !== null))

const putStatement = (name: string, { columns, key }: ModelTable): string => {
  const entries = Object.entries(columns).map(([column, { merge }]) => ({ column: quoted(column), merge, key: key.includes(column) }))
  const changing = entries.filter(entry => !entry.key && entry.merge !== 'first' && entry.merge !== 'count')
  const insert = `INSERT INTO ${quoted(name)} AS old (${entries.map(({ column }) => column).join(', ')})
    VALUES (${entries.map(({ merge }) => (merge === 'count' ? '1' : '?')).join(', ')}) ON CONFLICT (${key.map(quoted).join(', ')})`
  if (changing.length === 0) return `${insert} DO NOTHING`
  const sets = entries
    .filter(entry => !entry.key && entry.merge !== 'first')
    .map(({ column, merge }) => `${column} = ${merges[merge](column)}`)
  // a row that stays the same is not written: presence repeats itself
  const differs = changing.map(({ column, merge }) => `old.${column} IS NOT ${merges[merge](column)}`).join(' OR ')
  return `${insert} DO UPDATE SET ${sets.join(', ')} WHERE ${differs}`
}

/** Drops the tables of whatever read models stood in a database. */
const dropTables = (db: Database.Database, names: readonly string[]): void => {
  for (const name of names) db.exec(`DROP TABLE IF EXISTS ${quoted(name)}`)
}

/**
 * @param troubled hears of a fact that its projection cannot take, which is a bug: it changes no row, here and in every rebuild alike
 */
export const createModelTables = <T extends { readonly type: string }>(
  db: Database.Database,
  { tables, initial, project }: Projections<T>,
  troubled: (why: string) => void,
): ModelTables => {
  const projections = new Map(Object.entries(project)) as Map<string, (recorded: Projected) => readonly RowChange[]>
  const statements = new Map<string, Database.Statement<Value[]>>()
  const prepared = (sql: string): Database.Statement<Value[]> => {
    const known = statements.get(sql)
    if (known) return known
    const statement = db.prepare<Value[]>(sql)
    statements.set(sql, statement)
    return statement
  }
  const puts = new Map(
    Object.entries(tables).map(([name, table]) => [
      name,
      {
        sql: putStatement(name, table),
        key: table.key,
        given: Object.entries(table.columns).flatMap(([column, { merge }]) => (merge === 'count' ? [] : [column])),
        matters: Object.entries(table.columns).flatMap(([column, { merge }]) =>
          merge === 'count' || merge === 'first' ? [] : [[column, merge] as const],
        ),
      },
    ]),
  )
  let recent = new Map<string, Remembered>()
  let older = recent

  const reset = (): void => {
    recent = new Map()
    older = recent
  }

  const remember = (address: string, row: Remembered): void => {
    recent.set(address, row)
    if (recent.size < GENERATION) return
    older = recent
    recent = new Map()
  }

  const put = (name: string, row: ModelRow): void => {
    const target = puts.get(name)
    if (!target) throw new TypeError(`there is no read model ${name}`)
    const address = target.key.reduce((text, column) => `${text}\0${row[column] ?? ''}`, name)
    const known = recent.get(address)
    const before = known ?? older.get(address)
    if (before && target.matters.every(([column, merge], index) => isNoNews(merge, row[column] ?? null, before[index] ?? null))) {
      if (!known) remember(address, before)
      return
    }
    prepared(target.sql).run(...target.given.map(column => row[column] ?? null))
    remember(
      address,
      target.matters.map(([column, merge]) => (merge === 'pinned' && typeof row[column] === 'string' ? '' : (row[column] ?? null))),
    )
  }

  const remove = (name: string, where: ModelRow): void => {
    const columns = Object.keys(where)
    if (columns.length === 0) throw new TypeError(`removing everything from ${name} is not asked for by a fact`)
    reset()
    prepared(`DELETE FROM ${quoted(name)} WHERE ${columns.map(column => `${quoted(column)} IS ?`).join(' AND ')}`).run(
      ...Object.values(where),
    )
  }

  const apply = (changes: readonly RowChange[]): void => {
    for (const change of changes) {
      if ('put' in change) put(change.put, change.row)
      else remove(change.remove, change.where)
    }
  }

  const load = (models: Models): void => {
    for (const [name, rows] of Object.entries(models)) {
      const columns = Object.keys(tables[name]?.columns ?? {})
      // a table that is no longer described has no place to go to
      if (columns.length === 0) continue
      const insert = `INSERT INTO ${quoted(name)} (${columns.map(quoted).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
      for (const row of rows) prepared(insert).run(...columns.map(column => row[column] ?? null))
    }
  }

  const tolerate = ({ stream, type }: { readonly stream: string; readonly type: string }, run: () => void): void => {
    try {
      run()
    } catch (error) {
      if (isSqliteError(error)) throw error
      troubled(`${type} of ${stream} does not fit the read models: ${String(error)}`)
    }
  }

  const changesOf = (recorded: Projected): readonly RowChange[] => {
    const { type } = recorded.fact
    const projection = projections.get(type)
    let changes: readonly RowChange[] = []
    if (projection) {
      tolerate({ stream: recorded.stream, type }, () => {
        changes = projection(recorded)
      })
    }
    return changes
  }

  const carryOut: ModelTables['carryOut'] = (fact, changes) => {
    tolerate(fact, () => {
      apply(changes)
    })
  }

  return {
    create() {
      statements.clear()
      reset()
      dropTables(db, Object.keys(tables))
      for (const [name, { columns, key }] of Object.entries(tables)) {
        const list = Object.entries(columns).map(([column, { type }]) => `${quoted(column)} ${type}`)
        db.exec(`CREATE TABLE ${quoted(name)} (${list.join(', ')}, PRIMARY KEY (${key.map(quoted).join(', ')})) STRICT`)
      }
      load(initial)
    },
    load(models) {
      reset()
      // a base has the initial rows too, as they were by then
      for (const name of Object.keys(models)) if (puts.has(name)) prepared(`DELETE FROM ${quoted(name)}`).run()
      load(models)
    },
    changesOf,
    carryOut,
    apply,
    take(recorded) {
      carryOut({ stream: recorded.stream, type: recorded.fact.type }, changesOf(recorded))
    },
    reset,
    dump: () =>
      Object.fromEntries(
        Object.entries(tables).map(([name, { columns, key }]) => [
          name,
          db
            .prepare<[], ModelRow>(
              `SELECT ${Object.keys(columns).map(quoted).join(', ')} FROM ${quoted(name)} ORDER BY ${key.map(quoted).join(', ')}`,
            )
            .all(),
        ]),
      ),
    counts: () =>
      Object.fromEntries(
        Object.keys(tables).map(name => [
          name,
          db
            .prepare<[], number>(`SELECT count(*) FROM ${quoted(name)}`)
            .pluck()
            .get() ?? 0,
        ]),
      ),
  }
}

/** Read models in memory, for those of a moment that is past; `close` them. */
export const scratchModels = <T extends { readonly type: string }>(
  projections: Projections<T>,
  base: Models | undefined,
  troubled: (why: string) => void,
): ModelTables & { close(): void } => {
  const db = new Database(':memory:')
  const tables = createModelTables(db, projections, troubled)
  tables.create()
  if (base) tables.load(base)
  return {
    ...tables,
    close() {
      db.close()
    },
  }
}
