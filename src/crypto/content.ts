/** What travels end to end: plaintext in OAEP blocks (SOCP §4), and the signature of whoever wrote it (SOCP §12). */
import type { Crypto, PrivateKey, PublicKey } from '../ports/crypto.ts'
import { contentForms, contentFormsFor, ownContentForm, type ContentFields, type ContentFormName } from '../protocol/content-forms.ts'
import { concat, fromAnyBase64, toBase64Url } from '../protocol/encoding.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Base64Url } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { signatureBytes } from './transport-signature.ts'

/** Bytes of one block of ciphertext: the size of the modulus. */
const CIPHER_BLOCK = 512
/** Blocks at work at once, so that a long message does not fill the thread pool before somebody's signature. */
const AT_ONCE = 4
/** Verifications that one unknown signature may cost: every construction with two candidate times, and no more. */
const MAX_TRIES = 24

/** Encrypts in blocks of 446 bytes joined to one ciphertext; nothing is one block. At most `limits.maxBlocksPerMessage` blocks. */
export const sealBlocks = async (crypto: Crypto, publicKey: PublicKey, plaintext: Uint8Array): Promise<Base64Url> => {
  const blocks = cut(plaintext, limits.blockBytes)
  if (blocks.length > limits.maxBlocksPerMessage) {
    const most = limits.maxBlocksPerMessage * limits.blockBytes
    throw new RangeError(`One ciphertext holds at most ${String(most)} bytes, not ${String(plaintext.length)}.`)
  }
  return toBase64Url(concat(...(await eachBlock(blocks, block => crypto.encrypt(publicKey, block)))))
}

/**
 * Decrypts one or many blocks. Rejects with `ProtocolError`: UNKNOWN_TYPE `shape` for what is no ciphertext of RSA-4096,
 * BAD_KEY `undecryptable` for one that was made for another key or changed on the way.
 */
export const openBlocks = async (crypto: Crypto, privateKey: PrivateKey, ciphertext: string): Promise<Uint8Array> => {
  const bytes = fromAnyBase64(ciphertext)
  if (bytes === undefined || bytes.length === 0 || bytes.length % CIPHER_BLOCK !== 0) {
    throw new ProtocolError('UNKNOWN_TYPE', 'shape', 'The ciphertext is not base64url of RSA-4096 blocks of 512 bytes.')
  }
  if (bytes.length > limits.maxBlocksPerMessage * CIPHER_BLOCK) {
    throw new ProtocolError('UNKNOWN_TYPE', 'too_large', `The ciphertext has more than ${String(limits.maxBlocksPerMessage)} blocks.`)
  }
  try {
    return concat(...(await eachBlock(cut(bytes, CIPHER_BLOCK), block => crypto.decrypt(privateKey, block))))
  } catch (error) {
    // a TypeError is a key of another port: a bug, and not the sender's
    if (error instanceof TypeError) throw error
    throw new ProtocolError('BAD_KEY', 'undecryptable', 'This was not encrypted for the key here, or it was changed on the way.', {
      cause: error,
    })
  }
}

/** Signs what we send: a message (`direct`, `public`) or a file offer, with its one time. */
export const signContent = async (crypto: Crypto, privateKey: PrivateKey, fields: ContentFields): Promise<Base64Url> => {
  const [input, another] = contentForms[ownContentForm].input(fields)
  if (input === undefined || another !== undefined)
    throw new TypeError(`A content signature of kind ${fields.kind} needs all its fields and one time.`)
  return toBase64Url(await crypto.sign(privateKey, input))
}

/**
 * Verifies with every construction of docs/protocol.md, or only with the `known` one, and answers the name of the one that fits.
 * The caller remembers it per key and passes it from then on. Never rejects for what a sender wrote.
 */
export const verifyContent = async (
  crypto: Crypto,
  publicKey: PublicKey,
  fields: ContentFields,
  contentSig: string,
  known?: string,
): Promise<ContentFormName | undefined> => {
  const signature = signatureBytes(contentSig)
  if (signature === undefined) return undefined
  let tries = 0
  for (const [name, form] of contentFormsFor(fields.kind, known)) {
    for (const input of form.input(fields, crypto.sha256)) {
      if (++tries > MAX_TRIES) return undefined
      if (await crypto.verify(publicKey, form.prehashed ? crypto.sha256(input) : input, signature)) return name
    }
  }
  return undefined
}

const cut = (bytes: Uint8Array, size: number): readonly Uint8Array[] =>
  Array.from({ length: Math.max(1, Math.ceil(bytes.length / size)) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))

const eachBlock = async (
  blocks: readonly Uint8Array[],
  run: (block: Uint8Array) => Promise<Uint8Array>,
): Promise<readonly Uint8Array[]> => {
  const done: Uint8Array[] = []
  for (let at = 0; at < blocks.length; at += AT_ONCE) done.push(...(await Promise.all(blocks.slice(at, at + AT_ONCE).map(run))))
  return done
}
