/** Messages on their way out: encrypted and signed per recipient, then kept until they are accepted, or with v1.3 peers handed to the socket and settled by the server's answer. */
import { bindText } from '../crypto/bound-text.ts'
import { sealBlocks, signContent } from '../crypto/content.ts'
import type { Crypto, PrivateKey } from '../ports/crypto.ts'
import { utf8 } from '../protocol/encoding.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { SentStatus } from './events.ts'
import type { MessageKind } from './facts.ts'
import { createGroup } from './group.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { KeyBook } from './key-book.ts'
import { createLanes } from './lanes.ts'
import type { Keeping, Told } from './keeping.ts'
import { nextOrder, type Order } from './order.ts'
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
  readonly keeping: Keeping
  /** Capabilities of the server, of the last one while there is none. */
  readonly serverCaps: () => readonly string[]
  readonly attachment: () => Attachment | undefined
  readonly send: (texts: readonly string[]) => boolean
}

interface Copy {
  readonly id: string
  readonly to: UserId
  readonly text: string
  /** Its place, when it is kept. */
  readonly order: Order | undefined
}

/** Hears what becomes of a message. `id` is empty when nothing was made of it; of a public one, it is that of the first copy. */
export type Progress = (id: string, status: SentStatus, why?: string) => void

export interface Writing {
  /** Resolves when it is accepted, or acknowledged where nobody accepts; false when it failed. Never rejects for what a person did or a server answered. */
  direct(to: UserId, text: string, progress: Progress): Promise<boolean>
  /** One copy for each of `members` (docs/protocol.md, `/all`). */
  toAll(members: readonly UserId[], text: string, progress: Progress): Promise<boolean>
}

/** The sentence of a failure that a person can do something about; anything else is a bug and passed on. */
export const whyOf = (error: unknown): string => {
  if (error instanceof Error && ['NotSent', 'NoKey', 'FileProblem', 'ProtocolError'].includes(error.name)) return error.message
  throw error
}

