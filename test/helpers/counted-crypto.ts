/** The real cryptography, counted: a test on virtual time goes on when nothing is at work. */
import type { Crypto } from '../../src/ports/crypto.ts'

export interface CountedCrypto extends Crypto {
  /** Operations at work. */
  working(): number
  /** Resolves when one more of them is done. */
  oneDone(): Promise<void>
  readonly signed: () => number
}

/** A start measures signing over 32 zero bytes; on a clock that stands still that would only take time. */
const isMeasurement = (message: Uint8Array): boolean => message.length === 32 && message.every(byte => byte === 0)

export const countedCrypto = (crypto: Crypto): CountedCrypto => {
  let working = 0
  let signatures = 0
  let waiting: (() => void)[] = []
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    working += 1
    try {
      return await work
    } finally {
      working -= 1
      const told = waiting
      waiting = []
      for (const tell of told) tell()
    }
  }
  return {
    ...crypto,
    sign: (key, message) => {
      if (isMeasurement(message)) return Promise.resolve(new Uint8Array(512))
      signatures += 1
      return counted(crypto.sign(key, message))
    },
    verify: (...args) => counted(crypto.verify(...args)),
    encrypt: (...args) => counted(crypto.encrypt(...args)),
    decrypt: (...args) => counted(crypto.decrypt(...args)),
    importPublicKey: text => counted(crypto.importPublicKey(text)),
    working: () => working,
    signed: () => signatures,
    oneDone: () =>
      new Promise(resolve => {
        waiting.push(resolve)
      }),
  }
}
