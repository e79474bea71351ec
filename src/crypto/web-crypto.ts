/** The crypto port of browsers (and of any runtime with WebCrypto): `crypto.subtle`, and SHA-256 in JavaScript because folds cannot wait. */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Crypto } from '../ports/crypto.ts'
import { createKeyMemory } from './key-memory.ts'
import { publicKeyOfPkcs8 } from './public-key.ts'
import { createRecent } from './recent.ts'
import { badKey } from './rsa-structure.ts'

type Subtle = typeof globalThis.crypto.subtle
type SubtleKey = Awaited<ReturnType<Subtle['importKey']>>
/** WebCrypto ties a key to one algorithm, so each key is imported twice. */
interface Native {
  readonly pss: SubtleKey
  readonly oaep: SubtleKey
}

const SIGNATURE_BYTES = 512
const BLOCK_BYTES = 512
const PLAIN_BYTES = 446
const MAX_SALT = 478
/** What is on the wire: the maximum, which we emit, and the hash's length, which half of the others emit. */
const SALTS = [MAX_SALT, 32] as const
const PSS = { name: 'RSA-PSS', hash: 'SHA-256' } as const
const OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' } as const
const REMEMBERED_SALTS = 4096

/** A crypto port on WebCrypto; in browsers it needs a secure context (https, or localhost). */
export const webCrypto = (): Crypto => {
  const subtle = secureSubtle()
  const keys = createKeyMemory<Native, Native>(async spki => ({
    pss: await subtle.importKey('spki', own(spki), PSS, false, ['verify']),
    oaep: await subtle.importKey('spki', own(spki), OAEP, false, ['encrypt']),
  }))
  /** The salt that a key used last is tried first: a peer always uses one. */
  const lastSalt = createRecent<string, number>(REMEMBERED_SALTS)

  const importPrivateKey: Crypto['importPrivateKey'] = async pkcs8 => {
    const { text } = publicKeyOfPkcs8(pkcs8)
    try {
      return await keys.privateKey(text, {
        pss: await subtle.importKey('pkcs8', own(pkcs8), PSS, false, ['sign']),
        oaep: await subtle.importKey('pkcs8', own(pkcs8), OAEP, false, ['decrypt']),
      })
    } catch (error) {
      throw badKey('private', 'malformed', 'this runtime cannot read it', { cause: error })
    }
  }

  return {
    sha256: bytes => sha256(bytes),
    importPublicKey: keys.publicKey,
    importPrivateKey,
    generateKey: async () => {
      const parameters = { ...PSS, modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]) }
      const pair = await subtle.generateKey(parameters, true, ['sign', 'verify'])
      const pkcs8 = new Uint8Array(await subtle.exportKey('pkcs8', pair.privateKey))
      return { privateKey: await importPrivateKey(pkcs8), pkcs8 }
    },
    sign: async (privateKey, message) => {
      const { pss } = keys.nativePrivate(privateKey)
      return new Uint8Array(await subtle.sign({ name: 'RSA-PSS', saltLength: MAX_SALT }, pss, own(message)))
    },
    verify: async (publicKey, message, signature) => {
      if (signature.length !== SIGNATURE_BYTES) return false
      const { pss } = await keys.nativePublic(publicKey)
      const first = lastSalt.get(publicKey.text) ?? MAX_SALT
      for (const saltLength of [first, ...SALTS.filter(salt => salt !== first)]) {
        if (!(await subtle.verify({ name: 'RSA-PSS', saltLength }, pss, own(signature), own(message)))) continue
        lastSalt.set(publicKey.text, saltLength)
        return true
      }
      return false
    },
    encrypt: async (publicKey, block, label) => {
      if (block.length > PLAIN_BYTES)
        throw new RangeError(`An RSA-OAEP block holds ${String(PLAIN_BYTES)} bytes, not ${String(block.length)}.`)
      const { oaep } = await keys.nativePublic(publicKey)
      return new Uint8Array(await subtle.encrypt(oaepParameters(label), oaep, own(block)))
    },
    decrypt: async (privateKey, block, label) => {
      if (block.length !== BLOCK_BYTES)
        throw new RangeError(`An RSA-OAEP ciphertext has ${String(BLOCK_BYTES)} bytes, not ${String(block.length)}.`)
      const { oaep } = keys.nativePrivate(privateKey)
      return new Uint8Array(await subtle.decrypt(oaepParameters(label), oaep, own(block)))
    },
  }
}

/** The same bytes in a buffer that is no shared memory, which is what WebCrypto's types ask for. */
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)

const oaepParameters = (label: Uint8Array | undefined) => ({ name: 'RSA-OAEP', ...(label === undefined ? {} : { label: own(label) }) })

const secureSubtle = (): Subtle => {
  // browsers leave it out on pages that came over plain http from another machine
  const { subtle } = globalThis.crypto as { readonly subtle?: Subtle }
  if (subtle === undefined) throw new Error('WebCrypto is missing here: open this page over https, or from localhost.')
  return subtle
}
