/** The keys of one crypto port: opaque objects outside, native handles inside, so that no key can be printed, sent or passed to another port. */
import type { PrivateKey, PublicKey } from '../ports/crypto.ts'
import type { PublicKeyText } from '../protocol/ids.ts'
import { parsePublicKey } from './public-key.ts'
import { createRecent } from './recent.ts'

export interface KeyMemory<NativePublic, NativePrivate> {
  /** Imports once; the same text gives the same object as long as it is remembered. */
  publicKey(text: string): Promise<PublicKey>
  privateKey(text: PublicKeyText, native: NativePrivate): Promise<PrivateKey>
  /** The native handle. A public key of another port is imported by its text; a private one is a bug of the caller. */
  nativePublic(key: PublicKey): Promise<NativePublic> | NativePublic
  nativePrivate(key: PrivateKey): NativePrivate
}

/** How many public keys stay imported: one of each peer and user in a large mesh, about 4 kB each. */
const REMEMBERED_KEYS = 4096

export const createKeyMemory = <NativePublic, NativePrivate>(
  importSpki: (spki: Uint8Array) => Promise<NativePublic> | NativePublic,
): KeyMemory<NativePublic, NativePrivate> => {
  const publics = new WeakMap<PublicKey, NativePublic>()
  const privates = new WeakMap<PrivateKey, NativePrivate>()
  const byText = createRecent<PublicKeyText, PublicKey>(REMEMBERED_KEYS)

  const publicKey = async (text: string): Promise<PublicKey> => {
    const known = byText.get(text as PublicKeyText)
    if (known !== undefined) return known
    const parsed = parsePublicKey(text)
    const same = byText.get(parsed.text)
    if (same !== undefined) return same
    const native = await importSpki(parsed.spki)
    const key = Object.freeze({ text: parsed.text }) as PublicKey
    publics.set(key, native)
    byText.set(parsed.text, key)
    return key
  }

  const nativePublic = (key: PublicKey): Promise<NativePublic> | NativePublic => {
    const native = publics.get(key)
    if (native !== undefined) return native
    return publicKey(key.text).then(own => publics.get(own) as NativePublic)
  }

  return {
    publicKey,
    nativePublic,
    privateKey: async (text, native) => {
      const key = Object.freeze({ publicKey: await publicKey(text) }) as PrivateKey
      privates.set(key, native)
      return key
    },
    nativePrivate: key => {
      const native = privates.get(key)
      if (native === undefined) throw new TypeError('This private key was imported by another crypto port.')
      return native
    },
  }
}
