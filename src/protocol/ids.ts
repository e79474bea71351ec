/** Branded ids and encodings: only the parsers in this file and in the frame table make them. */
import { z } from 'zod'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** A server of the mesh: lower-case UUID v4 when ours (SOCP §5), an opaque visible-ASCII string when others'. */
export type ServerId = Branded<'ServerId'>
/** A user: same form as a server's id (SOCP §5). */
export type UserId = Branded<'UserId'>
/** A file transfer (SOCP §9.4). */
export type FileId = Branded<'FileId'>
/** Text in base64url without padding (RFC 4648 §5). */
export type Base64Url = Branded<'Base64Url'>
/** A public key as it is compared and stored: base64url, no padding, of SPKI DER. */
export type PublicKeyText = Branded<'PublicKeyText'>
/** Address of an actor and name of its stream in the log: `link:<server_id>`, `session:<user_id>`, … */
export type Address = `${'link' | 'session' | 'transfer' | 'mailbox' | 'user' | 'server' | 'connection'}:${string}` | 'node' | 'bootstrap'

const OPAQUE_ID = /^[\x21-\x7e]{1,64}$/
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** True for a lower-case UUID v4, the only form that we make ourselves (SOCP §5). */
export const isUuidV4 = (text: string): boolean => UUID_V4.test(text)

const opaqueId = z.string().regex(OPAQUE_ID, 'an id is 1 to 64 visible ASCII characters')
export const serverId = opaqueId.transform(text => text as ServerId)
export const userId = opaqueId.transform(text => text as UserId)
export const fileId = opaqueId.transform(text => text as FileId)
