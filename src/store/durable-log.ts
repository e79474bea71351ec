/** What a log does beside facts, so that a node can live on it for years: snapshots, signed checkpoints, a base, erasure, read models. */
import type { EventLog } from './log.ts'

/** Signs a text with the node's key; answers base64url. What is signed are the texts of `statements.ts`. */
export type Sign = (text: string) => Promise<string>

/** Sequences `from` … `to`, both included. */
export type Span = readonly [from: number, to: number]

/** A disposable cache of a fold: its state when all facts up to `seq`, and no others, were folded. */
export interface Snapshot {
  readonly seq: number
  /** Hash of the chain at `seq`, hexadecimal. */
  readonly chain: string
  /** Which code folded; a snapshot of another version is worth nothing. */
  readonly foldVersion: string
  /** JSON. */
  readonly state: string
}

export interface SnapshotStore {
  /**
   * Keeps the state at `seq`, once the fact `seq` is committed; the two newest are kept. Rejects with `LogUnusable` when the disk is
   * full (nothing has changed, the log goes on) and with `LogRefused` as an append does.
   */
  save(snapshot: { readonly seq: number; readonly foldVersion: string; readonly state: string }): Promise<void>
  /** The newest that is of this version, whole and on the chain; each that is not is passed over with a sentence to `ignored`. */
  newest(foldVersion: string, ignored?: (why: string) => void): Promise<Snapshot | undefined>
  /** Forgets all. Rejects with `LogUnusable` when one lies on a damaged page; it is never believed. */
  clear(): Promise<void>
}

/** The node's word that the log stood like this once: it shows a changed past, and a tail that was cut off. */
export interface Checkpoint {
  readonly seq: number
  /** Hash of the chain at `seq`, hexadecimal. */
  readonly chain: string
  /** SHA-256 of the fold's state at `seq`, in the form of whoever keeps the fold. */
  readonly stateHash: string
  /** Unix milliseconds. */
  readonly at: number
  /** Over `checkpointText`, base64url. */
  readonly sig: string
}

/** What stands for all facts up to `seq`, which are gone: the fold is this state and the facts after it. Not disposable. */
export interface Base extends Checkpoint {
  /** JSON, brought to today's schema by the steps for `base` in the table of upcasters. */
  readonly state: string
  /** Rows of the read models at `seq`: table → rows. */
  readonly models: Models
}

/** Table → its rows, in the order of their keys. */
export type Models = Readonly<Record<string, readonly ModelRow[]>>
export type ModelRow = Readonly<Record<string, string | number | null>>

export interface Erasure<T extends { readonly type: string }> {
  /** The person; the read models' rows about it are erased. */
  readonly subject: string
  /** Streams that are erased whole: name, salt and the data of every row. */
  readonly belongs: (stream: string) => boolean
  /** Facts on the stream `node` that name the person; their data is erased. None when left out. */
  readonly mentions?: (fact: T) => boolean
  /** Makes the fact `data.erased`; it must have `rows` as they are given, and never name the person. It is appended to the stream `node`. */
  readonly fact: (rows: readonly Span[]) => T
  /** Unix milliseconds. */
  readonly at: number
  /** The base's state without the person; has to be given when there is a base. */
  readonly base?: { readonly state: string; readonly sign: Sign }
}

export interface Erased {
  /** How many rows lost their data. */
  readonly rows: number
  /** Of the fact `data.erased`; undefined when the log knew nothing of the person: then nothing was recorded. */
  readonly seq: number | undefined
  /** False when a reader kept old pages from being overwritten: they are in the WAL until it ends; erase again then. */
  readonly wiped: boolean
}

/** One maintenance at a time: a second call waits for the first. All but `base` and `newest` reject as `append` does. */
export interface DurableLog<T extends { readonly type: string } = { readonly type: string }> extends EventLog<T> {
  readonly snapshots: SnapshotStore
  /**
   * Checks the facts from `from` on against the chain, before they are folded into what is kept or served. Rejects with `LogUnusable`,
   * naming the first that is damaged.
   */
  check(from: number): Promise<void>
  /** Read with `read(base.seq + 1)`; a `read` from earlier begins there too. Rejects with `LogUnusable` when it is damaged. */
  base(): Promise<Base | undefined>
  /** Signs and keeps the state at `seq`, once the fact `seq` is committed. */
  checkpoint(at: { readonly seq: number; readonly stateHash: string; readonly at: number; readonly sign: Sign }): Promise<Checkpoint>
  /** In the order of their sequences; those before the base are gone with their facts. */
  checkpoints(): Promise<readonly Checkpoint[]>
  /**
   * Drops the facts up to `upTo` (committed, after the base of before) and lets `state`, the fold at `upTo`, stand for them.
   * Sequences go on. A stream of which nothing is left begins at version 1 when it comes back. Appends go on meanwhile.
   */
  compact(at: {
    readonly upTo: number
    readonly state: string
    readonly at: number
    readonly sign: Sign
  }): Promise<{ readonly dropped: number }>
  /** Erases a person: facts, stream names, salts, read models, snapshots, the base, free pages. Whoever holds a fold has to fold again. */
  erase(erasure: Erasure<T>): Promise<Erased>
  /** Makes the read models anew from base and facts; answers their numbers of rows: table → rows. */
  rebuild(): Promise<Readonly<Record<string, number>>>
  /** The read models as they stand. */
  models(): Promise<Models>
  /** What the log takes of its disk, in bytes. */
  bytes(): Promise<number>
}
