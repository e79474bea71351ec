/** The last and dearest check of a frame: its signature. */
import { verifyPayload } from '../crypto/transport-signature.ts'
import type { PublicKey } from '../ports/crypto.ts'
import type { Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Node } from './node.ts'

/** Rejects unless the frame's payload is signed by `key`. */
export const verifyBy = async (node: Node, frame: Frame, key: PublicKey): Promise<void> => {
  if (frame.sig === undefined) throw new ProtocolError('INVALID_SIG', 'unsigned')
  node.count('verified', frame.type)
  if (!(await verifyPayload(node.ports.crypto, key, frame.payloadText, frame.sig)))
    throw new ProtocolError('INVALID_SIG', 'wrong_signature')
}
