/** Cryptography of a simulated world: the same interface, the same sizes and the same failures as RSA-4096, in virtual time and without its price. */
import { createKeyMemory } from '../crypto/key-memory.ts'
import { writeSpki } from '../crypto/rsa-structure.ts'
import type { Crypto } from '../ports/crypto.ts'
import { concat, toBase64Url, utf8 } from '../protocol/encoding.ts'
import type { PublicKeyText } from '../protocol/ids.ts'
import type { Dice } from './dice.ts'
import type { Life } from './life.ts'
import type { Schedule } from './schedule.ts'

/** Milliseconds that an operation takes one core of the machine that design.md measures. */
export const costMs = { sign: 2.2, verify: 0.11, encrypt: 0.12, decrypt: 2.2 } as const
const SIGNATURE_BYTES = 512
const BLOCK_BYTES = 512
const PLAIN_BYTES = 446
const SALT_BYTES = 16
const HASH_BYTES = 32

/** What stands in a key file, and the public key. */
export interface KeyPair {
  readonly pkcs8: Uint8Array
  readonly text: PublicKeyText
}

/** Deals key pairs that were made before, each once. Throws when there are no more. */
export const dealer = (keys: readonly KeyPair[]): (() => KeyPair) => {
  let dealt = 0
  return () => {
    const key = keys[dealt++]
    if (key === undefined) throw new Error(`there are ${keys.length} key pairs, and somebody wants one more`)
    return key
  }
}

/** Every key pair of a world: who holds a private key can make what its public key verifies, and nobody else can. */
export interface Keyring {
  make(): KeyPair
  secretOf(text: PublicKeyText): Uint8Array | undefined
  textOf(pkcs8: Uint8Array): PublicKeyText | undefined
}

export const createKeyring = (dice: Dice): Keyring => {
  const secrets = new Map<PublicKeyText, Uint8Array>()
  const texts = new Map<string, PublicKeyText>()
  return {
    make() {
      const modulus = dice.bytes(512)
      modulus[0] = (modulus[0] as number) | 0x80
      modulus[511] = (modulus[511] as number) | 1
      const text = toBase64Url(writeSpki({ modulus, exponent: new Uint8Array([1, 0, 1]) })) as string as PublicKeyText
      const pkcs8 = dice.bytes(HASH_BYTES)
      secrets.set(text, pkcs8)
      texts.set(toBase64Url(pkcs8), text)
      return { pkcs8, text }
    },
    secretOf: text => secrets.get(text),
    textOf: pkcs8 => texts.get(toBase64Url(pkcs8)),
  }
}

/** The cores of a machine: what is asked while all are busy waits for the first that is free. */
export const createCores = (schedule: Schedule, count: number) => {
  const freeAt = Array.from({ length: count }, () => 0)
  return (ms: number): number => {
    const first = freeAt.indexOf(Math.min(...freeAt))
    const done = Math.max(schedule.now(), freeAt[first] as number) + ms
    freeAt[first] = done
    return done - schedule.now()
  }
}

export interface SimulatedCryptoOptions {
  readonly schedule: Schedule
  readonly life: Life
  readonly keyring: Keyring
  readonly dice: Dice
  readonly sha256: Crypto['sha256']
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, index) => byte === b[index])

/** The crypto port of one incarnation. */
export const createCrypto = ({ schedule, life, keyring, dice, sha256 }: SimulatedCryptoOptions): Crypto => {
  const cores = createCores(schedule, 2)
  const keys = createKeyMemory<PublicKeyText, PublicKeyText>(spki => toBase64Url(spki) as string as PublicKeyText)

  /** Answers in virtual time, or never when the process has died by then. */
  const later = <T>(ms: number, work: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      if (!life.calls()) return
      schedule.after(ms, () => {
        life.enter(() => {
          try {
            resolve(work())
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        })
      })
    })
  const secretOf = (text: PublicKeyText): Uint8Array => keyring.secretOf(text) ?? new Uint8Array(HASH_BYTES)
  const macOf = (secret: Uint8Array, salt: Uint8Array, message: Uint8Array): Uint8Array => sha256(concat(secret, salt, message))
  /** What hides a block from everybody without the key. */
  const pad = (secret: Uint8Array, salt: Uint8Array, block: Uint8Array): Uint8Array => {
    const mask = macOf(secret, salt, utf8('mask'))
    return block.map((byte, index) => byte ^ (mask[index % HASH_BYTES] as number))
  }

  return {
    sha256,
    importPublicKey: text => keys.publicKey(text),
    importPrivateKey: pkcs8 => {
      const text = keyring.textOf(pkcs8)
      return text === undefined ? Promise.reject(new Error('no key of this world')) : keys.privateKey(text, text)
    },
    async generateKey() {
      const { pkcs8, text } = keyring.make()
      return { pkcs8, privateKey: await keys.privateKey(text, text) }
    },
    sign: (privateKey, message) =>
      later(cores(costMs.sign), () => {
        const signature = new Uint8Array(SIGNATURE_BYTES)
        const salt = dice.bytes(SALT_BYTES)
        signature.set(salt)
        signature.set(macOf(secretOf(keys.nativePrivate(privateKey)), salt, message), SALT_BYTES)
        return signature
      }),
    verify: (publicKey, message, signature) =>
      later(costMs.verify, () => {
        const secret = keyring.secretOf(publicKey.text)
        if (secret === undefined || signature.length !== SIGNATURE_BYTES) return false
        const mac = signature.subarray(SALT_BYTES, SALT_BYTES + HASH_BYTES)
        return same(macOf(secret, signature.subarray(0, SALT_BYTES), message), mac)
      }),
    encrypt: (publicKey, block, label = new Uint8Array()) =>
      later(costMs.encrypt, () => {
        if (block.length > PLAIN_BYTES) throw new RangeError(`a block holds ${PLAIN_BYTES} bytes, not ${block.length}`)
        const secret = secretOf(publicKey.text)
        const salt = dice.bytes(SALT_BYTES)
        const sealed = new Uint8Array(BLOCK_BYTES)
        sealed.set(salt)
        sealed.set(macOf(secret, salt, concat(label, block)), SALT_BYTES)
        sealed.set([block.length >> 8, block.length & 255], SALT_BYTES + HASH_BYTES)
        sealed.set(pad(secret, salt, block), SALT_BYTES + HASH_BYTES + 2)
        return sealed
      }),
    decrypt: (privateKey, sealed, label = new Uint8Array()) =>
      later(cores(costMs.decrypt), () => {
        const secret = secretOf(keys.nativePrivate(privateKey))
        const salt = sealed.subarray(0, SALT_BYTES)
        const at = SALT_BYTES + HASH_BYTES + 2
        const length = ((sealed[at - 2] ?? 0) << 8) | (sealed[at - 1] ?? 0)
        const block = pad(secret, salt, sealed.subarray(at, at + length))
        if (sealed.length !== BLOCK_BYTES || !same(macOf(secret, salt, concat(label, block)), sealed.subarray(SALT_BYTES, at - 2)))
          throw new Error('it does not decrypt')
        return block
      }),
  }
}
