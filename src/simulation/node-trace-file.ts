/** Writes a trace to a file, or nowhere, and hashes it on the way. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'

export interface TraceFile {
  readonly write: (line: string) => void
  /** Writes what is left. Answers the SHA-256 of all lines with their ends, in hexadecimal. */
  close(): string
}

/** Lines that are written at once. */
const AT_ONCE = 256

/** Throws what the file system throws when the file cannot be made. An existing file is replaced. */
export const createTraceFile = (path?: string): TraceFile => {
  const file = path === undefined ? undefined : openSync(path, 'w')
  const hash = createHash('sha256')
  let waiting: string[] = []
  const flush = (): void => {
    if (waiting.length === 0) return
    const text = `${waiting.join('\n')}\n`
    waiting = []
    hash.update(text)
    if (file !== undefined) writeSync(file, text)
  }
  return {
    write: line => {
      if (waiting.push(line) >= AT_ONCE) flush()
    },
    close() {
      flush()
      if (file !== undefined) closeSync(file)
      return hash.digest('hex')
    },
  }
}
