/** The captured wire data of other programs as the checks need it: frames, keys, and what an independent verifier found. */
import type { Crypto, PrivateKey, PublicKey } from '../../src/ports/crypto.ts'
import { pkcs8OfJwk, type PrivateJwk } from './jwk.ts'

export const captures = ['admiral', 'fengyuan', 'functions', 'g17', 'g43', 'g69'] as const

export interface CapturedLine {
  readonly n: number
  readonly frame: string
}

/** One entry of `<label>.expect.json`; what is not listed here is for people. */
export interface Expectation {
  readonly transport_sig: 'valid' | 'absent'
  readonly canonical: string | null
  readonly prehashed: boolean | null
  readonly signer?: string
  readonly content_sig: 'valid' | 'invalid' | 'absent'
  readonly content_signer?: string
  readonly content_sig_values?: { readonly from: string | null }
  readonly plaintext: string | null
  readonly plaintext_encoding?: 'utf8' | 'base64'
  readonly decrypt_key?: string
  readonly oaep_label_hex?: string
  readonly nested_sig?: 'valid'
  readonly nested_signer?: string
  readonly shares?: Readonly<Record<string, string>>
  readonly auth?: { readonly construction: string }
}

interface KeyEntry {
  readonly public_pem: string
  readonly private_jwk?: PrivateJwk
}
interface KeyFile {
  readonly users: Readonly<Record<string, KeyEntry>>
  readonly servers: Readonly<Record<string, KeyEntry>>
}

export interface Capture {
  readonly label: string
  readonly lines: readonly CapturedLine[]
  readonly expected: (n: number) => Expectation
  readonly publicKey: (id: string) => Promise<PublicKey>
  readonly privateKey: (id: string) => Promise<PrivateKey>
  /** The id that owns a public key, as a client's directory would find it. */
  readonly ownerOf: (pubkey: string) => Promise<string | undefined>
}

/** Reads one capture; `vectors` is the environment's. Keys are imported when first needed. */
export const openCapture = (label: string, crypto: Crypto, vectors: (name: string) => unknown): Capture => {
  const keys = vectors(`${label}.keys.json`) as KeyFile
  const expect = vectors(`${label}.expect.json`) as Readonly<Record<string, Expectation>>
  const entries = new Map([...Object.entries(keys.users), ...Object.entries(keys.servers)])
  const privates = new Map<string, Promise<PrivateKey>>()
  const entry = (id: string): KeyEntry => {
    const found = entries.get(id)
    if (found === undefined) throw new Error(`${label}: no key of ${id}`)
    return found
  }
  const publicKey = (id: string): Promise<PublicKey> => crypto.importPublicKey(entry(id).public_pem)
  return {
    label,
    lines: vectors(`${label}.jsonl`) as readonly CapturedLine[],
    expected: n => {
      const found = expect[String(n)]
      if (found === undefined) throw new Error(`${label}: nothing is expected of frame ${String(n)}`)
      return found
    },
    publicKey,
    privateKey: id => {
      const jwk = entry(id).private_jwk
      if (jwk === undefined) throw new Error(`${label}: no private key of ${id}`)
      const known = privates.get(id) ?? crypto.importPrivateKey(pkcs8OfJwk(jwk))
      privates.set(id, known)
      return known
    },
    ownerOf: async pubkey => {
      const { text } = await crypto.importPublicKey(pubkey)
      for (const id of entries.keys()) if ((await publicKey(id)).text === text) return id
      return undefined
    },
  }
}
