/** Who really wrote a piece of content: the sender that the frame names, held to the key that is pinned for them. */
import { parsePublicKey } from '../crypto/public-key.ts'
import { verifyContent } from '../crypto/content.ts'
import type { Crypto } from '../ports/crypto.ts'
import { contentFields } from '../protocol/content-fields.ts'
import type { AnyFrame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { userId, type PublicKeyText, type UserId } from '../protocol/ids.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { KeyBook } from './key-book.ts'

/** What a frame with content says about its author; every frame type that carries content has these or nothing. */
export interface Authored {
  readonly sender?: UserId | undefined
  readonly sender_pub?: string | undefined
  readonly content_sig?: string | undefined
}

/** The key text in the form in which pins are kept; undefined for what is no key of ours. */
export const normalKey = (text: string): PublicKeyText | undefined => {
  try {
    return parsePublicKey(text).text
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/**
 * The sender: named in the payload, or in the envelope when that is not the server, or the one whose pinned key comes along
 * (fengyuan names only itself). Whether that is true is for `isAuthor` to say.
 */
export const senderOf = (frame: AnyFrame, payload: Authored, attachment: Attachment, journal: Journal): UserId | undefined => {
  if (payload.sender !== undefined) return payload.sender
  const fromUser = userId.safeParse(frame.from)
  if (fromUser.success && frame.from !== attachment.server && journal.state.users.has(fromUser.data)) return fromUser.data
  const key = payload.sender_pub === undefined ? undefined : normalKey(payload.sender_pub)
  if (key === undefined) return undefined
  for (const [user, { keys }] of journal.state.users) if (keys.pubkey === key) return user
  return undefined
}

/**
 * True when the content signature verifies under the pinned key of `sender`, in the construction that this key used first, which
 * is recorded. A key that comes inside the frame must be the pinned one, and is never used (SOCP traps, `sender_pub`).
 */
export const isAuthor = async (
  frame: AnyFrame,
  payload: Authored,
  sender: UserId,
  { crypto, keyBook, journal }: { readonly crypto: Crypto; readonly keyBook: KeyBook; readonly journal: Journal },
): Promise<boolean> => {
  const known = await keyBook.pinned(sender)
  if (known === undefined || payload.content_sig === undefined) return false
  if (payload.sender_pub !== undefined && normalKey(payload.sender_pub) !== known.keys.pubkey) return false
  const fields = contentFields(frame, sender)
  if (fields === undefined) return false
  const learned = journal.state.users.get(sender)?.construction
  const construction = await verifyContent(crypto, known.verify, fields, payload.content_sig, learned)
  if (construction === undefined) return false
  // a person may have trusted another key while this was verified
  if (journal.state.users.get(sender)?.keys.pubkey !== known.keys.pubkey) return false
  keyBook.learn(sender, known.keys.pubkey, construction)
  return true
}
