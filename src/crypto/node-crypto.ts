/** The crypto port of Node: OpenSSL through node:crypto, with everything that takes a private key in libuv's thread pool. */
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  hash,
  sign as opensslSign,
  verify as opensslVerify,
  webcrypto,
  type KeyObject,
} from 'node:crypto'
import { promisify } from 'node:util'
import type { Crypto } from '../ports/crypto.ts'
import { createKeyMemory } from './key-memory.ts'
import { publicKeyOfPkcs8 } from './public-key.ts'
import { createRecent } from './recent.ts'
import { badKey } from './rsa-structure.ts'

export interface NodeCryptoOptions {
  /** Up to this many verifications a second run on the loop, which is cheaper; more go to the thread pool. */
  readonly verifiesOnLoop?: number
  /** How many verified signatures are remembered, so that the same frame from another link costs a hash. */
  readonly rememberedSignatures?: number
}

const SIGNATURE_BYTES = 512
const BLOCK_BYTES = 512
const PLAIN_BYTES = 446
const RATE_WINDOW_MS = 100
const OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' } as const
const PSS_SIGN = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN } as const
const PSS_VERIFY = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO } as const

interface Native {
  readonly key: KeyObject
  /** The same key for OAEP: node:crypto decrypts on the loop only, WebCrypto in the pool. */
  readonly oaep: webcrypto.CryptoKey
}

/** A crypto port on OpenSSL. Its caches are its own; keys belong to it. */
export const nodeCrypto = (options: NodeCryptoOptions = {}): Crypto => {
  const { verifiesOnLoop = 1500, rememberedSignatures = 8192 } = options
  const verified = createRecent<string, true>(rememberedSignatures)
  const onLoop = createRate((verifiesOnLoop * RATE_WINDOW_MS) / 1000)
  const keys = createKeyMemory<Native, Native>(spki => {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return { key, oaep: key.toCryptoKey(OAEP, false, ['encrypt']) }
  })

  const importPrivateKey: Crypto['importPrivateKey'] = async pkcs8 => {
    const { text } = publicKeyOfPkcs8(pkcs8)
    try {
      const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
      return await keys.privateKey(text, { key, oaep: key.toCryptoKey(OAEP, false, ['decrypt']) })
    } catch (error) {
      throw badKey('private', 'malformed', 'OpenSSL cannot read it', { cause: error })
    }
  }

  const sign: Crypto['sign'] = async (privateKey, message) => {
    const { key } = keys.nativePrivate(privateKey)
    return plain(await signInPool('sha256', message, { key, ...PSS_SIGN }))
  }

  const verify: Crypto['verify'] = async (publicKey, message, signature) => {
    if (signature.length !== SIGNATURE_BYTES) return false
    // signature and key have fixed lengths, so nothing joined here can be read in two ways
    const memory = hash('sha256', Buffer.concat([Buffer.from(publicKey.text, 'latin1'), signature, message]), 'base64')
    if (verified.get(memory) === true) return true
    const { key } = await keys.nativePublic(publicKey)
    const valid = onLoop()
      ? opensslVerify('sha256', message, { key, ...PSS_VERIFY }, signature)
      : await verifyInPool('sha256', message, { key, ...PSS_VERIFY }, signature)
    if (valid) verified.set(memory, true)
    return valid
  }

  return {
    sha256: createDigests(),
    importPublicKey: keys.publicKey,
    importPrivateKey,
    generateKey: async () => {
      const pair = await promisify(generateKeyPair)('rsa', { modulusLength: 4096, publicExponent: 65537 })
      const pkcs8 = plain(pair.privateKey.export({ type: 'pkcs8', format: 'der' }))
      return { privateKey: await importPrivateKey(pkcs8), pkcs8 }
    },
    sign,
    verify,
    encrypt: async (publicKey, block, label) => {
      if (block.length > PLAIN_BYTES)
        throw new RangeError(`An RSA-OAEP block holds ${String(PLAIN_BYTES)} bytes, not ${String(block.length)}.`)
      const { oaep } = await keys.nativePublic(publicKey)
      return new Uint8Array(await webcrypto.subtle.encrypt(oaepParameters(label), oaep, block))
    },
    decrypt: async (privateKey, block, label) => {
      if (block.length !== BLOCK_BYTES)
        throw new RangeError(`An RSA-OAEP ciphertext has ${String(BLOCK_BYTES)} bytes, not ${String(block.length)}.`)
      const { oaep } = keys.nativePrivate(privateKey)
      return new Uint8Array(await webcrypto.subtle.decrypt(oaepParameters(label), oaep, block))
    },
  }
}

const signInPool = promisify(opensslSign)
const verifyInPool = promisify(opensslVerify)

/** A view of the same bytes without Buffer's methods, so that both ports answer the same type. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

/** Digests a slab: whoever keeps one for long keeps the slab, so they are few. */
const SLAB = 64
const DIGEST_BYTES = 32

/** SHA-256 without a buffer of its own for each digest, which costs as much as the hash: the log makes two for every row. */
const createDigests = (): ((bytes: Uint8Array) => Uint8Array) => {
  let slab = Buffer.allocUnsafeSlow(SLAB * DIGEST_BYTES)
  let end = 0
  return bytes => {
    if (end === slab.length) {
      slab = Buffer.allocUnsafeSlow(SLAB * DIGEST_BYTES)
      end = 0
    }
    slab.write(hash('sha256', bytes, 'binary'), end, 'latin1')
    end += DIGEST_BYTES
    return new Uint8Array(slab.buffer, end - DIGEST_BYTES, DIGEST_BYTES)
  }
}

const oaepParameters = (label: Uint8Array | undefined): webcrypto.RsaOaepParams => ({
  name: 'RSA-OAEP',
  ...(label === undefined ? {} : { label }),
})

/** Answers true for the first `perWindow` calls of every window. */
const createRate = (perWindow: number): (() => boolean) => {
  let windowStart = -Infinity
  let calls = 0
  return () => {
    // eslint-disable-next-line no-restricted-syntax -- this is a port itself, and only where it verifies depends on it, never what it answers
    const now = performance.now()
    if (now - windowStart >= RATE_WINDOW_MS) {
      windowStart = now
      calls = 0
    }
    return ++calls <= perWindow
  }
}
