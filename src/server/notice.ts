/** What a server says of itself, and of their own session, to users whose programs understand it. */
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import { frameText, signedEvent } from './signed-event.ts'

/** Rows of `SERVER_NOTICE` in docs/protocol.md. */
export interface Notice {
  readonly code: string
  /** A sentence for the person. */
  readonly detail: string
  readonly server_id?: string
  readonly at?: number
}

/** Tells those of `to` who understand it, for one signature. */
export const notify = (node: Node, notice: Notice, to: Iterable<Connection>): void => {
  const event = signedEvent(node.signer, notice, 'control')
  for (const connection of to) {
    const { peer } = connection
    if (peer?.role !== 'user' || !peer.caps.includes('notice')) continue
    const text = frameText(event, { type: 'SERVER_NOTICE', from: node.self.id, to: peer.id, ts: node.nextTs() })
    // what cannot be signed either is said by the refusals
    node.runtime.release(() => connection.channel.send('control', text, () => {}))
  }
}
