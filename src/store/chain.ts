/** The hash chain over the log's rows: each row's hash covers the row before it, its own header and the hash of its data. */
import type { Crypto } from '../ports/crypto.ts'

export const HASH_BYTES = 32
export const SALT_BYTES = 16

/** What of a row the chain covers beside the hashes. All numbers are integers from 0 to 2^53 - 1. */
export interface RowHeader {
  readonly seq: number
  readonly version: number
  readonly schema: number
  readonly at: number
  readonly epoch: number
  readonly type: string
}

export interface Chain {
  /** SHA-256 of the stream's salt and a text: a stream's name or a fact's data. Without the salt the text cannot be guessed. */
  saltedHash(salt: Uint8Array, text: string): Uint8Array
  /**
   * SHA-256 of: chain of the row before, data hash, name hash (32 bytes each), seq, version, schema, at, epoch (8 bytes each,
   * big endian), type (UTF-8, the rest).
   */
  link(previous: Uint8Array, dataHash: Uint8Array, nameHash: Uint8Array, header: RowHeader): Uint8Array
}

/** What stands before the first row. */
export const genesis = (): Uint8Array => new Uint8Array(HASH_BYTES)

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false
  return a.length === b.length
}

/** Makes the two hash functions; they share a scratch buffer, because they run for every row. */
export const createChain = (sha256: Crypto['sha256']): Chain => {
  const encoder = new TextEncoder()
  let scratch = new Uint8Array(4096)
  let view = new DataView(scratch.buffer)

  const putText = (text: string, offset: number): Uint8Array => {
    const atMost = offset + 3 * text.length
    if (atMost > scratch.length) {
      const grown = new Uint8Array(2 * atMost)
      grown.set(scratch.subarray(0, offset))
      scratch = grown
      view = new DataView(scratch.buffer)
    }
    const { written } = encoder.encodeInto(text, scratch.subarray(offset))
    return scratch.subarray(0, offset + written)
  }

  const putNumber = (value: number, offset: number): void => {
    view.setUint32(offset, Math.floor(value / 2 ** 32))
    view.setUint32(offset + 4, value >>> 0)
  }

  return {
    saltedHash(salt, text) {
      scratch.set(salt)
      return sha256(putText(text, salt.length))
    },
    link(previous, dataHash, nameHash, { seq, version, schema, at, epoch, type }) {
      scratch.set(previous, 0)
      scratch.set(dataHash, HASH_BYTES)
      scratch.set(nameHash, 2 * HASH_BYTES)
      putNumber(seq, 96)
      putNumber(version, 104)
      putNumber(schema, 112)
      putNumber(at, 120)
      putNumber(epoch, 128)
      return sha256(putText(type, 136))
    },
  }
}
