/** What comes in over a peer link: checked, verified with the key of its origin, and handed to the part that decides. */
import { homeOf } from '../domain/directory.ts'
import { isBanned } from '../domain/membership.ts'
import type { PublicKey } from '../ports/crypto.ts'
import type { AnyFrame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { maySend, ruleOf } from '../protocol/frames.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import { type Connection, peerOf, type ServerPeer } from './connection.ts'
import { relayedOf, requireFresh } from './freshness.ts'
import type { Node } from './node.ts'
import type { Bucket } from './rate.ts'
import { verifyBy } from './verify.ts'

/** What a link shows of itself to its intake. */
export interface LinkPulse {
  readonly bucket: Bucket
}

/** Whose key verifies a frame: the member in `from`, or for frames that stock servers re-sign, the home of the user in `from`. */
const originOf = async (node: Node, frame: AnyFrame, peer: ServerPeer): Promise<{ readonly id: ServerId; readonly key: PublicKey }> => {
  if (frame.from === peer.id) return { id: peer.id, key: peer.key }
  const member = node.state.membership.servers.get(frame.from as ServerId)
  if (member !== undefined) return { id: member.id, key: await node.keys.import(member.pubkey) }
  if (homeOf(node.state.directory, frame.from as UserId, node.links.isLinked) === peer.id) return { id: peer.id, key: peer.key }
  throw new ProtocolError('INVALID_SIG', 'unknown_origin', 'The frame comes from a server that is not known here.')
}

/** A relayed copy may count for nothing where the origin's own does (see `decidePresence`), so it must not make that one a duplicate. */
const RELAYED_APART = new Set<AnyFrame['type']>(['USER_ADVERTISE', 'USER_REMOVE'])

/**
 * Takes one frame of a linked peer, cheapest check first: role, rate, origin, duplicate, time, signature. Rejects with a
 * `ProtocolError` that is answered. `text` is the frame as it came, for passing it on unchanged.
 */
export const takeFromPeer = async (node: Node, link: LinkPulse, connection: Connection, frame: AnyFrame, text: string): Promise<void> => {
  const peer = peerOf(connection) as ServerPeer
  const wait = link.bucket.borrow()
  if (wait > 0) await new Promise<void>(resolve => node.ports.clock.after(wait, resolve))
  if (!maySend('server', frame.type)) throw new ProtocolError('UNKNOWN_TYPE', 'wrong_role')
  if (frame.type === 'CTRL_CLOSE') {
    connection.close(1000, 'the peer said goodbye')
    return
  }
  if (frame.type === 'ACK') return
  if (frame.type === 'RECEIPT') {
    await node.receipts.fromServer(peer, frame, text)
    return
  }
  const origin = await originOf(node, frame, peer)
  if (origin.id === node.self.id) return
  if (isBanned(node.state.membership, origin.id, origin.key.text)) {
    node.count('refused', 'banned')
    return
  }
  const memory = RELAYED_APART.has(frame.type) && origin.id !== peer.id ? relayedOf(origin.id) : origin.id
  if (node.seen.has(memory, frame)) {
    node.count('duplicate', frame.type)
    return
  }
  requireFresh(node, frame, origin.id === peer.id ? peer.offset : 0)
  // what a stock server does not sign changes nothing here
  if (frame.sig === undefined && ruleOf(frame.type).signature !== 'required') return
  await verifyBy(node, frame, origin.key)
  if (node.state.membership.servers.get(origin.id)?.pubkey !== origin.key.text) return
  if (origin.id === peer.id) connection.verifiedAt = node.ports.clock.monotonic()
  const attachedAt = frame.type === 'USER_ADVERTISE' ? await node.gossip.attachedAt(frame, origin.id) : undefined
  if (frame.type === 'SERVER_DELIVER') await node.router.requireVoice(frame, origin.id)
  node.ports.reach('frame verified')
  if (!node.seen.enter(memory, frame)) return
  if (frame.type === 'USER_ADVERTISE' || frame.type === 'USER_REMOVE') node.gossip.apply(connection, frame, origin.id, text, attachedAt)
  else decide(node, connection, frame, origin.id, text)
}

const decide = (node: Node, connection: Connection, frame: AnyFrame, origin: ServerId, text: string): void => {
  switch (frame.type) {
    case 'SERVER_VOUCH':
      node.introducer.vouch(frame, origin)
      return
    case 'SERVER_MEMBERS':
      if (origin === peerOf(connection).id) node.hearsay.heard(frame, origin)
      return
    case 'PRESENCE_ASK':
      if (origin === peerOf(connection).id) node.sync.asked(frame, origin)
      return
    case 'PRESENCE_TELL':
      if (origin === peerOf(connection).id) node.sync.told(frame, origin)
      return
    case 'RECEIPT_ASK':
      if (origin === peerOf(connection).id) node.receipts.askedFor(frame, origin)
      return
    case 'SERVER_DELIVER':
      node.router.fromServer(connection, frame, origin, text)
      return
    case 'MSG_PUBLIC_CHANNEL':
      node.router.publicFromServer(frame, origin)
      return
    case 'ERROR':
      node.router.errorFromServer(frame)
      return
    case 'PUBLIC_CHANNEL_ADD':
    case 'PUBLIC_CHANNEL_UPDATED':
    case 'PUBLIC_CHANNEL_KEY_SHARE':
      node.runtime.release(() => {
        node.links.broadcast('traffic', text, new Set([origin, peerOf(connection).id as ServerId]))
      })
      return
    // a heartbeat says only that it came; a known server's announcement says nothing new, an unknown one's needs a voucher
    default:
  }
}
