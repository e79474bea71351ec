/** RSA-4096 and SHA-256 as the node and the client see them (SOCP §4); one interface for Node and for browsers. */
import type { PublicKeyText } from '../protocol/ids.ts'

declare const key: unique symbol
/** An imported public key: 4096 bits, e = 65537, checked when it was imported. Opaque; belongs to the port that made it. */
export interface PublicKey {
  readonly [key]: 'public'
  readonly text: PublicKeyText
}
/** An imported private key; never printed, never serialised but by the key file. */
export interface PrivateKey {
  readonly [key]: 'private'
  readonly publicKey: PublicKey
}

export interface Crypto {
  /** SHA-256 (FIPS 180-4), synchronous because folds and digests need it. 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array
  /**
   * Imports a public key from any accepted form: base64url (padded or not) of SPKI DER or of PEM, or PEM.
   * Rejects with `ProtocolError BAD_KEY` unless it is RSA with a 4096-bit odd modulus and e = 65537.
   */
  importPublicKey(text: string): Promise<PublicKey>
  /** Imports a PKCS#8 DER private key under the same rules. */
  importPrivateKey(pkcs8: Uint8Array): Promise<PrivateKey>
  /** Makes a key pair; takes seconds. Answers the PKCS#8 DER for the key file beside the key. */
  generateKey(): Promise<{ readonly privateKey: PrivateKey; readonly pkcs8: Uint8Array }>
  /** RSASSA-PSS with SHA-256, MGF1-SHA-256 and the maximum salt of 478 bytes (RFC 8017 §8.1). 512 bytes. Runs off the loop. */
  sign(privateKey: PrivateKey, message: Uint8Array): Promise<Uint8Array>
  /** Verifies with any salt length that occurs: 478 and 32. Never rejects: what cannot be checked is false. */
  verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean>
  /** RSA-OAEP with SHA-256 of one block of at most 446 bytes. 512 bytes. `label` is empty unless given. */
  encrypt(publicKey: PublicKey, block: Uint8Array, label?: Uint8Array): Promise<Uint8Array>
  /** Undoes `encrypt` for one block of 512 bytes; rejects when it does not decrypt. */
  decrypt(privateKey: PrivateKey, block: Uint8Array, label?: Uint8Array): Promise<Uint8Array>
}
