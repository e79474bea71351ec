/** Keys as people compare them. */
import { createHash } from 'node:crypto'

/** SHA-256 of the SPKI DER in hex, in groups that can be read aloud. */
export const fingerprintOf = (pubkey: string): string =>
  createHash('sha256').update(Buffer.from(pubkey, 'base64url')).digest('hex').match(/.{4}/g)?.join(' ') ?? ''
