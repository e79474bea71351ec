/** Received messages: opened with our key, held to their author, shown once and in their sender's order, recorded, and then confirmed. */
import { unbindText } from '../crypto/bound-text.ts'
import { openBlocks } from '../crypto/content.ts'
import type { Clock } from '../ports/clock.ts'
import type { Crypto, PrivateKey } from '../ports/crypto.ts'
import { fromAnyBase64, fromUtf8, toBase64Url } from '../protocol/encoding.ts'
import type { AnyFrame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { messageInput } from '../protocol/message-id.ts'
import type { Confirming } from './confirming.ts'
import { isAuthor, senderOf, type Authored } from './authorship.ts'
import type { ClientEvent } from './events.ts'
import type { MessageKind } from './facts.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { KeyBook } from './key-book.ts'
import { type Order, wasShown } from './order.ts'
import type { Ordering } from './ordering.ts'
import { cleanText } from './sanitise.ts'

/** A message in whichever frame it came. */
export interface Delivered extends Authored {
  readonly ciphertext?: string | undefined
  readonly text?: string | undefined
  readonly public?: boolean | undefined
  readonly receipt?: boolean | undefined
}

/** How often, and how many milliseconds apart, a sender's key is asked for; and for how many messages at once, since anybody can invent senders. */
const keyTimes = 10
const keyAgainMs = 500
const maxUnknown = 16

export interface ReadingOptions {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly userId: UserId
  readonly privateKey: PrivateKey
  readonly journal: Journal
  readonly keyBook: KeyBook
  readonly ordering: Ordering
  readonly confirming: Confirming
  readonly attachment: () => Attachment | undefined
  readonly nameOf: (user: UserId) => string
  readonly emit: (event: ClientEvent) => void
}

interface Opened {
  readonly text: string
  /** It was encrypted to us, and not made for another message. */
  readonly ours: boolean
  readonly order?: Order
}

/** The text of a bound message that was made for another envelope: shown, never as verified. */
const textInside = (plaintext: Uint8Array): string => {
  const { text } = JSON.parse(fromUtf8(plaintext)) as { readonly text: string }
  return text
}

/** Stock programs send public text in clear, as base64 (fengyuan) or beside the ciphertext (g45). */
const clearText = ({ ciphertext, text }: Delivered): string | undefined => {
  if (text !== undefined) return text
  const bytes = ciphertext === undefined ? undefined : fromAnyBase64(ciphertext)
  try {
    return bytes === undefined ? undefined : fromUtf8(bytes)
  } catch (error) {
    // bytes that are not text are an answer here: this was encrypted, to somebody else
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** Answers a function that takes one frame with a message in it and resolves when it was dealt with. */
export const createReading = (options: ReadingOptions) => {
  const { clock, crypto, userId, privateKey, journal, keyBook, ordering, confirming, attachment: current, nameOf, emit } = options

  const open = async (frame: AnyFrame, kind: MessageKind, payload: Delivered, sender: UserId): Promise<Opened> => {
    const { ciphertext } = payload
    try {
      if (ciphertext === undefined) throw new ProtocolError('UNKNOWN_TYPE', 'no_ciphertext', 'The message has no ciphertext.')
      const plaintext = await openBlocks(crypto, privateKey, ciphertext)
      try {
        return { ...unbindText(plaintext, { from: sender, to: userId, ts: frame.ts }), ours: true }
      } catch (error) {
        if (error instanceof ProtocolError && error.reason === 'rebound') return { text: textInside(plaintext), ours: false }
        throw error
      }
    } catch (error) {
      const clear = kind === 'public' ? clearText(payload) : undefined
      if (clear === undefined) throw error
      return { text: clear, ours: false }
    }
  }

  let unknown = 0
  /** Waits for the key of somebody of whom our server has not heard yet, or does not answer: without it their message is nobody's. */
  const known = async (sender: UserId, attachment: Attachment): Promise<void> => {
    if (journal.state.users.has(sender) || unknown >= maxUnknown) return
    unknown += 1
    try {
      for (let time = 0; time < keyTimes && current() === attachment; time += 1) {
        if ((await keyBook.pinned(sender)) !== undefined) return
        await new Promise<void>(resolve => clock.after(keyAgainMs, resolve))
      }
    } finally {
      unknown -= 1
    }
  }

  return async (frame: AnyFrame, kind: MessageKind, payload: Delivered, attachment: Attachment): Promise<void> => {
    const sender = senderOf(frame, payload, attachment, journal)
    if (sender === undefined) {
      emit({ event: 'error', code: 'UNKNOWN_SENDER', detail: 'A message came that does not say whose it is; it was not shown.' })
      return
    }
    const content = payload.ciphertext ?? payload.text ?? ''
    const id = toBase64Url(crypto.sha256(messageInput(sender, userId, frame.ts, content)))
    // a forged copy must not suppress the honest one, so unverified ids stand apart
    const mark = (verified: boolean): string => (verified ? id : `~${id}`)
    const asked = payload.receipt === true
    const confirm = (state: 'delivered' | 'refused'): void => {
      journal.release(() => {
        if (asked) confirming.confirm(sender, id, state)
      })
    }
    if (journal.state.received.has(mark(true))) {
      confirm('delivered')
      return
    }

    if (asked) await known(sender, attachment)
    const author = isAuthor(frame, payload, sender, { crypto, keyBook, journal })
    let opened: Opened
    try {
      opened = await open(frame, kind, payload, sender)
    } catch (error) {
      await author
      const detail = `A message from ${nameOf(sender)} cannot be read: ${error instanceof Error ? error.message : 'it does not decrypt'}`
      emit({ event: 'error', code: 'UNREADABLE', detail })
      confirm('refused')
      return
    }
    const verified = (await author) && opened.ours && (kind === 'public' || frame.to === userId)
    // the key could not be asked for any more; whoever asks for a receipt sends it again
    if (!verified && asked && current() !== attachment) return
    const { text, order } = opened
    const shown = (): boolean => journal.state.received.has(mark(true)) || journal.state.received.has(mark(verified))
    const show = (): void => {
      if (!shown()) {
        // shown first: whoever is killed in between may show it again, but nobody loses it
        emit({ event: 'message', id, ts: frame.ts, kind, from: sender, name: nameOf(sender), text: cleanText(text), verified })
        const fact = { type: 'message.received', id: mark(verified), user: sender, ts: frame.ts, kind } as const
        journal.record(`user:${sender}`, verified && order !== undefined ? { ...fact, order } : fact)
      }
      confirm(verified ? 'delivered' : 'refused')
    }
    if (!verified || order === undefined) show()
    else if (wasShown(journal.state.users.get(sender)?.shown, order, frame.ts)) confirm('delivered')
    else ordering.offer(sender, id, order, show)
  }
}

/** The name of a message that we send, as the server and its receiver make it too. */
export const messageId = (crypto: Crypto, from: string, to: string, ts: number, ciphertext: string): string =>
  toBase64Url(crypto.sha256(messageInput(from, to, ts, ciphertext)))
