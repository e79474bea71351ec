/** Messages on their way out: encrypted and signed per recipient, recorded, handed to the socket in order, and settled by the server's answer. */
import { bindText } from '../crypto/bound-text.ts'
import { sealBlocks, signContent } from '../crypto/content.ts'
import type { Crypto, PrivateKey } from '../ports/crypto.ts'
import { utf8 } from '../protocol/encoding.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { MessageKind } from './facts.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { KeyBook } from './key-book.ts'
import { createLanes } from './lanes.ts'
import { NotSent, type Outbox } from './outbox.ts'
import { messageId } from './reading.ts'
import type { Wire } from './wire.ts'

/** Copies of a public message that are encrypted and signed at once. */
const copiesAtOnce = 16
/** Messages that may wait for those before them. */
const maxQueued = 4_096

export const offlineWhy = 'There is no connection to the server; send it again when it is back.'

export interface WritingOptions {
  readonly crypto: Crypto
  readonly userId: UserId
  readonly privateKey: PrivateKey
  readonly wire: Wire
  readonly journal: Journal
  readonly keyBook: KeyBook
  readonly outbox: Outbox
  readonly attachment: () => Attachment | undefined
  readonly send: (texts: readonly string[]) => boolean
}

/** What became of a message; `why` when it failed. `id` is empty when nothing was made of it. */
export interface Outcome {
  readonly id: string
  readonly why?: string
}

interface Copy {
  readonly id: string
  readonly text: string
}

export interface Writing {
  /** Never rejects for what a person did or a server answered. */
  direct(to: UserId, text: string): Promise<Outcome>
  /** One copy for each of `members` (docs/protocol.md, `/all`). */
  toAll(members: readonly UserId[], text: string): Promise<Outcome>
}

/** The sentence of a failure that a person can do something about; anything else is a bug and passed on. */
export const whyOf = (error: unknown): string => {
  if (error instanceof Error && ['NotSent', 'NoKey', 'FileProblem', 'ProtocolError'].includes(error.name)) return error.message
  throw error
}

export const createWriting = (options: WritingOptions): Writing => {
  const { crypto, userId, privateKey, wire, journal, keyBook, outbox, attachment, send } = options
  const lanes = createLanes()
  const mostBytes = limits.maxBlocksPerMessage * limits.blockBytes

  const compose = async (kind: MessageKind, to: UserId, ts: number, text: string): Promise<Copy> => {
    const { encrypt, caps } = await keyBook.recipient(to)
    const plaintext = caps.includes('bound') ? bindText(text, { from: userId, to, ts }) : utf8(text)
    if (plaintext.length > mostBytes) throw new NotSent(tooLong(text))
    const ciphertext = await sealBlocks(crypto, encrypt, plaintext)
    const contentSig = await signContent(crypto, privateKey, { kind, from: userId, to, times: [ts], ciphertext })
    const payload = {
      ciphertext,
      sender_pub: privateKey.publicKey.text,
      content_sig: contentSig,
      ...(kind === 'public' && { group_id: 'public' }),
    }
    const type = kind === 'public' ? 'MSG_PUBLIC_CHANNEL' : 'MSG_DIRECT'
    return { id: messageId(crypto, userId, to, ts, ciphertext), text: await wire.signed({ type, to, ts, payload }, 'message') }
  }

  /** Records, then sends; resolves when the copies are with the socket, and answers what the server will say to each. */
  const handOver = async (copies: readonly Copy[], record: (first: Copy) => void): Promise<readonly Promise<unknown>[]> => {
    const [first] = copies
    const reached = attachment()
    if (first === undefined) return []
    if (reached === undefined) throw new NotSent(offlineWhy)
    record(first)
    const answers = reached.acks ? copies.map(({ id }) => outbox.expect(id)) : []
    await new Promise<void>((resolve, reject) => {
      journal.release(() => {
        if (attachment() === reached && send(copies.map(copy => copy.text))) resolve()
        else reject(new NotSent(offlineWhy))
      })
    })
    return answers.map(answer => {
      answer.startTimer()
      return answer.settled
    })
  }

  const guard = (text: string): string | undefined => {
    if (text === '') return 'There is nothing to send.'
    if (utf8(text).length > limits.maxTextBytes) return tooLong(text)
    if (attachment() === undefined) return offlineWhy
    return lanes.size >= maxQueued ? 'Too much is waiting to be sent; wait until some of it is through.' : undefined
  }

  return {
    direct: async (to, text) => {
      const problem = guard(text)
      if (problem !== undefined) return { id: '', why: problem }
      let id = ''
      try {
        const answers = await lanes.run([to], async () => {
          // the key first: a ts that is taken before a wait would be late
          await keyBook.recipient(to)
          const ts = wire.nextTs()
          const copy = await compose('direct', to, ts, text)
          id = copy.id
          return await handOver([copy], () => {
            journal.record(`user:${to}`, { type: 'message.sent', id, to, ts, kind: 'direct' })
          })
        })
        await Promise.all(answers)
        return { id }
      } catch (error) {
        return { id, why: whyOf(error) }
      }
    },
    toAll: async (members, text) => {
      const problem = guard(text) ?? (members.length === 0 ? 'Nobody else is online.' : undefined)
      if (problem !== undefined) return { id: '', why: problem }
      const whys: string[] = []
      let id = ''
      const settled = async <T>(promises: readonly Promise<T>[]): Promise<readonly T[]> => {
        const results = await Promise.allSettled(promises)
        for (const result of results) if (result.status === 'rejected') whys.push(whyOf(result.reason))
        return results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
      }
      try {
        const answers = await lanes.run(members, async () => {
          await Promise.allSettled(members.map(member => keyBook.recipient(member)))
          const ts = wire.nextTs()
          const copies: Copy[] = []
          for (let at = 0; at < members.length; at += copiesAtOnce)
            copies.push(...(await settled(members.slice(at, at + copiesAtOnce).map(member => compose('public', member, ts, text)))))
          return await handOver(copies, first => {
            id = first.id
            journal.record('node', { type: 'message.sent', id, to: 'public', ts, kind: 'public' })
          })
        })
        await settled(answers)
      } catch (error) {
        return { id, why: whyOf(error) }
      }
      const [first] = whys
      if (first === undefined) return { id }
      return { id, why: `${whys.length} of ${members.length} people did not get it. The first reason: ${first}` }
    },
  }
}

const tooLong = (text: string): string =>
  `The text has ${utf8(text).length} bytes; a message holds at most ${limits.maxTextBytes}, less when it has many quotes or line breaks. Send it as a file.`
