/** A piece of somebody's content on its way through this server, whichever frame it came in. */
import type { Crypto } from '../ports/crypto.ts'
import { toBase64Url } from '../protocol/encoding.ts'
import type { Frame } from '../protocol/envelope.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import { messageInput } from '../protocol/message-id.ts'

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

/** Whether its sender keeps it until a receipt comes. */
export const asksReceiptOf = ({ payload }: Parcel): boolean => payload['receipt'] === true

/** The name under which a sender hears of it again (docs/protocol.md). */
export const referenceOf = ({ inner, sender, recipient, ts, payload }: Parcel, { sha256 }: Pick<Crypto, 'sha256'>): string => {
  if (isFile(inner)) return String(payload['file_id'])
  const content = typeof payload['ciphertext'] === 'string' ? payload['ciphertext'] : ''
  return toBase64Url(sha256(messageInput(sender, recipient, ts, content)))
}
