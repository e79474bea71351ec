/** Answers to frames that are refused: constants signed once at the start, so that garbage costs no signature. */
import { StreamSetAside } from '../actors/runtime.ts'
import { encodeFrame } from '../protocol/envelope.ts'
import { type ErrorCode, errorCodes, ProtocolError } from '../protocol/errors.ts'
import type { Base64Url } from '../protocol/ids.ts'
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import type { Bucket } from './rate.ts'
import { frameText, type SignedEvent, signedEvent } from './signed-event.ts'

export interface Refusals {
  /** Signs the constants; six signatures. */
  prepare(): Promise<void>
  /**
   * Counts the refusal, answers it within the connection's budget, and closes the connection beyond it. `relayed` is the budget of
   * frames that say nothing of the other end itself: beyond that one nothing is answered, and nothing closed for what a third party wrote.
   */
  refuse(connection: Connection, error: unknown, type?: string, relayed?: Bucket): void
  /** Tells an authenticated sender which frame could not be done: `detail` and `msg_ref` name it. */
  tell(connection: Connection, to: string, code: ErrorCode, detail: string, reference?: string): void
}

/** Never answered with an ERROR, or two servers answer each other for ever. */
const UNANSWERED = new Set(['ERROR', 'ACK', 'CTRL_CLOSE'])

export const createRefusals = (node: Node): Refusals => {
  const constants = new Map<ErrorCode, { readonly event: SignedEvent; readonly sig: Base64Url }>()
  const answer = (connection: Connection, code: ErrorCode): string | undefined => {
    const constant = constants.get(code)
    if (constant === undefined) return undefined
    const to = connection.peer?.id ?? '*'
    const { payloadText } = constant.event
    return encodeFrame({ type: 'ERROR', from: node.self.id, to, ts: node.nextTs(), payloadText, sig: constant.sig })
  }
  return {
    async prepare() {
      for (const [code, detail] of Object.entries(errorCodes) as [ErrorCode, string][]) {
        const event = signedEvent(node.signer, { code, detail }, 'control')
        constants.set(code, { event, sig: await event.signature() })
      }
    },
    refuse(connection, refused, type, relayed) {
      const error = refused instanceof StreamSetAside ? new ProtocolError('TIMEOUT', 'set_aside', undefined, { cause: refused }) : refused
      if (!(error instanceof ProtocolError)) throw error
      node.count('refused', error.reason)
      node.log('debug', 'refused a frame', { connection: connection.id, type, code: error.code, reason: error.reason })
      if (type !== undefined && UNANSWERED.has(type)) return
      if (!(relayed ?? connection.refusals).take()) {
        if (relayed !== undefined) return
        connection.close(1008, 'too many refused frames')
        if (connection.peer?.role === 'server') node.links.wronged(connection.peer.id, 'too many refused frames', connection.peer.proven)
        return
      }
      const text = answer(connection, error.code)
      if (text === undefined) return
      node.runtime.release(() => connection.channel.send('control', text))
    },
    tell(connection, to, code, detail, reference) {
      node.count('refused', code)
      const payload = { code, detail, ...(reference === undefined ? {} : { msg_ref: reference }) }
      // a machine that is too busy to sign still says what it could not do: ours read an ERROR without a signature, others the constant
      const cheap = (): void => {
        const ours = connection.peer?.caps.includes('ack') === true
        const text = ours ? node.unsigned('ERROR', to, payload) : answer(connection, code)
        if (text !== undefined) connection.channel.send('traffic', text)
      }
      if (node.signer.crowded('message', 0.5)) {
        node.runtime.release(cheap)
        return
      }
      const text = frameText(signedEvent(node.signer, payload, 'message'), { type: 'ERROR', from: node.self.id, to, ts: node.nextTs() })
      node.runtime.release(() => connection.channel.send('traffic', text, cheap))
    },
  }
}
