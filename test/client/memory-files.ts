/** A file store in memory, so that a test sees what a transfer leaves behind. */
import { alternativeName, safeFileName } from '../../src/client/file-name.ts'
import { FileProblem, type FileStore } from '../../src/client/file-store.ts'

export interface MemoryFiles extends FileStore {
  readonly saved: Map<string, Uint8Array>
  /** Temporary files that were neither finished nor discarded. */
  readonly temporary: Map<string, Uint8Array[]>
  readonly swept: string[]
  readonly readable: Map<string, Uint8Array>
  /** Paths that were opened and not closed. */
  readonly reading: Set<string>
}

export const memoryFiles = (): MemoryFiles => {
  const saved = new Map<string, Uint8Array>()
  const temporary = new Map<string, Uint8Array[]>()
  const readable = new Map<string, Uint8Array>()
  const swept: string[] = []
  const reading = new Set<string>()
  return {
    saved,
    temporary,
    readable,
    reading,
    swept,
    create: id => {
      const parts: Uint8Array[] = []
      temporary.set(id, parts)
      return Promise.resolve({
        append: bytes => {
          parts.push(bytes)
          return Promise.resolve()
        },
        finish: offered => {
          const name = safeFileName(offered)
          for (let attempt = 0; ; attempt++) {
            const path = alternativeName(name, attempt)
            if (saved.has(path)) continue
            saved.set(path, Buffer.concat(parts))
            temporary.delete(id)
            return Promise.resolve(path)
          }
        },
        discard: () => {
          temporary.delete(id)
          return Promise.resolve()
        },
      })
    },
    sweep: id => {
      swept.push(id)
      return Promise.resolve()
    },
    open: path => {
      const bytes = readable.get(path)
      if (bytes === undefined) return Promise.reject(new FileProblem(`There is no such file: ${path}`))
      reading.add(path)
      return Promise.resolve({
        name: path,
        size: bytes.length,
        read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
        close: () => {
          reading.delete(path)
          return Promise.resolve()
        },
      })
    },
  }
}
