/** The fields that payloads are made of: tolerant of what stock programs send, bounded in every direction. */
import { z } from 'zod'
import { isAnyBase64, utf8 } from './encoding.ts'
import { serverId } from './ids.ts'
import { limits } from './limits.ts'

const SIGNATURE = /^[A-Za-z0-9_-]*={0,2}$/
const HOST = /^[A-Za-z0-9._:[\]-]{1,255}$/
const HEX_256 = /^[0-9a-fA-F]{64}$/

/** An integer from 0 to 2^53 - 1; -0 counts as 0. 2^53 is refused because 2^53 + 1 cannot be told from it. */
export const count = z
  .int()
  .min(0)
  .transform(value => value + 0)

export const port = z.int().min(1).max(65_535)

/** A host name or an IP address; nothing that could change the meaning of a URL that it is put into. */
export const host = z.string().regex(HOST, 'a host is a name or an address, without path, user or port')

/** A public key in any form; whether it is one, and RSA-4096, is checked where it is imported. */
export const keyText = z.string().min(1).max(limits.maxKeyText)

/** A signature in base64url, padded or not; the empty string counts as absent. */
export const signatureText = z
  .string()
  .max(limits.maxSignatureText)
  .regex(SIGNATURE, 'a signature is base64url')
  .transform(text => (text === '' ? undefined : text))
  .optional()

/** A signature that must be there. */
export const requiredSignature = z
  .string()
  .min(1, 'a content signature is needed')
  .max(limits.maxSignatureText)
  .regex(SIGNATURE, 'a signature is base64url')

/** Ciphertext as sent: base64url, or the standard base64 of a few stock clients; never empty. */
export const ciphertext = z.string().min(1).max(limits.maxFrameBytes).refine(isAnyBase64, 'ciphertext is base64url')

/** 32 random bytes in base64url. */
export const nonce = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'a nonce is 32 bytes in base64url')

/** Text for people, bounded in UTF-8 bytes. */
export const boundedText = (maxBytes: number) =>
  z
    .string()
    .max(maxBytes)
    .refine(text => text.length * 3 <= maxBytes || utf8(text).length <= maxBytes, `at most ${maxBytes} bytes of UTF-8`)

export const name = boundedText(limits.maxNameBytes)

/** SHA-256 in hex; some stock clients send `NA` or nothing, which counts as absent. */
export const sha256Hex = z
  .string()
  .max(128)
  .transform(text => (HEX_256.test(text) ? text.toLowerCase() : undefined))
  .optional()

export const caps = z.array(z.string().min(1).max(32)).max(limits.maxCaps)

/** [epoch, counter] of a presence event at its origin. */
export const presenceSeq = z.tuple([count, count]).readonly()

/** Names of members as stock servers write them; nothing is done with them, so nothing more is asked of them. */
export const memberNames = z.array(z.string().max(limits.maxNameBytes)).max(limits.maxEntries)

/** Free-form data that a person says about themselves; `readMeta` takes it apart. */
export const metaObject = z.looseObject({}).nullish()

/** A server as a welcome lists it; stock introducers put the id under either name, and into `clients` too. */
export const listedServer = z.looseObject({
  server_id: serverId.optional(),
  user_id: serverId.optional(),
  host: host.optional(),
  port: port.optional(),
  pubkey: keyText.optional(),
  tls: z.boolean().optional(),
})

/** What an introducer vouches for; `voucherInput` gives the bytes that it signed. */
export const voucher = z.looseObject({
  by: serverId,
  server_id: serverId,
  host,
  port,
  pubkey: keyText,
  tls: z.literal(true).optional(),
  sig: requiredSignature,
})
