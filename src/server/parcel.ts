/** A piece of somebody's content on its way through this server, whichever frame it came in. */
import type { Crypto } from '../ports/crypto.ts'
import { canonicalOf } from '../protocol/canonical.ts'
import { toBase64Url } from '../protocol/encoding.ts'
import type { Frame } from '../protocol/envelope.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { messageInput } from '../protocol/message-id.ts'
import { payloads } from '../protocol/payloads.ts'

export type UserContent = Frame<'MSG_DIRECT'> | Frame<'MSG_PUBLIC_CHANNEL'> | Frame<'FILE_START'> | Frame<'FILE_CHUNK'> | Frame<'FILE_END'>

export interface Parcel {
  readonly inner: UserContent['type']
  readonly sender: UserId
  readonly recipient: UserId
  /** The sender's, kept to the end: the content signature covers it. */
  readonly ts: number
  readonly payload: Readonly<Record<string, unknown>>
  /** The server that handed it to us; undefined when its sender is attached here. */
  readonly via?: ServerId
}

export const isFile = (inner: string): boolean => inner.startsWith('FILE_')

/** What stock clients write into `to` when they mean everybody. */
const EVERYBODY: ReadonlySet<string> = new Set(['public', '*', 'group:public'])

export const isEverybody = (to: string): boolean => EVERYBODY.has(to)

/** Whether its sender keeps it until a receipt comes. */
export const asksReceiptOf = ({ payload }: Parcel): boolean => payload['receipt'] === true

/** The name under which a sender hears of it again (docs/protocol.md). */
export const referenceOf = ({ inner, sender, recipient, ts, payload }: Parcel, { sha256 }: Pick<Crypto, 'sha256'>): string => {
  if (isFile(inner)) return String(payload['file_id'])
  const content = typeof payload['ciphertext'] === 'string' ? payload['ciphertext'] : ''
  return toBase64Url(sha256(messageInput(sender, recipient, ts, content)))
}

/** The payload of the SERVER_DELIVER that carries a parcel. */
export const deliveryOf = ({ inner, recipient, payload }: Parcel): Readonly<Record<string, unknown>> => ({
  ...payload,
  user_id: recipient,
  ...(inner !== 'MSG_DIRECT' && { inner_type: inner }),
})

/** Bytes of an envelope at most: a type, two ids, a time and a signature of 683 characters. */
const ENVELOPE_BYTES = 1_024

/**
 * Whether everybody to whom it may go takes it in: a frame that is too long costs its sender the socket, so that one person's message would
 * cut the link between two servers, or its reader's connection whenever the mailbox is emptied. Canonical text is up to six times as long
 * as what came.
 */
export const isPassable = (parcel: Parcel): boolean => isSendable('SERVER_DELIVER', { ...deliveryOf(parcel), receipt: true })

/** The same of a payload that goes as it is. */
export const isSendable = (type: 'SERVER_DELIVER' | 'MSG_PUBLIC_CHANNEL', payload: Readonly<Record<string, unknown>>): boolean =>
  canonicalOf(payload).length <= limits.maxFrameBytes - ENVELOPE_BYTES && payloads[type].safeParse(payload).success
