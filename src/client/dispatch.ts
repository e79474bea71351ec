/** What each frame from the server means to this client: one table, from which also follows what is ignored. */
import type { AnyFrame, Frame } from '../protocol/envelope.ts'
import type { FrameType } from '../protocol/frames.ts'
import { userId as parseUserId, type UserId } from '../protocol/ids.ts'
import { readMeta } from '../protocol/meta.ts'
import { senderOf, type Authored } from './authorship.ts'
import type { ClientEvent } from './events.ts'
import type { MessageKind } from './facts.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { KeyBook } from './key-book.ts'
import { createLanes, type Lanes } from './lanes.ts'
import type { Keeping } from './keeping.ts'
import type { Listing } from './listing.ts'
import type { Outbox } from './outbox.ts'
import type { Delivered } from './reading.ts'
import type { Roster } from './roster.ts'
import { cleanLine } from './sanitise.ts'
import type { Servers } from './servers.ts'
import type { Pacing } from './transfers/pacing.ts'
import type { Chunk, Offer, Receiving } from './transfers/receiving.ts'

/** Frames with content that are being decrypted or wait for that; beyond it the socket is not read. */
const maxContent = 64

export interface DispatchOptions {
  readonly journal: Journal
  readonly roster: Roster
  readonly keyBook: KeyBook
  readonly listing: Listing
  readonly outbox: Outbox
  readonly keeping: Keeping
  readonly servers: Servers
  readonly receiving: Receiving
  readonly pacing: Pacing
  readonly read: (frame: AnyFrame, kind: MessageKind, payload: Delivered, attachment: Attachment) => Promise<void>
  readonly emit: (event: ClientEvent) => void
  /** The server to which we were attached before this one. */
  readonly cameFrom: () => string | undefined
  /** Another program with our key is attached, at that server. */
  readonly replaced: (server: string) => void
  /** Told of a bug in the handling of content. */
  readonly crashed: (error: unknown) => void
}

type Handler<T extends FrameType> = (frame: Frame<T>, attachment: Attachment) => void | Promise<void>

