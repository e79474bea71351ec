/** Presence: what others say is verified, applied and passed on unchanged; what happens here is signed once and told to all (SOCP §8.2). */
import { parsePublicKey } from '../crypto/public-key.ts'
import { decidePresence, type DirectoryUser } from '../domain/directory.ts'
import type { PresenceFact, PresenceSeq } from '../domain/facts.ts'
import { compareSeq } from '../domain/presence-order.ts'
import type { SessionEffects } from '../machines/session.ts'
import type { LinkEffects } from '../machines/link.ts'
import { toBase64Url, utf8 } from '../protocol/encoding.ts'
import type { Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Base64Url, ServerId, UserId } from '../protocol/ids.ts'
import { readMeta } from '../protocol/meta.ts'
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import { frameText, type SignedEvent, signedEvent } from './signed-event.ts'

export interface Gossip {
  /** Applies a frame that was verified with the key of `origin`, and passes it on if it was news. */
  apply(connection: Connection, frame: Frame<'USER_ADVERTISE'> | Frame<'USER_REMOVE'>, origin: ServerId, text: string): void
  readonly effects: {
    announceUser(params: SessionEffects['announceUser']): void
    announceRemoval(params: SessionEffects['announceRemoval']): void
    announceUsers(params: LinkEffects['announceUsers']): void
    markSuspect(params: LinkEffects['markSuspect']): void
  }
}

