/** What an attached user sends: checked, verified with their key, and handed to the part that decides. */
import type { AnyFrame, Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { maySend, ruleOf } from '../protocol/frames.ts'
import type { UserId } from '../protocol/ids.ts'
import { type Connection, peerOf, type UserPeer } from './connection.ts'
import { requireFresh } from './freshness.ts'
import type { Node } from './node.ts'
import type { Bucket } from './rate.ts'
import { verifyBy } from './verify.ts'

/** What a session shows of itself to its intake. */
export interface AttachedUser {
  readonly user: UserId
  /** The socket that counts. */
  readonly connection: Connection | undefined
  readonly bucket: Bucket
}

/**
 * Takes one frame of an attached user, cheapest check first. Rejects with a `ProtocolError` that is answered; `end` is called when
 * they say goodbye.
 */
export const takeFromUser = async (
  node: Node,
  session: AttachedUser,
  connection: Connection,
  frame: AnyFrame,
  end: (user: UserId, why: string) => void,
): Promise<void> => {
  if (session.connection !== connection) return
  const peer = peerOf(connection) as UserPeer
  const wait = session.bucket.borrow()
  if (wait > 0) await new Promise<void>(resolve => node.ports.clock.after(wait, resolve))
  if (!maySend('user', frame.type)) throw new ProtocolError('UNKNOWN_TYPE', 'wrong_role')
  if (frame.type === 'CTRL_CLOSE') {
    // they hear that they have left once the log says so
    end(session.user, 'left')
    node.runtime.release(() => {
      connection.close(1000, 'left')
    })
    return
  }
  if (frame.type === 'ACK' || frame.type === 'ERROR') return
  if (frame.type === 'PING') {
    const { n } = frame.payload
    // a server whose disk stands still is of no use to anybody: its silence says so
    node.runtime.release(() => {
      connection.channel.send('control', node.unsigned('PONG', peer.id, { n }))
    })
    return
  }
  if (frame.type === 'FILE_CHUNK') await node.load.roomForFiles(frame.to)
  if (frame.from !== peer.id) throw new ProtocolError('NAME_IN_USE', 'not_yours', 'This socket is attached under another id.')
  if (frame.type === 'RECEIPT') {
    // it says the same however often it comes, and whenever
    await takeReceipt(node, session, connection, peer, frame)
    return
  }
  requireFresh(node, frame, peer.offset)
  if (node.seen.has(peer.id, frame)) {
    node.count('duplicate', frame.type)
    return
  }
  const required = ruleOf(frame.type).signature === 'required'
  if (frame.sig !== undefined || (required && (peer.proven || !node.config.allow_unsigned))) await verifyBy(node, frame, peer.key)
  if (session.connection !== connection) return
  if (required && !node.seen.enter(peer.id, frame)) return
  decide(node, session, connection, peer, frame)
}

const takeReceipt = async (
  node: Node,
  session: AttachedUser,
  connection: Connection,
  peer: UserPeer,
  frame: Frame<'RECEIPT'>,
): Promise<void> => {
  const { recipient, state } = frame.payload
  if (recipient !== peer.id || !(state === 'delivered' || state === 'refused')) throw new ProtocolError('INVALID_SIG', 'not_the_reader')
  await verifyBy(node, frame, peer.key)
  if (session.connection === connection) node.receipts.fromReader(frame)
}

const decide = (node: Node, user: AttachedUser, connection: Connection, peer: UserPeer, frame: AnyFrame): void => {
  switch (frame.type) {
    case 'MSG_DIRECT':
    case 'MSG_PUBLIC_CHANNEL':
    case 'FILE_START':
    case 'FILE_CHUNK':
    case 'FILE_END':
      node.router.fromUser(connection, peer, frame)
      return
    case 'LIST_REQUEST':
      // a long list is many answers: its asker waits for as many turns
      user.bucket.borrow(node.directoryService.list(connection, peer, frame) - 1)
      return
    case 'SERVERS_REQUEST':
      node.directoryService.servers(connection, peer)
      return
    case 'RECEIPT_ASK':
      node.receipts.askedBy(peer.id, frame)
      return
    case 'PUBKEY_REQUEST':
      node.directoryService.key(connection, peer, frame)
      return
    default:
      throw new ProtocolError('UNKNOWN_TYPE', 'wrong_role')
  }
}
