/** Public keys as they travel: every text form that peers send becomes one (`PublicKeyText`), and only RSA-4096 with e = 65537 passes. */
import { fromBase64Url, toBase64Url } from '../protocol/encoding.ts'
import type { PublicKeyText } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { createRecent } from './recent.ts'
import { badKey, readPkcs8, readSpki, writeSpki } from './rsa-structure.ts'

export interface ParsedPublicKey {
  /** SPKI DER, 550 bytes. */
  readonly spki: Uint8Array
  readonly text: PublicKeyText
}

const PEM = /^\s*-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END ([A-Z0-9 ]+)-----\s*$/

/**
 * Reads any accepted form: base64url, padded or not, of SPKI DER or of PEM, or PEM itself (docs/protocol.md).
 * Throws `ProtocolError BAD_KEY` with a sentence that says what was wrong.
 */
export const parsePublicKey = (text: string): ParsedPublicKey => {
  if (text.length > limits.maxKeyText) throw badKey('public', 'too_large', `it has ${String(text.length)} characters`)
  const spki = text.includes('-----BEGIN') ? fromPem(text) : fromEncoded(text)
  readSpki(spki)
  return { spki, text: toBase64Url(spki) as string as PublicKeyText }
}

/** The same for the text alone, reading each only once while it is in use: the same keys come with every message and advertisement. */
export const createKeyTexts = (remembered: number): ((text: string) => PublicKeyText) => {
  const known = createRecent<string, PublicKeyText>(remembered)
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const { text: normal } = parsePublicKey(text)
    known.set(text, normal)
    return normal
  }
}

/** The public half of PKCS#8 DER, under the same rule; throws `ProtocolError BAD_KEY`. */
export const publicKeyOfPkcs8 = (pkcs8: Uint8Array): ParsedPublicKey => {
  const spki = writeSpki(readPkcs8(pkcs8))
  return { spki, text: toBase64Url(spki) as string as PublicKeyText }
}

/** Why a text is not base64url, most telling first. */
const unreadable: readonly (readonly [RegExp, string])[] = [
  [/\s/, 'it holds white space'],
  [/^[A-Za-z0-9+/]+=*$/, 'it is standard base64, with + and /, or its padding is wrong'],
  [/[^A-Za-z0-9_=-]/, 'it is neither base64url nor PEM'],
  [/=/, 'its padding is wrong'],
]

const fromEncoded = (text: string): Uint8Array => {
  const bytes = fromBase64Url(text, { padded: true })
  if (bytes === undefined) throw badKey('public', 'not_a_key', unreadable.find(([pattern]) => pattern.test(text))?.[1] ?? 'it is cut off')
  if (bytes.length === 0) throw badKey('public', 'not_a_key', 'it is empty')
  // '-----' cannot begin a DER structure, so the two readings never meet
  return bytes[0] === 0x2d ? fromPem(new TextDecoder('latin1').decode(bytes)) : bytes
}

const fromPem = (text: string): Uint8Array => {
  const [, begin, body, end] = PEM.exec(text) ?? []
  if (begin === undefined || body === undefined || begin !== end)
    throw badKey('public', 'malformed', 'its PEM has no whole BEGIN and END line')
  if (begin !== 'PUBLIC KEY') {
    const secret = begin.includes('PRIVATE') ? ', which must never leave its owner' : ''
    throw badKey('public', 'not_a_key', `its PEM is labelled ${begin}${secret} instead of PUBLIC KEY`)
  }
  const base64 = body.replace(/[\r\n\t ]+/g, '')
  // + and / only: base64url inside PEM is not PEM (RFC 7468 §2)
  const bytes = /[-_]/.test(base64) ? undefined : fromBase64Url(base64.replaceAll('+', '-').replaceAll('/', '_'), { padded: true })
  if (bytes === undefined) throw badKey('public', 'malformed', 'its PEM does not hold base64')
  return bytes
}
