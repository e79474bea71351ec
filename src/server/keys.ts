/** Imported public keys, each imported once while it is in use (an import costs 3.6 verifications). */
import { createKeyTexts } from '../crypto/public-key.ts'
import type { Crypto, PublicKey } from '../ports/crypto.ts'
import type { PublicKeyText } from '../protocol/ids.ts'

export interface Keys {
  /** Rejects with `ProtocolError BAD_KEY`. */
  import(text: string): Promise<PublicKey>
  /** The form in which keys are compared; throws `ProtocolError BAD_KEY`. */
  normal(text: string): PublicKeyText
}

/** Keys kept; beyond it the one that was not asked for longest is imported again when needed. */
const KEPT = 4_096

export const createKeys = (crypto: Pick<Crypto, 'importPublicKey'>): Keys => {
  const kept = new Map<string, Promise<PublicKey>>()
  return {
    normal: createKeyTexts(KEPT),
    import(text) {
      const known = kept.get(text)
      if (known !== undefined) {
        kept.delete(text)
        kept.set(text, known)
        return known
      }
      const imported = crypto.importPublicKey(text)
      kept.set(text, imported)
      imported.catch(() => kept.delete(text))
      if (kept.size > KEPT) kept.delete(kept.keys().next().value as string)
      return imported
    },
  }
}
