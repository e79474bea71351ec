/** Puts the chunks of a file in order without holding more than a window of it: pure, so that it can be tested to its edges. */

export const reassemblyLimits = {
  /** Chunks that may wait for one before them. */
  maxAhead: 256,
  /** Bytes that may wait for a chunk before them. */
  maxWaitingBytes: 2_097_152,
  /** Chunks from index 1 on that settle that nobody sends an index 0. */
  settlesBase: 128,
} as const

/** The sender broke the offer; the message is for the log and the person. */
export class TransferRefused extends Error {
  override readonly name = 'TransferRefused'
}

export interface Reassembly {
  /** Takes a chunk and answers what can be appended now, in order. Throws `TransferRefused`; the transfer is over then. */
  accept(index: number, bytes: Uint8Array): readonly Uint8Array[]
  /** No more chunks are sent: settles an index that began at 1. Answers what can be appended now. */
  ended(): readonly Uint8Array[]
  /** Bytes that were handed out. */
  readonly received: number
  /** As many bytes as were offered were handed out. */
  readonly complete: boolean
}

/** @param size bytes that were offered. Chunks count from 0 (SOCP Node) or from 1 (others), in any order within the window. */
export const createReassembly = (size: number): Reassembly => {
  const waiting = new Map<number, Uint8Array>()
  let waitingBytes = 0
  let received = 0
  let next = 0
  let settled = false

  const drain = (): readonly Uint8Array[] => {
    const ready: Uint8Array[] = []
    for (let bytes = waiting.get(next); bytes !== undefined; bytes = waiting.get(next)) {
      waiting.delete(next)
      waitingBytes -= bytes.length
      received += bytes.length
      next += 1
      settled = true
      ready.push(bytes)
    }
    return ready
  }
  const settleOnOne = (): void => {
    if (!settled && !waiting.has(0) && waiting.has(1)) next = 1
  }

  return {
    accept: (index, bytes) => {
      if (!Number.isSafeInteger(index) || index < 0) throw new TransferRefused(`a chunk has the index ${index}`)
      if (index < next || waiting.has(index)) return []
      if (index - next > reassemblyLimits.maxAhead) throw new TransferRefused(`chunk ${index} came while ${next} is missing`)
      if (received + waitingBytes + bytes.length > size) throw new TransferRefused(`more bytes came than the ${size} that were offered`)
      waiting.set(index, bytes)
      waitingBytes += bytes.length
      const full = waitingBytes > reassemblyLimits.maxWaitingBytes
      if (full || waiting.size >= reassemblyLimits.settlesBase || received + waitingBytes === size) settleOnOne()
      const ready = drain()
      if (waitingBytes > reassemblyLimits.maxWaitingBytes) throw new TransferRefused(`too many chunks came while ${next} is missing`)
      return ready
    },
    ended: () => {
      settleOnOne()
      return drain()
    },
    get received() {
      return received
    },
    get complete() {
      return received === size
    },
  }
}
