/** The contract of reading a log beside its writer: for `socp log`, `socp state`, `socp replay` and everything that looks back. */
import type { Crypto } from '../ports/crypto.ts'
import type { Base, Checkpoint, Models, Span } from './durable-log.ts'
import type { RecordedFact } from './log.ts'
import type { Projections } from './projections.ts'

/** All that is given must hold. */
export interface ReadFilter {
  /** Last sequence, included. */
  readonly to?: number
  /** A stream by its whole name, or with a colon at its end all of a kind: `session:`. */
  readonly stream?: string
  /** The type as it is stored, before upcasting; with a dot at its end all of a kind: `link.`. */
  readonly type?: string
  /** Unix milliseconds, both included. */
  readonly since?: number
  readonly until?: number
}

/** One checkpoint that agrees with the rows; the base is one too. */
export interface CheckpointResult {
  readonly kind: 'checkpoint' | 'base'
  readonly seq: number
  readonly at: number
  /** `unchecked`: on the chain, but its signature was not looked at. `good`: that too. A bad one makes the verdict not ok. */
  readonly result: 'good' | 'unchecked'
}

/** `chain` is the hash of row `seq` in hexadecimal: two logs with the same are the same. */
export type Verdict =
  | {
      readonly ok: true
      /** The last row. */
      readonly seq: number
      readonly chain: string
      /** The first row that is left; the base stands for those before. */
      readonly from: number
      /** Rows whose data was erased, each declared by a fact `data.erased`. */
      readonly erased: readonly Span[]
      readonly checkpoints: readonly CheckpointResult[]
    }
  /** The first row that is damaged, and what is wrong with it. */
  | { readonly ok: false; readonly seq: number; readonly why: string }

export interface SnapshotEntry {
  readonly seq: number
  readonly foldVersion: string
  readonly bytes: number
}

export interface LogReader<T extends { readonly type: string } = { readonly type: string }> {
  /**
   * Facts from `from` on, after the base when there is one, upcast, up to the head at the time of the call. Pages are short: nothing is
   * held open across a wait, so a caller may stop anywhere for as long as it likes.
   */
  read(from: number, filter?: ReadFilter): AsyncIterableIterator<RecordedFact<T>>
  /** Sequence of the last committed fact at this moment, 0 when there is none. */
  head(): number
  /** What stands for the facts that were dropped; a fold begins with its state. */
  base(): Base | undefined
  /** In the order of their sequences. */
  checkpoints(): readonly Checkpoint[]
  /** Newest first; whether one is valid, only the node cares. */
  snapshots(): readonly SnapshotEntry[]
  /** The read models as they were when `upTo` was the last fact (the head when left out). */
  models(projections: Projections<T>, upTo?: number): Promise<Models>
  /** Checks every row up to the head against the chain, but no signature; blocks while it does. */
  verify(sha256: Crypto['sha256']): Verdict
  /** The same, and every signature by `valid(text, sig)`; the first that is not makes the verdict not ok. */
  verifySigned(sha256: Crypto['sha256'], valid: (text: string, sig: string) => Promise<boolean>): Promise<Verdict>
  /** Copies the log to a new file as it is at one moment, whoever writes meanwhile. Rejects with `LogUnusable` when there is a file. */
  backup(file: string): Promise<void>
  close(): void
}
