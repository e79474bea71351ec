/** Text messages as the bytes of WebSocket frames (RFC 6455 §5.2), many in one buffer, so that they leave in one write. */
import { randomFillSync } from 'node:crypto'

const FIN_TEXT = 0x81
const MASKED = 0x80

const headerLength = (length: number, masked: boolean): number => 2 + (length > 65535 ? 8 : length > 125 ? 2 : 0) + (masked ? 4 : 0)

const writeHeader = (target: Buffer, at: number, length: number, masked: boolean): number => {
  target[at] = FIN_TEXT
  const flag = masked ? MASKED : 0
  if (length <= 125) {
    target[at + 1] = flag | length
    return at + 2
  }
  if (length <= 65535) {
    target[at + 1] = flag | 126
    return target.writeUInt16BE(length, at + 2)
  }
  target[at + 1] = flag | 127
  return target.writeBigUInt64BE(BigInt(length), at + 2)
}

/** XORs the payload with the four mask bytes that stand before it (RFC 6455 §5.3). */
const applyMask = (target: Buffer, maskAt: number, from: number, end: number): void => {
  for (let index = from; index < end; index++) target[index] = (target[index] as number) ^ (target[maskAt + ((index - from) & 3)] as number)
}

/** One unfragmented text frame a message, in order, in one buffer. What a client sends must be masked, what a server sends must not be. */
export const encodeTextFrames = (messages: readonly string[], masked: boolean): Buffer => {
  const lengths = messages.map(message => Buffer.byteLength(message))
  const target = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + headerLength(length, masked) + length, 0))
  let at = 0
  for (const [index, message] of messages.entries()) {
    const length = lengths[index] as number
    at = writeHeader(target, at, length, masked)
    const maskAt = at
    if (masked) {
      randomFillSync(target, at, 4)
      at += 4
    }
    target.write(message, at, length, 'utf8')
    if (masked) applyMask(target, maskAt, at, at + length)
    at += length
  }
  return target
}
