/** The name of a message for acknowledgements: the same at the sender, on every server and at the receiver. */
import { utf8 } from './encoding.ts'

/** Bytes whose SHA-256 in base64url is `msg_ref`: from, to, ts in decimal and the ciphertext as sent, joined by newlines. */
export const messageInput = (from: string, to: string, ts: number, ciphertext: string): Uint8Array<ArrayBuffer> =>
  utf8(`${from}\n${to}\n${ts}\n${ciphertext}`)