export const createGossip = (node: Node): Gossip => {
  /** Advertisements of users attached here: one event each, so telling a newcomer costs no signature. */
  const own = new Map<UserId, { readonly seq: PresenceSeq; readonly event: SignedEvent }>()

  /** Removals that were told in this run, and when (monotonic milliseconds), for peers that were not linked then. */
  const gone = new Map<UserId, { readonly at: number; readonly seq: PresenceSeq; readonly event: SignedEvent }>()

  const claimHere = (entry: DirectoryUser) => entry.claims.find(claim => claim.server === node.self.id)

  const advertisement = (user: UserId): SignedEvent | undefined => {
    const entry = node.state.directory.users.get(user)
    const claim = entry === undefined ? undefined : claimHere(entry)
    const pinned = node.state.directory.pins.get(user)
    if (claim?.seq === undefined || pinned === undefined) return undefined
    const kept = own.get(user)
    if (kept !== undefined && compareSeq(kept.seq, claim.seq) === 0) return kept.event
    const meta = {
      ...claim.meta,
      pubkey: pinned.pubkey,
      ...(pinned.encPubkey === undefined ? {} : { enc_pubkey: pinned.encPubkey }),
      extras: { seq: claim.seq, caps: claim.caps },
    }
    const event = signedEvent(node.signer, { user_id: user, server_id: node.self.id, meta }, 'presence')
    own.set(user, { seq: claim.seq, event })
    return event
  }
  const removal = (user: UserId, seq: PresenceSeq): SignedEvent => {
    const kept = gone.get(user)
    if (kept !== undefined && compareSeq(kept.seq, seq) === 0) return kept.event
    const event = signedEvent(node.signer, { user_id: user, server_id: node.self.id, seq }, 'presence')
    gone.set(user, { at: node.ports.clock.monotonic(), seq, event })
    for (const forgotten of gone.keys()) if (!node.state.directory.departed.has(forgotten)) gone.delete(forgotten)
    return event
  }
  const text = (type: 'USER_ADVERTISE' | 'USER_REMOVE', event: SignedEvent): Promise<string> =>
    frameText(event, { type, from: node.self.id, to: '*', ts: node.nextTs() })
  const unsignable = (error: unknown): void => {
    node.log('warn', 'a presence event could not be signed', { error: String(error) })
  }
  const tellAll = (type: 'USER_ADVERTISE' | 'USER_REMOVE', event: SignedEvent, about: UserId): void => {
    const signed = text(type, event)
    node.links.broadcast('traffic', signed, undefined, unsignable)
    node.sessions.broadcast(signed, about)
  }

  return {
    apply(connection, frame, origin, received) {
      const { payload } = frame
      if (payload.server_id !== origin) throw new ProtocolError('INVALID_SIG', 'not_signer')
      const digest = toBase64Url(node.ports.crypto.sha256(utf8(frame.sig ?? '')).subarray(0, 16))
      const direct = connection.peer?.id === origin
      const user = payload.user_id
      const fact =
        frame.type === 'USER_REMOVE'
          ? {
              type: 'user.removed' as const,
              user,
              server: origin,
              ...(frame.payload.seq === undefined ? {} : { seq: frame.payload.seq }),
              digest,
            }
          : advertised(frame, origin, digest)
      // the other half is for people who attach here: what others invent must not keep them out
      const { usersPerServer, pins } = node.config.limits
      const { facts, why } = decidePresence(
        { fact, direct, originLinked: node.links.isLinked(origin), limits: { usersPerServer, pins: Math.ceil(pins / 2) } },
        node.state.directory,
      )
      for (const decided of facts) node.runtime.record(`user:${user}`, decided)
      if (why !== undefined) node.count('presence', why)
      if (why === 'key_conflict' && direct) throw new ProtocolError('BAD_KEY', 'key_conflict')
      if (why !== undefined || facts.length === 0) return
      // they come back elsewhere: what waits here for their return is over
      if (fact.type === 'user.advertised') node.sessions.movedAway(user)
      node.runtime.release(() => {
        node.links.broadcast('traffic', received, new Set([origin, connection.peer?.id as ServerId]))
        node.sessions.broadcast(received, user)
      })
    },
    effects: {
      announceUser({ user }) {
        const event = advertisement(user)
        // the live state may be ahead of the fact that this stands for: it is not told before that is safe too
        if (event !== undefined)
          node.runtime.release(() => {
            tellAll('USER_ADVERTISE', event, user)
          })
      },
      announceRemoval({ user, seq }) {
        own.delete(user)
        if (seq !== null) tellAll('USER_REMOVE', removal(user, seq), user)
      },
      announceUsers({ server }) {
        const { directory } = node.state
        const here = [...directory.users.values()].flatMap(entry => {
          const seq = claimHere(entry)?.seq
          return seq === undefined ? [] : [{ seq, type: 'USER_ADVERTISE' as const, event: advertisement(entry.id) }]
        })
        const since = node.links.lostAt(server)
        const left = [...directory.departed].flatMap(([user, seq]) => {
          const event = removal(user, seq)
          return (gone.get(user)?.at ?? Infinity) < since ? [] : [{ seq, type: 'USER_REMOVE' as const, event }]
        })
        // in the order in which they happened: the receiver sums up what it has seen from below
        const told = [...here, ...left].sort((a, b) => compareSeq(a.seq, b.seq))
        node.runtime.release(() => {
          for (const { type, event } of told) if (event !== undefined) node.links.send(server, 'traffic', text(type, event), unsignable)
        })
      },
      markSuspect() {
        // nothing to send: how sure we are of a user follows from the link of their home when somebody asks
      },
    },
  }
}

const advertised = (
  frame: Frame<'USER_ADVERTISE'>,
  server: ServerId,
  digest: Base64Url,
): Extract<PresenceFact, { type: 'user.advertised' }> => {
  const read = readMeta(frame.payload)
  return {
    type: 'user.advertised',
    user: frame.payload.user_id,
    server,
    meta: read.meta,
    caps: read.caps,
    ...(read.pubkey === undefined ? {} : { pubkey: parsePublicKey(read.pubkey).text }),
    ...(read.encPubkey === undefined ? {} : { encPubkey: parsePublicKey(read.encPubkey).text }),
    ...(read.seq === undefined ? {} : { seq: read.seq }),
    digest,
  }
}
