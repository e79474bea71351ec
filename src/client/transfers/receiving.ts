/** Files on their way in (SOCP §9.4): bounded offers, chunks in any order within a window, a hash that must fit, and a safe name at the end. */
import { sha256 } from '@noble/hashes/sha2.js'
import { openBlocks } from '../../crypto/content.ts'
import { createRecent } from '../../crypto/recent.ts'
import type { PrivateKey } from '../../ports/crypto.ts'
import type { Ports } from '../../ports/ports.ts'
import type { AnyFrame } from '../../protocol/envelope.ts'
import { ProtocolError } from '../../protocol/errors.ts'
import { toHex } from '../../protocol/encoding.ts'
import type { FileId, UserId } from '../../protocol/ids.ts'
import { isAuthor, type Authored } from '../authorship.ts'
import type { ClientEvent } from '../events.ts'
import { safeFileName } from '../file-name.ts'
import { FileProblem, type FileStore, type IncomingFile } from '../file-store.ts'
import type { Confirming } from '../confirming.ts'
import type { Journal } from '../journal.ts'
import { type KeyBook, NoKey } from '../key-book.ts'
import { PACE_CAP, paceLimits, paceRef } from './pacing.ts'
import { createReassembly, TransferRefused, type Reassembly } from './reassembly.ts'
import type { Stalls } from './stalls.ts'

export const receivingLimits = {
  /** Files that come in at once. */
  maxTransfers: 16,
  /** Of those, from one sender. */
  maxPerSender: 4,
} as const

export interface Offer extends Authored {
  readonly file_id: FileId
  readonly name: string
  readonly size: number
  readonly sha256?: string | undefined
}
export interface Chunk {
  readonly file_id: FileId
  readonly index: number
  readonly ciphertext: string
}

export interface ReceivingOptions {
  readonly ports: Ports
  readonly userId: UserId
  readonly privateKey: PrivateKey
  readonly journal: Journal
  readonly keyBook: KeyBook
  readonly stalls: Stalls
  readonly files: FileStore
  readonly maxFileBytes: number
  readonly nameOf: (user: UserId) => string
  readonly emit: (event: ClientEvent) => void
  readonly confirming: Confirming
}

/** Each is called in the order of the frames of one file, and resolves when the frame was dealt with. */
export interface Receiving {
  offered(frame: AnyFrame, offer: Offer, sender: UserId): Promise<void>
  chunk(chunk: Chunk, sender: UserId): Promise<void>
  ended(file: FileId, sender: UserId): Promise<void>
}

interface Incoming {
  /** Ours: the log's stream and the temporary name, since a file id is the sender's choice. */
  readonly id: string
  readonly sender: UserId
  readonly offer: Offer
  readonly verified: boolean
  readonly file: IncomingFile
  readonly reassembly: Reassembly
  readonly hash: ReturnType<typeof sha256.create>
  progressAt: number
  /** The sender waits for word of what was written; how many chunks that is. */
  readonly paced: boolean
  chunks: number
  /** FILE_END came; chunks that it overtook may still come. */
  ended: boolean
}

