/** Message text that says from whom, to whom and when it is (capability `bound`), so that nobody can pass on a ciphertext as their own. */
import { fromUtf8, utf8 } from '../protocol/encoding.ts'
import { ProtocolError } from '../protocol/errors.ts'

/** What the envelope of a message says, and what a bound text must repeat. `ts` is in Unix milliseconds. */
export interface Binding {
  readonly from: string
  readonly to: string
  readonly ts: number
}

/** A message's place among those of its sender: three whole numbers from 0 on. */
export type BoundOrder = readonly [stream: number, number: number, previous: number]

/** The plaintext for a receiver with `bound`: JSON of text, from, to, ts in this order, and `order` for one with `receipts`, as UTF-8. */
export const bindText = (text: string, { from, to, ts }: Binding, order?: BoundOrder): Uint8Array =>
  utf8(JSON.stringify({ text, from, to, ts, ...(order !== undefined && { order }) }))

/**
 * The text of a decrypted message, and whether it was bound: any JSON object of exactly these keys is, however its writer
 * lays it out; everything else is plain text of a client without the capability. Throws `ProtocolError INVALID_SIG` when it is
 * bound to other values than the envelope's: then somebody passes on a ciphertext that was made for another message. Throws
 * `UNKNOWN_TYPE` when it is not UTF-8.
 */
export const unbindText = (
  plaintext: Uint8Array,
  expected: Binding,
): { readonly text: string; readonly bound: boolean; readonly order?: BoundOrder } => {
  const content = decoded(plaintext)
  const found = binding(content)
  if (found === undefined) return { text: content, bound: false }
  const { text, from, to, ts, order } = found
  if (from !== expected.from || to !== expected.to || ts !== expected.ts) {
    throw new ProtocolError('INVALID_SIG', 'rebound', 'This text was written for another message: whoever sent it here did not write it.')
  }
  return { text, bound: true, ...(order !== undefined && { order }) }
}

const decoded = (plaintext: Uint8Array): string => {
  try {
    return fromUtf8(plaintext)
  } catch (error) {
    throw new ProtocolError('UNKNOWN_TYPE', 'not_text', 'The decrypted message is not UTF-8 text.', { cause: error })
  }
}

const isOrder = (value: unknown): value is BoundOrder =>
  Array.isArray(value) && value.length === 3 && value.every(part => Number.isSafeInteger(part) && (part as number) >= 0)

const binding = (content: string): (Binding & { readonly text: string; readonly order?: BoundOrder }) | undefined => {
  if (!/^\s*\{/.test(content)) return undefined
  try {
    const parsed = JSON.parse(content) as Partial<Record<string, unknown>>
    const { text, from, to, ts, order } = parsed
    if (typeof text !== 'string' || typeof from !== 'string' || typeof to !== 'string' || typeof ts !== 'number') return undefined
    const keys = Object.keys(parsed).length
    if (isOrder(order)) return keys === 5 ? { text, from, to, ts, order } : undefined
    return keys === 4 ? { text, from, to, ts } : undefined
  } catch {
    // not JSON is an answer here, not a failure: it is text that begins with a brace
    return undefined
  }
}
