/** Bytes and text: UTF-8, hexadecimal, base64url as SOCP §4 wants it, and the other base64 forms that stock programs send. */
import type { Base64Url } from './ids.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const URL_TEXT = /^[A-Za-z0-9_-]*$/
const STANDARD_TEXT = /^[A-Za-z0-9+/]*$/

/** The code of each letter of the alphabet. */
const LETTERS = Uint8Array.from(ALPHABET, letter => letter.charCodeAt(0))
const letterOf = (bits: number): number => LETTERS[bits & 63] as number

const valueOf = (code: number): number => {
  if (code >= 0x61) return code - 71
  if (code === 0x5f || code === 0x2f) return 63
  if (code >= 0x41) return code - 65
  return code === 0x2d || code === 0x2b ? 62 : code + 4
}

/** Two hexadecimal digits of each byte. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD, so check `isWellFormed` where that matters. */
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text)

/** Text of UTF-8 bytes; throws a TypeError on invalid UTF-8, and keeps a byte order mark as the character that it is. */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes)

/** All parts in one array, in order. */
export const concat = (...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** Lower-case hexadecimal, two digits a byte. */
export const toHex = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += HEX[byte] as string
  return text
}

/** Base64url without padding (RFC 4648 §5). */
export const toBase64Url = (bytes: Uint8Array): Base64Url => {
  const codes = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  let to = 0
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    codes[to++] = letterOf(group >> 18)
    codes[to++] = letterOf(group >> 12)
    if (left > 1) codes[to++] = letterOf(group >> 6)
    if (left > 2) codes[to++] = letterOf(group)
  }
  return decoder.decode(codes) as Base64Url
}

/** `text` without its padding; undefined when the padding does not complete the last group of four. */
const unpadded = (text: string): string | undefined => {
  const end = text.indexOf('=')
  if (end === -1) return text
  const padding = text.slice(end)
  return (padding === '=' || padding === '==') && text.length % 4 === 0 ? text.slice(0, end) : undefined
}

/** Whether letters that were already checked can come from an encoder, by their number and the bits left over (RFC 4648 §3.5). */
const isWhole = (letters: string): boolean => {
  const rest = letters.length % 4
  if (rest === 0) return true
  return rest !== 1 && (valueOf(letters.charCodeAt(letters.length - 1)) & (rest === 2 ? 0x0f : 0x03)) === 0
}

/** Decodes letters that were already checked; undefined when they cannot come from an encoder. */
const decode = (letters: string): Uint8Array<ArrayBuffer> | undefined => {
  if (!isWhole(letters)) return undefined
  const bytes = new Uint8Array(Math.floor((letters.length * 3) / 4))
  let held = 0
  let bits = 0
  let to = 0
  for (let at = 0; at < letters.length; at += 1) {
    held = ((held << 6) | valueOf(letters.charCodeAt(at))) & 0xffffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[to++] = (held >> bits) & 0xff
  }
  return bytes
}

const base64UrlLetters = (text: string, padded: boolean): string | undefined => {
  const letters = padded ? unpadded(text) : text
  return letters !== undefined && URL_TEXT.test(letters) ? letters : undefined
}

const anyBase64Letters = (text: string): string | undefined => {
  const letters = unpadded(text)
  return letters !== undefined && (URL_TEXT.test(letters) || STANDARD_TEXT.test(letters)) ? letters : undefined
}

/**
 * Bytes of base64url text, or undefined when it is anything else: another alphabet, white space, bits that no encoder sets
 * (one value has one text, or a signature could be sent again in another spelling). Padding is taken only with `padded`.
 */
export const fromBase64Url = (text: string, options: { readonly padded?: boolean } = {}): Uint8Array<ArrayBuffer> | undefined => {
  const letters = base64UrlLetters(text, options.padded === true)
  return letters === undefined ? undefined : decode(letters)
}

/** Whether `fromBase64Url` with `padded` has an answer, for who does not want it. */
export const isBase64Url = (text: string): boolean => {
  const letters = base64UrlLetters(text, true)
  return letters !== undefined && isWhole(letters)
}

/** Bytes of base64url or of standard base64, padded or not, never both alphabets in one text: ciphertext of stock programs. */
export const fromAnyBase64 = (text: string): Uint8Array<ArrayBuffer> | undefined => {
  const letters = anyBase64Letters(text)
  return letters === undefined ? undefined : decode(letters)
}

/** Whether `fromAnyBase64` has an answer, for who does not want it. */
export const isAnyBase64 = (text: string): boolean => {
  const letters = anyBase64Letters(text)
  return letters !== undefined && isWhole(letters)
}