/** Answers a function that takes every attached frame; it resolves when the next may come. */
export const createDispatch = (options: DispatchOptions) => {
  const { journal, roster, keyBook, listing, outbox, keeping, servers, receiving, pacing, read, emit, cameFrom, replaced, crashed } =
    options
  const lanes: Lanes = createLanes()

  /** Content is decrypted beside the other frames: it may wait for a key that one of those brings. */
  const beside = (lane: string, job: () => Promise<void>): Promise<void> => {
    lanes.run([lane], job).catch(crashed)
    return lanes.below(maxContent)
  }

  const message = (kind: MessageKind, frame: AnyFrame, payload: Delivered, attachment: Attachment): Promise<void> =>
    beside(`from:${payload.sender ?? frame.from}`, () => read(frame, kind, payload, attachment))

  const ofFile = (
    frame: AnyFrame,
    payload: Authored & { readonly file_id: string },
    attachment: Attachment,
    job: (sender: UserId) => Promise<void>,
  ) => {
    const sender = senderOf(frame, payload, attachment, journal)
    // a file of nobody cannot be shown as anybody's
    return sender === undefined ? undefined : beside(`file:${sender}/${payload.file_id}`, () => job(sender))
  }
  const fileStart = (frame: AnyFrame, offer: Offer, attachment: Attachment) =>
    ofFile(frame, offer, attachment, sender => receiving.offered(frame, offer, sender))
  const fileChunk = (frame: AnyFrame, chunk: Chunk & Authored, attachment: Attachment) =>
    ofFile(frame, chunk, attachment, sender => receiving.chunk(chunk, sender))
  const fileEnd = (frame: AnyFrame, end: Authored & { readonly file_id: Offer['file_id'] }, attachment: Attachment) =>
    ofFile(frame, end, attachment, sender => receiving.ended(end.file_id, sender))

  const advertised: Handler<'USER_ADVERTISE'> = ({ from, payload }, attachment) => {
    const { meta, pubkey, encPubkey, caps, presence = 'online' } = readMeta(payload)
    const { user_id: id, server_id: server } = payload
    roster.seen({ id, server, name: meta.display_name, presence })
    // of what another server signed we know only that it came over this socket: our own is asked for the key when it is needed
    const vouched = attachment.key === undefined || from === attachment.server
    if (pubkey !== undefined && vouched) keyBook.announced(id, { pubkey, encPubkey, caps })
    if (presence === 'online') keeping.seen(id)
  }

  const refused: Handler<'ERROR'> = ({ payload }) => {
    const { code, detail = '', msg_ref: ref } = payload
    const line = cleanLine(detail === '' ? code : `${code}: ${detail}`)
    if (ref !== undefined) {
      const asked = parseUserId.safeParse(ref)
      if (asked.success) keyBook.unknown(asked.data)
      // one that nobody waits for was given up before, or was a request for a key
      if (!keeping.answered(ref, `The server says: ${line}`)) outbox.refused(ref, line)
      return
    }
    emit({ event: 'error', code: cleanLine(code, 64), detail: cleanLine(detail) })
  }

  const handlers: { readonly [T in FrameType]?: Handler<T> } = {
    ACK: ({ payload }) => {
      if (!keeping.answered(payload.msg_ref)) outbox.taken(payload.msg_ref)
    },
    RECEIPT: async (frame, attachment) => {
      await keeping.receipt(frame, attachment)
      await pacing.receipt(frame)
    },
    ERROR: refused,
    SERVER_NOTICE: ({ payload: { code, detail = '', server_id: server = '', at } }) => {
      if (code === 'REPLACED') {
        // one that was sent before means another attachment
        if (at === journal.state.attachedAt) replaced(cleanLine(server, 64))
        return
      }
      // where we were a moment ago one may not have missed us yet
      const wasUs = at === undefined ? server === cameFrom() : journal.state.attachments.has(at)
      if (code === 'ALSO_ATTACHED' && wasUs) return
      emit({ event: 'notice', code: cleanLine(code, 64), detail: cleanLine(detail) })
    },
    LIST_RESPONSE: ({ payload }) => {
      listing.part(payload)
    },
    PUBKEY_RESPONSE: ({ payload }) => {
      const { user_id: user, pubkey, enc_pubkey: encPubkey, caps } = payload
      keyBook.announced(user, { pubkey, encPubkey, caps })
    },
    SERVERS: ({ payload }, attachment) => {
      // only one that proved its key can vouch for others'
      if (attachment.key !== undefined) servers.learn(payload)
    },
    USER_ADVERTISE: advertised,
    USER_REMOVE: ({ payload }) => {
      roster.removed(payload.user_id, payload.server_id)
    },
    PRESENCE_CHANGED: ({ payload }) => {
      const { server_id: server, presence, gone = [] } = payload
      for (const user of gone) roster.removed(user, server)
      if (presence !== undefined && !roster.standing(server, presence)) void listing.refresh()
      if (presence === 'online') for (const member of roster.members.values()) if (member.server === server) keeping.seen(member.id)
    },
    MSG_PUBLIC_CHANNEL: (frame, attachment) => message('public', frame, frame.payload, attachment),
    FILE_START: (frame, attachment) => fileStart(frame, frame.payload, attachment),
    FILE_CHUNK: (frame, attachment) => fileChunk(frame, frame.payload, attachment),
    FILE_END: (frame, attachment) => fileEnd(frame, frame.payload, attachment),
    USER_DELIVER: (frame, attachment) => {
      const { payload } = frame
      switch (payload.inner_type) {
        case 'MSG_DIRECT':
          return message(payload.public === true ? 'public' : 'direct', frame, payload, attachment)
        case 'MSG_PUBLIC_CHANNEL':
          return message('public', frame, payload, attachment)
        case 'FILE_START':
          return fileStart(frame, payload, attachment)
        case 'FILE_CHUNK':
          return fileChunk(frame, payload, attachment)
        case 'FILE_END':
          return fileEnd(frame, payload, attachment)
      }
    },
  }

  return async (frame: AnyFrame, attachment: Attachment): Promise<void> => {
    const handler = handlers[frame.type] as Handler<FrameType> | undefined
    await handler?.(frame, attachment)
  }
}
