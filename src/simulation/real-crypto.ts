/** Real cryptography in a simulated world: it takes virtual time as the stand-in does, and the world waits for it. */
import type { Crypto } from '../ports/crypto.ts'
import { costMs, createCores } from './crypto.ts'
import type { Life } from './life.ts'
import type { Schedule } from './schedule.ts'

/** The crypto port of one incarnation. */
export const realCrypto = (schedule: Schedule, life: Life, crypto: Crypto): Crypto => {
  const cores = createCores(schedule, 2)
  const later = <T>(ms: number, work: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      // whoever waits hears of a failure; nobody else does
      work.catch(() => {})
      if (!life.calls()) return
      schedule.after(ms, () => {
        const told = work.then(
          value => {
            life.enter(() => {
              resolve(value)
            })
          },
          (error: unknown) => {
            life.enter(() => {
              reject(error instanceof Error ? error : new Error(String(error)))
            })
          },
        )
        schedule.hold(told)
      })
    })
  return {
    sha256: bytes => crypto.sha256(bytes),
    importPublicKey: text => later(0, crypto.importPublicKey(text)),
    importPrivateKey: pkcs8 => later(0, crypto.importPrivateKey(pkcs8)),
    generateKey: () => later(0, crypto.generateKey()),
    sign: (key, message) => later(cores(costMs.sign), crypto.sign(key, message)),
    verify: (key, message, signature) => later(costMs.verify, crypto.verify(key, message, signature)),
    encrypt: (key, block, label) => later(costMs.encrypt, crypto.encrypt(key, block, label)),
    decrypt: (key, block, label) => later(cores(costMs.decrypt), crypto.decrypt(key, block, label)),
  }
}
