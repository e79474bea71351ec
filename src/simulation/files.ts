/** The files of a simulated person: a path says what is in the file, and what is received is kept until the program ends. */
import { FileProblem, type FileStore } from '../client/file-store.ts'
import type { Life } from './life.ts'

/** `SIZE NAME`: a file of that many bytes, all of which follow from the name. */
const pattern = /^(\d+) (.+)$/

export const contentOf = (name: string, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => name.charCodeAt(index % name.length) ^ (index & 255))

const notAny = new Promise<never>(() => {})
const answer = <T>(life: Life, value: T): Promise<T> => (life.calls() ? Promise.resolve(value) : notAny)

export const createFiles = (life: Life): FileStore => {
  let saved = 0
  return {
    create: () => {
      return answer(life, {
        append: () => answer(life, undefined),
        finish: name => answer(life, `${(saved += 1)} ${name}`),
        discard: () => answer(life, undefined),
      })
    },
    sweep: () => answer(life, undefined),
    open(path) {
      const [, size = '', name = ''] = pattern.exec(path) ?? []
      if (name === '') return Promise.reject(new FileProblem(`There is no such file: ${path}`))
      const bytes = contentOf(name, Number(size))
      return answer(life, {
        name,
        size: bytes.length,
        read: (offset, length) => answer(life, bytes.subarray(offset, offset + length)),
        close: () => answer(life, undefined),
      })
    },
  }
}
