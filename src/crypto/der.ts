/** As much of DER (ITU-T X.690 §10) as RSA keys need: a strict reader that says what is wrong, and a writer. */

/** Tags of X.690 §8 that occur in key structures. */
export const tags = { integer: 0x02, bitString: 0x03, octetString: 0x04, null: 0x05, oid: 0x06, sequence: 0x30 } as const

/** What is wrong with a structure, as a clause: `it ends in the middle of a value`. Callers turn it into their own error. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

export interface DerReader {
  /** True when everything was read. */
  readonly done: boolean
  /** The tag of the next value, undefined at the end. */
  readonly tag: number | undefined
  /** The content of the next value, which must have this tag. */
  read(tag: number): Uint8Array
  /** A reader over the content of the next SEQUENCE. */
  sequence(): DerReader
  /** The magnitude of the next INTEGER, big endian without leading zeros; negative ones are refused. */
  unsigned(): Uint8Array
  /** Refuses anything left over. */
  end(): void
}

/** Reads values one after the other; throws `DerError` at the first byte that DER does not allow. */
export const readDer = (bytes: Uint8Array): DerReader => {
  let at = 0
  const byte = (): number => {
    const value = bytes[at++]
    if (value === undefined) throw new DerError('it ends in the middle of a value')
    return value
  }
  const length = (): number => {
    const first = byte()
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 3) throw new DerError('it holds a length that DER does not allow')
    let value = 0
    for (let i = 0; i < count; i++) value = value * 256 + byte()
    // X.690 §10.1: the shortest form only, so that one key has one encoding
    if (value < 0x80 || value < 256 ** (count - 1)) throw new DerError('it holds a length that is not in its shortest form')
    return value
  }
  const read = (tag: number): Uint8Array => {
    const found = byte()
    if (found !== tag) throw new DerError(`it holds a value of type ${String(found)} where type ${String(tag)} is expected`)
    const size = length()
    if (size > bytes.length - at) throw new DerError('it ends in the middle of a value')
    return bytes.subarray(at, (at += size))
  }
  return {
    get done() {
      return at === bytes.length
    },
    get tag() {
      return bytes[at]
    },
    read,
    sequence: () => readDer(read(tags.sequence)),
    unsigned: () => {
      const content = read(tags.integer)
      const [first, second] = content
      if (first === undefined) throw new DerError('it holds an empty number')
      if (first >= 0x80) throw new DerError('it holds a negative number')
      if (first === 0 && second !== undefined && second < 0x80) throw new DerError('it holds a number that is not in its shortest form')
      return first === 0 ? content.subarray(1) : content
    },
    end: () => {
      if (at !== bytes.length) throw new DerError(`${String(bytes.length - at)} bytes follow after its end`)
    },
  }
}

/** One value: its tag, its length in the shortest form, its content. */
export const der = (tag: number, ...contents: readonly Uint8Array[]): Uint8Array => {
  const size = contents.reduce((sum, content) => sum + content.length, 0)
  const head = [tag, ...derLength(size)]
  const bytes = new Uint8Array(head.length + size)
  bytes.set(head)
  let at = head.length
  for (const content of contents) {
    bytes.set(content, at)
    at += content.length
  }
  return bytes
}

/** An INTEGER from its magnitude; a zero goes before a leading bit that would make it negative (X.690 §8.3). */
export const derUnsigned = (magnitude: Uint8Array): Uint8Array =>
  der(tags.integer, (magnitude[0] ?? 0x80) >= 0x80 ? new Uint8Array([0]) : new Uint8Array(), magnitude)

const derLength = (size: number): readonly number[] => {
  if (size < 0x80) return [size]
  const bytes: number[] = []
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}
