/** Where content goes (SOCP §10): to a user attached here, to the server that has them, or back as USER_NOT_FOUND; never decrypted, never in a loop. */
import { homeOf } from '../domain/directory.ts'
import { lastHomeOf } from '../domain/homes.ts'
import { carriedContent } from '../protocol/carried.ts'
import type { Frame } from '../protocol/envelope.ts'
import { type ErrorCode, isErrorCode, ProtocolError } from '../protocol/errors.ts'
import { type ServerId, userId, type UserId } from '../protocol/ids.ts'
import { verifyContent } from '../crypto/content.ts'
import { contentFields } from '../protocol/content-fields.ts'
import { ownContentForm } from '../protocol/content-forms.ts'
import type { Priority } from '../crypto/signing-queue.ts'
import type { Lane } from './channel.ts'
import type { Connection, UserPeer } from './connection.ts'
import { asksReceipt, requireFresh } from './freshness.ts'
import type { Node } from './node.ts'
import {
  asksReceiptOf,
  deliveryOf,
  isEverybody,
  isFile,
  isPassable,
  isSendable,
  type Parcel,
  referenceOf,
  type UserContent,
} from './parcel.ts'
import { frameText, signedEvent } from './signed-event.ts'

export interface Router {
  /** Content of a user attached here. */
  fromUser(connection: Connection, sender: UserPeer, frame: UserContent): void
  /**
   * Rejects a delivery of a server that may not speak for the sender: one that is not their home, unless it passes on what the sender
   * signed, as an old home of the reader does with what waited there.
   */
  requireVoice(frame: Frame<'SERVER_DELIVER'>, origin: ServerId): Promise<void>
  /** A delivery that was verified with the key of `origin`; `text` is the frame as it came. */
  fromServer(connection: Connection, frame: Frame<'SERVER_DELIVER'>, origin: ServerId, text: string): void
  /** A public message of a stock server: one frame for all users of each server. */
  publicFromServer(frame: Frame<'MSG_PUBLIC_CHANNEL'>, origin: ServerId): void
  /** What became of something that a user here had sent. */
  errorFromServer(frame: Frame<'ERROR'>): void
}

/** What is not passed on, because others would not take it. */
const UNPASSABLE = 'This is too long to be passed on, or not as others take it.'