export const createWriting = (options: WritingOptions): Writing => {
  const { crypto, userId, privateKey, wire, journal, keyBook, outbox, keeping, serverCaps, attachment, send } = options
  const lanes = createLanes()
  const mostBytes = limits.maxBlocksPerMessage * limits.blockBytes

  const compose = async (kind: MessageKind, to: UserId, ts: number, text: string): Promise<Copy> => {
    const { encrypt, caps } = await keyBook.recipient(to)
    const kept = caps.includes('receipts') && serverCaps().includes('receipts')
    if (!kept && attachment() === undefined) throw new NotSent(offlineWhy)
    const order = kept ? nextOrder(journal.state.users.get(to)?.counted, ts) : undefined
    const plaintext = caps.includes('bound') || kept ? bindText(text, { from: userId, to, ts }, order) : utf8(text)
    if (plaintext.length > mostBytes) throw new NotSent(tooLong(text))
    const ciphertext = await sealBlocks(crypto, encrypt, plaintext)
    const contentSig = await signContent(crypto, privateKey, { kind, from: userId, to, times: [ts], ciphertext })
    const payload = {
      ciphertext,
      sender_pub: privateKey.publicKey.text,
      content_sig: contentSig,
      ...(kind === 'public' && { group_id: 'public' }),
      ...(kept && { receipt: true }),
    }
    const type = kind === 'public' ? 'MSG_PUBLIC_CHANNEL' : 'MSG_DIRECT'
    return { id: messageId(crypto, userId, to, ts, ciphertext), to, order, text: await wire.signed({ type, to, ts, payload }, 'message') }
  }

  /** Records, then sends what nobody accepts; each answer settles with what the server says to it. */
  const handOver = (copies: readonly Copy[], record: (first: Copy) => void): readonly Promise<boolean>[] => {
    const [first] = copies
    const reached = attachment()
    if (first === undefined) return []
    if (reached === undefined) throw new NotSent(offlineWhy)
    record(first)
    const answers = reached.acks ? copies.map(({ id }) => outbox.expect(id)) : []
    const handed = new Promise<void>((resolve, reject) => {
      journal.release(() => {
        if (attachment() === reached && send(copies.map(copy => copy.text))) resolve()
        else reject(new NotSent(offlineWhy))
      })
    })
    return copies.map(async (_copy, index) => {
      await handed
      const answer = answers[index]
      answer?.startTimer()
      await answer?.settled
      return true
    })
  }

  const guard = (text: string): string | undefined => {
    if (text === '') return 'There is nothing to send.'
    if (utf8(text).length > limits.maxTextBytes) return tooLong(text)
    if (attachment() === undefined && !serverCaps().includes('receipts')) return offlineWhy
    return lanes.size >= maxQueued ? 'Too much is waiting to be sent; wait until some of it is through.' : keeping.full()
  }

  const keep = (kind: MessageKind, ts: number, { id, to, text, order }: Copy, told: Told): Promise<boolean> | undefined =>
    order === undefined ? undefined : keeping.keep({ id, to, ts, kind, order, text }, told)

  return {
    direct: async (to, text, progress) => {
      let id = ''
      try {
        const problem = guard(text)
        if (problem !== undefined) throw new NotSent(problem)
        const { accepted } = await lanes.run([to], async () => {
          // the key first: a ts that is taken before a wait would be late
          await keyBook.recipient(to)
          const ts = wire.nextTs()
          const copy = await compose('direct', to, ts, text)
          id = copy.id
          const kept = keep('direct', ts, copy, (status, why) => {
            progress(id, status, why)
          })
          if (kept !== undefined) return { accepted: kept }
          const [answer] = handOver([copy], () => {
            journal.record(`user:${to}`, { type: 'message.sent', id, to, ts, kind: 'direct' })
          })
          return {
            accepted: Promise.resolve(answer).then(() => {
              progress(id, 'sent')
              return true
            }),
          }
        })
        return await accepted
      } catch (error) {
        progress(id, 'failed', whyOf(error))
        return false
      }
    },
    toAll: async (members, text, progress) => {
      const group = createGroup(members.length, progress)
      try {
        const problem = guard(text) ?? (members.length === 0 ? 'Nobody else is online.' : undefined)
        if (problem !== undefined) throw new NotSent(problem)
        const ends = await lanes.run(members, async () => {
          await Promise.allSettled(members.map(member => keyBook.recipient(member)))
          const ts = wire.nextTs()
          const copies: Copy[] = []
          for (let at = 0; at < members.length; at += copiesAtOnce) {
            const made = await Promise.allSettled(members.slice(at, at + copiesAtOnce).map(member => compose('public', member, ts, text)))
            for (const result of made) {
              if (result.status === 'fulfilled') copies.push(result.value)
              else group.member()('failed', whyOf(result.reason))
            }
          }
          group.named(copies[0]?.id ?? '')
          const kept = copies.flatMap(copy => keep('public', ts, copy, copy.order === undefined ? () => {} : group.member()) ?? [])
          const plain = copies.filter(({ order }) => order === undefined)
          const record = (first: Copy): void => {
            journal.record('node', { type: 'message.sent', id: first.id, to: 'public', ts, kind: 'public' })
          }
          const tolds = plain.map(() => group.member())
          let answers: readonly Promise<boolean>[] = []
          try {
            answers = handOver(plain, record)
          } catch (error) {
            for (const told of tolds) told('failed', whyOf(error))
          }
          const answered = answers.map(async (answer, index) => {
            try {
              await answer
              tolds[index]?.('sent')
            } catch (error) {
              tolds[index]?.('failed', whyOf(error))
            }
          })
          return { all: Promise.all([...kept, ...answered]) }
        })
        await ends.all
        return group.whole()
      } catch (error) {
        progress('', 'failed', whyOf(error))
        return false
      }
    },
  }
}

const tooLong = (text: string): string =>
  `The text has ${utf8(text).length} bytes; a message holds at most ${limits.maxTextBytes}, less when it has many quotes or line breaks. Send it as a file.`
