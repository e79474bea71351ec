/** Files on their way out (SOCP §9.4): offered with a signed hash, cut into encrypted chunks, no faster than the socket takes them. */
import { sha256 } from '@noble/hashes/sha2.js'
import { sealBlocks, signContent } from '../../crypto/content.ts'
import type { PrivateKey } from '../../ports/crypto.ts'
import type { Ports } from '../../ports/ports.ts'
import { toHex } from '../../protocol/encoding.ts'
import type { FileId, UserId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { safeFileName } from '../file-name.ts'
import type { FileStore, OutgoingFile } from '../file-store.ts'
import type { Attachment } from '../handshake.ts'
import type { Journal } from '../journal.ts'
import type { KeyBook, KnownKeys } from '../key-book.ts'
import { createLanes } from '../lanes.ts'
import { NotSent, type Answer, type Outbox } from '../outbox.ts'
import type { Wire } from '../wire.ts'
import { offlineWhy, whyOf } from '../writing.ts'
import { PACE_CAP, type Pacing } from './pacing.ts'
import type { Stalls } from './stalls.ts'

/** Bytes that the socket may owe the network before the next chunk is made. */
const windowBytes = 262_144
/** Milliseconds between looks at the socket while it is full. */
const fullMs = 10
/** Chunks that are encrypted and signed ahead. */
const chunksAhead = 3
const hashBytes = 1_048_576

export interface SendingOptions {
  readonly ports: Ports
  readonly userId: UserId
  readonly privateKey: PrivateKey
  readonly wire: Wire
  readonly journal: Journal
  readonly keyBook: KeyBook
  readonly outbox: Outbox
  readonly stalls: Stalls
  readonly files: FileStore
  /** Bytes of the largest file that may be sent. */
  readonly maxFileBytes: number
  readonly attachment: () => Attachment | undefined
  readonly send: (texts: readonly string[]) => boolean
  readonly buffered: () => number
  readonly pacing: Pacing
}

/** Called with bytes sent and bytes in all. */
export type Progress = (sent: number, size: number) => void

/** What became of a file; `why` when it failed. `id` is empty when nothing was made of it. */
export type Outcome = { readonly id: string; readonly name: string; readonly why?: string } | { readonly unreadable: string }

/** `unreadable` says why when there is no such file: then nothing was tried. */
export type SendFile = (to: UserId, path: string, progress: Progress) => Promise<Outcome>

/** Answers a function that sends one file; files to one recipient go one after another. It never rejects for what a person or a server did. */
export const createSending = (options: SendingOptions): SendFile => {
  const { ports, userId, privateKey, wire, journal, keyBook, outbox, stalls, files, attachment, send, buffered, pacing } = options
  const lanes = createLanes()

  const pause = (ms: number): Promise<void> =>
    new Promise(resolve => {
      ports.clock.after(ms, resolve)
    })
  const hashOf = async (file: OutgoingFile): Promise<string> => {
    const hash = sha256.create()
    for (let at = 0; at < file.size; at += hashBytes) hash.update(await file.read(at, Math.min(hashBytes, file.size - at)))
    return toHex(hash.digest())
  }

  /** One file whose offer is recorded: sends all of it, or throws. */
  const transmit = async (
    to: UserId,
    file: OutgoingFile,
    fileId: FileId,
    sha256Hex: string,
    start: string,
    { encrypt, caps }: KnownKeys & { readonly caps: readonly string[] },
    moved: (bytes: number) => void,
    failed: () => string | undefined,
  ): Promise<void> => {
    const reached = attachment()
    const keepsPace = caps.includes(PACE_CAP) && reached?.caps.includes('receipts') === true
    const pace = keepsPace ? pacing.begin(fileId, to) : undefined
    let sent = 0
    const waits = (): boolean => buffered() > windowBytes || pace?.full(sent) === true
    const push = async (text: string): Promise<void> => {
      while (waits() && attachment() === reached && failed() === undefined) await pause(fullMs)
      const why = failed()
      if (why !== undefined) throw new NotSent(why)
      if (reached === undefined || attachment() !== reached || !send([text])) throw new NotSent(offlineWhy)
    }
    const chunkBytes = limits.blockBytes * (caps.includes('blocks') ? limits.maxBlocksPerChunk : 1)
    const hash = sha256.create()
    const ahead: { readonly bytes: number; readonly text: Promise<string> }[] = []
    const chunk = async (index: number, bytes: Uint8Array): Promise<string> => {
      const payload = { file_id: fileId, index, ciphertext: await sealBlocks(ports.crypto, encrypt, bytes) }
      return await wire.signed({ type: 'FILE_CHUNK', to, payload }, 'file')
    }
    const pushFirst = async (): Promise<void> => {
      const first = ahead.shift()
      if (first === undefined) return
      await push(await first.text)
      sent += 1
      moved(first.bytes)
    }
    try {
      await push(start)
      for (let at = 0, index = 0; at < file.size; at += chunkBytes, index += 1) {
        const bytes = await file.read(at, Math.min(chunkBytes, file.size - at))
        hash.update(bytes)
        ahead.push({ bytes: bytes.length, text: chunk(index, bytes) })
        if (ahead.length > chunksAhead) await pushFirst()
      }
      while (ahead.length > 0) await pushFirst()
      if (toHex(hash.digest()) !== sha256Hex) throw new NotSent('The file was changed while it was being sent.')
      // it waits as a chunk does, so the reader has to be heard until it has left
      await push(await wire.signed({ type: 'FILE_END', to, payload: { file_id: fileId } }, 'file'))
    } finally {
      pace?.end()
      // chunks that nobody waits for any more may fail without anybody hearing it
      for (const { text } of ahead) text.catch(() => {})
    }
  }

  const sendOpen = async (to: UserId, file: OutgoingFile, progress: Progress, setId: (id: string) => void): Promise<void> => {
    if (file.size > options.maxFileBytes) throw new NotSent(`The file has ${file.size} bytes; at most ${options.maxFileBytes} can be sent.`)
    const keys = await keyBook.recipient(to)
    const hex = await hashOf(file)
    const fileId = ports.random.uuid() as FileId
    const ts = wire.nextTs()
    const offer = { name: safeFileName(file.name), size: file.size, sha256: hex, mode: 'dm' }
    const contentSig = await signContent(ports.crypto, privateKey, { kind: 'offer', from: userId, to, times: [ts], fileId, offer })
    const payload = { file_id: fileId, ...offer, sender_pub: privateKey.publicKey.text, content_sig: contentSig }
    const start = await wire.signed({ type: 'FILE_START', to, ts, payload }, 'file')
    if (attachment() === undefined) throw new NotSent(offlineWhy)
    const answer = outbox.expect(fileId)
    setId(fileId)
    await recorded(fileId, { to, size: file.size, sha256: hex, ts }, answer, async (moved, failed) => {
      let sent = 0
      await transmit(
        to,
        file,
        fileId,
        hex,
        start,
        keys,
        bytes => {
          sent += bytes
          moved()
          progress(sent, file.size)
        },
        failed,
      )
      if (attachment()?.acks === true) {
        answer.startTimer()
        await answer.settled
      } else answer.withdraw()
    })
  }

  /** Records the offer before `run` and its end after it; a refusal or a stall on the way is known to `run` by `failed`. */
  const recorded = async (
    fileId: FileId,
    offer: { readonly to: UserId; readonly size: number; readonly sha256: string; readonly ts: number },
    answer: Answer,
    run: (moved: () => void, failed: () => string | undefined) => Promise<void>,
  ): Promise<void> => {
    const stream = `transfer:${fileId}` as const
    let progressAt = ports.clock.monotonic()
    let over: string | undefined
    const fail = (why: string): void => {
      if (over !== undefined) return
      over = why
      journal.record(stream, { type: 'outgoing.failed', transfer: fileId, why })
    }
    answer.settled.catch((error: unknown) => {
      fail(whyOf(error))
    })
    stalls.add(fileId, { progressAt: () => progressAt, fail, abandoned: () => {} })
    const { to: user, size, sha256: hex, ts } = offer
    journal.record(stream, { type: 'outgoing.offered', transfer: fileId, file: fileId, user, size, sha256: hex, ts })
    await journal.flushed()
    try {
      await run(
        () => {
          progressAt = ports.clock.monotonic()
        },
        () => over,
      )
      if (over !== undefined) throw new NotSent(over)
      over = ''
      journal.record(stream, { type: 'outgoing.sent', transfer: fileId })
      await journal.flushed()
    } catch (error) {
      fail(whyOf(error))
      answer.withdraw()
      // whoever asked hears of the end once it is on record
      await journal.flushed()
      throw error
    } finally {
      stalls.remove(fileId)
    }
  }

  return async (to, path, progress) => {
    let id = ''
    let file: OutgoingFile
    try {
      file = await files.open(path)
    } catch (error) {
      return { unreadable: whyOf(error) }
    }
    const { name } = file
    try {
      if (attachment() === undefined) throw new NotSent(offlineWhy)
      await lanes.run([to], () =>
        sendOpen(to, file, progress, given => {
          id = given
        }),
      )
      return { id, name }
    } catch (error) {
      return { id, name, why: whyOf(error) }
    } finally {
      await file.close()
    }
  }
}
