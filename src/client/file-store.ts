/** Where a client keeps files: an interface, so that a browser or a test can stand in for a disk. */

/** A file on its way in. Calls come one at a time; after `finish` or `discard` there are none. */
export interface IncomingFile {
  /** Appends; resolves when it may be followed by the next. */
  append(bytes: Uint8Array): Promise<void>
  /** Moves it into the download folder under `name` or, when that is taken, a numbered variant. Never overwrites. Answers its path. */
  finish(name: string): Promise<string>
  /** Removes what was written. */
  discard(): Promise<void>
}

/** A file on its way out. */
export interface OutgoingFile {
  readonly name: string
  /** Bytes at the time of opening. */
  readonly size: number
  /** Up to `length` bytes from `offset`; fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

export interface FileStore {
  /** Begins a file under a temporary name; `id` is `[0-9a-f-]` and unique. */
  create(id: string): Promise<IncomingFile>
  /** Removes the temporary file that a program that is gone left for `id`; nothing when there is none. */
  sweep(id: string): Promise<void>
  /** Opens for reading; rejects with a `FileProblem` when there is no such regular file. */
  open(path: string): Promise<OutgoingFile>
}

/** A file that cannot be read or written; the message is one sentence for the person. */
export class FileProblem extends Error {
  override readonly name = 'FileProblem'
}