export const createReceiving = (options: ReceivingOptions): Receiving => {
  const { ports, userId, privateKey, journal, keyBook, stalls, files, maxFileBytes, nameOf, emit, confirming } = options
  const transfers = new Map<string, Incoming>()
  /** Offers whose author is being checked or whose file is being made; they count. */
  const opening = new Map<string, UserId>()
  /** Senders who were told of as refused, so that a flood of offers is not a flood of lines. */
  const complained = createRecent<UserId, string>(256)

  const keyOf = (sender: UserId, file: FileId): string => `${sender}\n${file}`
  const refuse = (sender: UserId, why: string): void => {
    if (complained.get(sender) === why) return
    complained.set(sender, why)
    emit({ event: 'error', code: 'FILE_REFUSED', detail: `A file from ${nameOf(sender)} was refused: ${why}` })
  }
  const problemWith = (offer: Offer, sender: UserId): string | undefined => {
    if (offer.size > maxFileBytes) return `it has ${offer.size} bytes, more than ${maxFileBytes} are not taken.`
    const all = transfers.size + opening.size
    const theirs = [...transfers.values()].filter(incoming => incoming.sender === sender).length
    const theirsOpening = [...opening.values()].filter(opener => opener === sender).length
    if (all >= receivingLimits.maxTransfers || theirs + theirsOpening >= receivingLimits.maxPerSender)
      return 'too many files come in at once.'
    return undefined
  }

  const fail = (incoming: Incoming, why: string): void => {
    // over already: by a stall, a loss, or the end of the program
    if (!transfers.delete(keyOf(incoming.sender, incoming.offer.file_id))) return
    journal.record(`transfer:${incoming.id}`, { type: 'incoming.failed', transfer: incoming.id, why })
  }
  const abandoned = async (incoming: Incoming, why: string): Promise<void> => {
    try {
      await incoming.file.discard()
    } finally {
      const detail = `${safeFileName(incoming.offer.name)} from ${nameOf(incoming.sender)} was not received: ${why}`
      emit({ event: 'error', code: 'FILE_FAILED', detail })
    }
  }

  const keepsPace = async (sender: UserId): Promise<boolean> => {
    try {
      return (await keyBook.recipient(sender)).caps.includes(PACE_CAP)
    } catch (error) {
      if (!(error instanceof NoKey)) throw error
      return false
    }
  }

  const begin = async (frame: AnyFrame, offer: Offer, sender: UserId): Promise<void> => {
    const author = await isAuthor(frame, offer, sender, { crypto: ports.crypto, keyBook, journal })
    const paced = await keepsPace(sender)
    const id = ports.random.uuid()
    const stream = `transfer:${id}` as const
    const { file_id: file, size } = offer
    journal.record(stream, { type: 'incoming.offered', transfer: id, file, user: sender, size, sha256: offer.sha256 ?? '' })
    await journal.flushed()
    let handle: IncomingFile
    try {
      handle = await files.create(id)
    } catch (error) {
      const why = error instanceof FileProblem ? error.message : 'it could not be written.'
      stalls.add(id, { progressAt: () => 0, fail: () => {}, abandoned: () => {} })
      journal.record(stream, { type: 'incoming.failed', transfer: id, why })
      refuse(sender, why)
      return
    }
    const incoming: Incoming = {
      id,
      sender,
      offer,
      // without a hash that is signed, the signature of an offer says nothing of the bytes
      verified: author && offer.sha256 !== undefined && frame.to === userId,
      file: handle,
      reassembly: createReassembly(size),
      hash: sha256.create(),
      progressAt: ports.clock.monotonic(),
      paced,
      chunks: 0,
      ended: false,
    }
    transfers.set(keyOf(sender, file), incoming)
    stalls.add(id, {
      progressAt: () => incoming.progressAt,
      fail: why => {
        fail(incoming, why)
      },
      abandoned: why => {
        void abandoned(incoming, why)
      },
    })
  }

  const append = async (incoming: Incoming, pieces: readonly Uint8Array[]): Promise<void> => {
    for (const piece of pieces) {
      incoming.hash.update(piece)
      await incoming.file.append(piece)
    }
    if (pieces.length > 0) incoming.progressAt = ports.clock.monotonic()
  }

  const finish = async (incoming: Incoming): Promise<void> => {
    const { offer, sender, id } = incoming
    const hex = toHex(incoming.hash.digest())
    if (offer.sha256 !== undefined && hex !== offer.sha256) {
      fail(incoming, 'its hash is not the one that was offered, so it was thrown away.')
      return
    }
    // from here on a stall or a loss does not concern it any more
    transfers.delete(keyOf(sender, offer.file_id))
    stalls.remove(id)
    let path: string
    try {
      path = await incoming.file.finish(offer.name)
    } catch (error) {
      const why = error instanceof FileProblem ? error.message : 'it could not be saved.'
      journal.record(`transfer:${id}`, { type: 'incoming.failed', transfer: id, why })
      await abandoned(incoming, why)
      return
    }
    journal.record(`transfer:${id}`, { type: 'incoming.saved', transfer: id })
    const { verified } = incoming
    const name = safeFileName(offer.name)
    journal.release(() => {
      emit({
        event: 'file',
        id: offer.file_id,
        from: sender,
        from_name: nameOf(sender),
        name,
        path,
        size: offer.size,
        sha256: hex,
        verified,
      })
    })
  }

  /** Runs one step of a transfer; what the sender or the disk did wrong ends it. */
  const step = async (sender: UserId, file: FileId, run: (incoming: Incoming) => Promise<void>): Promise<void> => {
    const incoming = transfers.get(keyOf(sender, file))
    // never offered, refused, or over: whoever sends it was told, or will be by the server
    if (incoming === undefined) return
    try {
      await run(incoming)
      if (incoming.ended && incoming.reassembly.complete && transfers.has(keyOf(sender, file))) await finish(incoming)
    } catch (error) {
      if (!(error instanceof TransferRefused || error instanceof FileProblem || error instanceof ProtocolError)) throw error
      fail(incoming, error.message)
    }
  }

  return {
    offered: async (frame, offer, sender) => {
      const key = keyOf(sender, offer.file_id)
      if (transfers.has(key) || opening.has(key)) return
      const problem = problemWith(offer, sender)
      if (problem !== undefined) {
        refuse(sender, problem)
        return
      }
      opening.set(key, sender)
      try {
        await begin(frame, offer, sender)
      } finally {
        opening.delete(key)
      }
    },
    chunk: ({ file_id: file, index, ciphertext }, sender) =>
      step(sender, file, async incoming => {
        const bytes = await openBlocks(ports.crypto, privateKey, ciphertext)
        await append(incoming, incoming.reassembly.accept(index, bytes))
        incoming.chunks += 1
        if (incoming.paced && incoming.chunks % paceLimits.every === 0)
          confirming.confirm(sender, paceRef(file, incoming.chunks), 'delivered')
      }),
    ended: (file, sender) =>
      step(sender, file, async incoming => {
        await append(incoming, incoming.reassembly.ended())
        incoming.ended = true
      }),
  }
}
