/** SOCP's cryptography once more, from the standard alone, so that it checks what our own code sends (SOCP §4, §12). */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { testKey } from './test-keys.ts'

export interface StockKey {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** base64url of SPKI DER without padding. */
  readonly text: string
  /** PKCS#8 PEM, the content of a key file. */
  readonly pem: string
}

/** Throw-away key number `n`. */
export const stockKey = async (n: number): Promise<StockKey> => {
  const { pkcs8, pem, publicText } = await testKey(n)
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: createPublicKey(privateKey), text: publicText, pem }
}

/** The public half of a key as it travels. */
export const publicKeyOf = (text: string): KeyObject =>
  createPublicKey({ key: Buffer.from(text, 'base64url'), format: 'der', type: 'spki' })

/** A well-formed RSA-4096 public key that nobody has the private half of: enough for lists of servers that do not exist. */
export const inventedPublicKey = (like: StockKey): string => {
  const der = Buffer.from(like.text, 'base64url')
  const modulus = randomBytes(512)
  modulus[0] = (modulus[0] ?? 0) | 0x80
  modulus[511] = (modulus[511] ?? 0) | 1
  // SPKI of RSA-4096 with e = 65537 ends with the modulus and 02 03 01 00 01
  modulus.copy(der, der.length - 5 - 512)
  return der.toString('base64url')
}

const escaped = (text: string): string =>
  JSON.stringify(text).replace(/[\u007f-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Keys sorted at every depth, no white space, ASCII only. */
export const canonical = (value: unknown): string => {
  if (typeof value === 'string') return escaped(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${escaped(key)}:${canonical(inner)}`).join(',')}}`
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 478 }

/** RSASSA-PSS-SHA256 with the maximum salt, over UTF-8 text. */
export const signText = (key: StockKey, text: string): string =>
  sign('sha256', Buffer.from(text), { key: key.privateKey, ...pss }).toString('base64url')

/** True when the signature was made with the maximum salt, as our servers promise to. */
export const verifyText = (publicText: string, text: string, signature: unknown): boolean =>
  typeof signature === 'string' &&
  /^[\w-]+$/.test(signature) &&
  verify('sha256', Buffer.from(text), { key: publicKeyOf(publicText), ...pss }, Buffer.from(signature, 'base64url'))

export const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest()

/** OAEP blocks of at most 446 bytes joined in one ciphertext. */
export const seal = (publicText: string, plaintext: Uint8Array | string): string => {
  const bytes = Buffer.from(plaintext)
  const key = { key: publicKeyOf(publicText), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  const blocks: Buffer[] = []
  for (let at = 0; at === 0 || at < bytes.length; at += 446) blocks.push(publicEncrypt(key, bytes.subarray(at, at + 446)))
  return Buffer.concat(blocks).toString('base64url')
}

export const unseal = (key: StockKey, ciphertext: string): Buffer => {
  const bytes = Buffer.from(ciphertext, 'base64url')
  const options = { key: key.privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  const blocks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 512) blocks.push(privateDecrypt(options, bytes.subarray(at, at + 512)))
  return Buffer.concat(blocks)
}

/** What a direct message's content signature covers: the fields joined with nothing between. */
export const directContent = (ciphertext: string, from: string, to: string, ts: number): string => ciphertext + from + to + String(ts)

/** `msg_ref` of docs/protocol.md. */
export const messageRef = (from: string, to: string, ts: number, ciphertext: string): string =>
  sha256([from, to, String(ts), ciphertext].join('\n')).toString('base64url')