export const createRouter = (node: Node): Router => {
  const send = (
    parcel: Parcel,
    type: 'SERVER_DELIVER' | UserContent['type'],
    to: string,
    put: (lane: Lane, text: Promise<string>, failed: (error: unknown) => void) => void,
    failed: (error: unknown) => void,
  ): void => {
    const { inner } = parcel
    const lane: Lane = isFile(inner) ? 'file' : 'traffic'
    const priority: Priority = isFile(inner) ? 'file' : inner === 'MSG_PUBLIC_CHANNEL' ? 'public' : 'message'
    const marked = type === 'SERVER_DELIVER' ? deliveryOf(parcel) : parcel.payload
    const text = frameText(signedEvent(node.signer, marked, priority), { type, from: node.self.id, to, ts: parcel.ts })
    node.runtime.release(() => {
      put(lane, text, failed)
    })
  }

  /** Hands a parcel to a user whose home is here; false when it can be neither delivered nor kept. */
  const deliverHere = (parcel: Parcel, failed: (error: unknown) => void): boolean => {
    if (!isFile(parcel.inner)) return node.delivery.take(parcel, failed)
    const connection = node.sessions.connectionOf(parcel.recipient)
    if (connection === undefined) return false
    if (parcel.inner === 'FILE_START')
      node.runtime.release(() => {
        connection.channel.barrier('file', 'traffic')
      })
    send(
      parcel,
      parcel.inner,
      parcel.recipient,
      (lane, text, unsigned) => {
        connection.channel.send(lane, text, unsigned)
      },
      failed,
    )
    return true
  }

  const deliverThere = (given: Parcel, server: ServerId, failed: (error: unknown) => void): boolean => {
    if (!node.links.isLinked(server)) return false
    const deaf = asksReceiptOf(given) && !node.links.capsOf(server).includes('receipts')
    // its sender keeps it, and nothing would be heard of it any more
    if (deaf && node.links.isMute(server)) return false
    const parcel = deaf ? withoutReceipt(given) : given
    if (deaf)
      node.runtime.release(() => {
        node.receipts.tell('passed', { ...given, id: referenceOf(given, node.ports.crypto) })
      })
    if (parcel.inner === 'FILE_START')
      node.runtime.release(() => {
        node.links.barrier(server)
      })
    send(
      parcel,
      'SERVER_DELIVER',
      server,
      (lane, text, unsigned) => {
        node.links.send(server, lane, text, unsigned)
      },
      failed,
    )
    return true
  }

  /** Where it goes: to its reader's home, or for a message to the one where they were last. */
  const homeFor = ({ inner, recipient }: Pick<Parcel, 'inner' | 'recipient'>): ServerId | 'local' | undefined => {
    const { isLinked } = node.links
    return isFile(inner) ? homeOf(node.state.directory, recipient, isLinked) : lastHomeOf(node.state, recipient, isLinked)
  }

  const route = (parcel: Parcel, failed: (error: unknown) => void): boolean => {
    const home = homeFor(parcel)
    if (home === undefined) return false
    return home === 'local' ? deliverHere(parcel, failed) : deliverThere(parcel, home, failed)
  }

  const acknowledge = (connection: Connection, sender: UserPeer, reference: string): void => {
    if (!sender.caps.includes('ack')) return
    // as urgent as what it answers, or acknowledgements would crowd out what they acknowledge
    const event = signedEvent(node.signer, { msg_ref: reference }, 'message')
    const text = frameText(event, { type: 'ACK', from: node.self.id, to: sender.id, ts: node.nextTs() })
    node.runtime.release(() => {
      connection.channel.send('traffic', text)
    })
  }

  /** One frame for each server that has users, and one for each user here. */
  const toEverybody = (sender: UserId, frame: UserContent): void => {
    const { receipt: _receipt, ...carried } = carriedContent(frame.payload)
    const payload = { ...carried, sender, group_id: 'public', channel: 'public', msg_ts: frame.ts }
    if (!isSendable('MSG_PUBLIC_CHANNEL', payload)) throw new ProtocolError('UNKNOWN_TYPE', 'unpassable', UNPASSABLE)
    const event = signedEvent(node.signer, payload, 'public')
    const text = frameText(event, { type: 'MSG_PUBLIC_CHANNEL', from: node.self.id, to: '*', ts: frame.ts })
    node.runtime.release(() => {
      node.links.broadcast('traffic', text)
      node.sessions.broadcast(text, sender)
    })
  }

  /** Tells the sender of a delivery, by way of the server that brought it, that it came to nothing. */
  const answerOrigin = (parcel: Parcel, origin: ServerId, code: ErrorCode, detail: string): void => {
    const event = signedEvent(node.signer, { code, detail, msg_ref: referenceOf(parcel, node.ports.crypto) }, 'message')
    const answer = frameText(event, { type: 'ERROR', from: node.self.id, to: parcel.sender, ts: node.nextTs() })
    node.runtime.release(() => {
      node.links.send(origin, 'control', answer)
    })
  }

  const undeliverable = (connection: Connection, sender: UserId, code: ErrorCode, detail: string, reference: string): void => {
    node.refusals.tell(connection, sender, code, detail, reference)
  }

  return {
    fromUser(connection, sender, frame) {
      const { payload } = frame
      if (payload.sender_pub !== undefined && node.keys.normal(payload.sender_pub) !== sender.key.text)
        throw new ProtocolError('BAD_KEY', 'sender_pub', 'sender_pub is not the key under which this user is attached.')
      if (isEverybody(frame.to)) {
        if (frame.type !== 'MSG_PUBLIC_CHANNEL' && !('public' in payload && payload.public === true))
          throw new ProtocolError('USER_NOT_FOUND', 'everybody')
        toEverybody(sender.id, frame)
        return
      }
      const recipient = userId.safeParse(frame.to)
      if (!recipient.success) throw new ProtocolError('USER_NOT_FOUND', 'bad_id')
      const parcel: Parcel = {
        inner: frame.type,
        sender: sender.id,
        recipient: recipient.data,
        ts: frame.ts,
        payload: { ...carriedContent(payload), sender: sender.id },
      }
      const reference = referenceOf(parcel, node.ports.crypto)
      if (!isPassable(parcel)) {
        undeliverable(connection, sender.id, 'UNKNOWN_TYPE', UNPASSABLE, reference)
        return
      }
      const home = homeFor(parcel)
      // other servers know nothing of this sender's clock
      if (home !== undefined && home !== 'local') requireFresh(node, frame, 0)
      const failed = (error: unknown): void => {
        undeliverable(connection, sender.id, 'TIMEOUT', error instanceof Error ? error.message : String(error), reference)
      }
      const advanced = isFile(frame.type) ? node.transfers.advance(parcel, route, failed) : route(parcel, failed) ? 'routed' : 'nobody'
      if (advanced === 'late') return
      if (advanced === 'nobody') {
        if (home === undefined || home === 'local' || !asksReceiptOf(parcel))
          undeliverable(connection, sender.id, 'USER_NOT_FOUND', `${parcel.recipient} is not online.`, reference)
        else undeliverable(connection, sender.id, 'TIMEOUT', `The server of ${parcel.recipient} cannot be reached now.`, reference)
        return
      }
      if (frame.type === 'MSG_DIRECT' || frame.type === 'MSG_PUBLIC_CHANNEL' || frame.type === 'FILE_END')
        acknowledge(connection, sender, reference)
    },
    async requireVoice(frame, origin) {
      const { sender, content_sig: signature } = frame.payload
      if (sender === undefined) throw new ProtocolError('UNKNOWN_TYPE', 'no_sender', 'A delivery names its sender.')
      const claims = node.state.directory.users.get(sender)?.claims ?? []
      if (claims.some(claim => claim.server === origin)) return
      const pinned = node.state.directory.pins.get(sender)
      const asks = asksReceipt(frame)
      // of a user whom nobody claims, and who says nothing that we could check, the recipient sees that nothing is verified
      if (claims.length === 0 && (pinned === undefined || !asks)) return
      const fields = contentFields(frame, sender)
      if (pinned === undefined || !asks || signature === undefined || fields === undefined)
        throw new ProtocolError('INVALID_SIG', 'not_home')
      const key = await node.keys.import(pinned.pubkey)
      if ((await verifyContent(node.ports.crypto, key, fields, signature, ownContentForm)) === undefined)
        throw new ProtocolError('INVALID_SIG', 'not_home')
    },
    fromServer(connection, frame, origin, text) {
      const { user_id: recipient, inner_type: inner, sender } = frame.payload
      if (sender === undefined) throw new ProtocolError('UNKNOWN_TYPE', 'no_sender', 'A delivery names its sender.')
      const parcel: Parcel = { inner, sender, recipient, ts: frame.ts, payload: { ...carriedContent(frame.payload), sender }, via: origin }
      const home = homeFor(parcel)
      if (home !== undefined && home !== 'local') {
        if (home !== origin && home !== connection.peer?.id) {
          const lane: Lane = isFile(inner) ? 'file' : 'traffic'
          node.runtime.release(() => {
            node.links.send(home, lane, text)
          })
          return
        }
        // we both think that the other has them: nobody bounces it on
      } else if (isPassable(parcel)) {
        if (isFile(inner)) {
          const refused = node.transfers.fromServer(parcel, deliverHere)
          if (refused !== undefined) answerOrigin(parcel, origin, refused.code, refused.message)
          return
        }
        if (home === 'local' && deliverHere(parcel, () => {})) return
      }
      answerOrigin(parcel, origin, 'USER_NOT_FOUND', `${recipient} is not online at ${node.self.id}.`)
    },
    publicFromServer(frame, origin) {
      const { sender } = frame.payload
      const author = sender ?? userId.parse(frame.from)
      const claims = node.state.directory.users.get(author)?.claims ?? []
      if (!claims.some(claim => claim.server === origin)) throw new ProtocolError('INVALID_SIG', 'not_home')
      const payload = { ...carriedContent(frame.payload), sender: author }
      const one = userId.safeParse(frame.to)
      if (one.success && !isEverybody(frame.to)) {
        const parcel: Parcel = { inner: 'MSG_PUBLIC_CHANNEL', sender: author, recipient: one.data, ts: frame.ts, payload }
        if (isPassable(parcel)) deliverHere(parcel, () => {})
        return
      }
      if (!isSendable('MSG_PUBLIC_CHANNEL', payload)) throw new ProtocolError('UNKNOWN_TYPE', 'unpassable', UNPASSABLE)
      const event = signedEvent(node.signer, payload, 'public')
      const text = frameText(event, { type: 'MSG_PUBLIC_CHANNEL', from: node.self.id, to: '*', ts: frame.ts })
      node.runtime.release(() => {
        node.sessions.broadcast(text, author)
      })
    },
    errorFromServer(frame) {
      const user = userId.safeParse(frame.to)
      const connection = user.success ? node.sessions.connectionOf(user.data) : undefined
      if (connection === undefined) {
        node.log('info', 'a peer refused a frame', { from: frame.from, code: frame.payload.code })
        return
      }
      const { code: said, detail, msg_ref } = frame.payload
      const code = isErrorCode(said) ? said : 'UNKNOWN_TYPE'
      // under our signature it must not pass for a word of ours
      const quoted = `The server ${frame.from} says: ${detail ?? said}`
      const event = signedEvent(node.signer, { code, detail: quoted, msg_ref }, 'message')
      const text = frameText(event, { type: 'ERROR', from: node.self.id, to: frame.to, ts: node.nextTs() })
      node.runtime.release(() => {
        connection.channel.send('traffic', text)
      })
    },
  }
}

const withoutReceipt = (parcel: Parcel): Parcel => {
  const { receipt: _receipt, ...payload } = parcel.payload
  return { ...parcel, payload }
}
