/** The one place where facts of older schema versions become today's, on reading. */
import { LogUnusable } from './log.ts'

/** A fact as it was parsed from a row, of whatever version. */
export type StoredFact = Readonly<Record<string, unknown>>

/**
 * Fact type → steps from each schema version to the next: `{ 'user.advertised': [v1→v2, v2→v3] }`. A type without steps is at
 * version 1. A step answers a new fact, or the same object changed in place; it may rename the type.
 */
export type Upcasters = Readonly<Record<string, readonly ((fact: StoredFact) => StoredFact)[]>>

export interface Schemas {
  /** The schema version that facts of this type are written with today. */
  of(type: string): number
  /** Brings a fact to today's shape. Throws `LogUnusable`, naming the row, when a newer program wrote it. */
  upcast(fact: StoredFact, row: { readonly seq: number; readonly type: string; readonly schema: number }): StoredFact
}

/** Makes the table ready for use; one per log. */
export const createSchemas = (upcasters: Upcasters = {}): Schemas => {
  // a Map, because a type from a foreign file could be 'constructor'
  const steps = new Map(Object.entries(upcasters))
  const of = (type: string): number => (steps.get(type)?.length ?? 0) + 1
  return {
    of,
    upcast(fact, { seq, type, schema }) {
      const known = of(type)
      if (schema === known) return fact
      if (schema > known || schema < 1) {
        throw new LogUnusable(
          `Row ${seq} of the log (${type}) has schema version ${schema}, and this program knows 1 to ${known}: use the newer version that wrote it.`,
        )
      }
      return (steps.get(type) ?? []).slice(schema - 1).reduce((older, step) => step(older), fact)
    },
  }
}
