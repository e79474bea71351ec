/** How far a file may be ahead of its reader, whose program says from time to time how much it has written: a slow one is not buried. */
import { verifyPayload } from '../../crypto/transport-signature.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Crypto } from '../../ports/crypto.ts'
import type { Frame } from '../../protocol/envelope.ts'
import type { FileId, UserId } from '../../protocol/ids.ts'
import type { KeyBook } from '../key-book.ts'

/** Listed by programs that say how much of a file they have written. */
export const PACE_CAP = 'pace'

export const paceLimits = {
  /** Chunks that may be ahead of what was written: fewer than a reader takes in before its socket is held up. */
  window: 32,
  /** Written chunks after which the reader says so. */
  every: 8,
  /** Milliseconds without a word after which more is sent: a word may be lost. Without a first one the reader is not waited for. */
  patienceMs: 10_000,
} as const

/** What a reader's receipt names when so many chunks of a file are written. */
export const paceRef = (file: string, chunks: number): string => `${file}/${chunks}`

export interface Pace {
  /** Whether the file has to wait for its reader, with so many chunks sent. */
  full(sent: number): boolean
  end(): void
}

export interface Pacing {
  /** A file to a reader whose program keeps pace. */
  begin(file: FileId, reader: UserId): Pace
  receipt(frame: Frame<'RECEIPT'>): Promise<void>
}

interface Ahead {
  readonly reader: UserId
  written: number
  heard: boolean
  alone: boolean
  /** Since when nothing was heard while it waits, in monotonic milliseconds. */
  since: number
}

export interface PacingOptions {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly userId: UserId
  readonly keyBook: Pick<KeyBook, 'pinned'>
}

export const createPacing = ({ clock, crypto, userId, keyBook }: PacingOptions): Pacing => {
  const files = new Map<string, Ahead>()

  return {
    begin(file, reader) {
      const ahead: Ahead = { reader, written: 0, heard: false, alone: false, since: clock.monotonic() }
      files.set(file, ahead)
      return {
        full(sent) {
          const now = clock.monotonic()
          if (ahead.alone || sent - ahead.written < paceLimits.window) {
            ahead.since = now
            return false
          }
          if (now - ahead.since < paceLimits.patienceMs) return true
          if (ahead.heard) ahead.written += paceLimits.every
          else ahead.alone = true
          ahead.since = now
          return false
        },
        end: () => {
          files.delete(file)
        },
      }
    },
    async receipt({ from, payload: { sender, recipient, refs, state }, payloadText, sig }) {
      if (sender !== userId || from !== recipient || state !== 'delivered' || sig === undefined) return
      const words = refs.flatMap(ref => {
        const at = ref.lastIndexOf('/')
        const ahead = files.get(ref.slice(0, at))
        return ahead?.reader === recipient ? [{ ahead, chunks: Number(ref.slice(at + 1)) }] : []
      })
      if (words.length === 0) return
      const known = await keyBook.pinned(recipient)
      if (known === undefined || !(await verifyPayload(crypto, known.verify, payloadText, sig))) return
      for (const { ahead, chunks } of words) {
        if (!Number.isSafeInteger(chunks)) continue
        ahead.heard = true
        ahead.since = clock.monotonic()
        ahead.written = Math.max(ahead.written, chunks)
      }
    },
  }
}
