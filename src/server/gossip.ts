/** Presence: what others say is verified, applied and passed on unchanged; what happens here is signed once and told to all (SOCP §8.2). */
import { verifyPayload } from '../crypto/transport-signature.ts'
import { claimOf, type DirectoryUser } from '../domain/directory.ts'
import { decidePresence } from '../domain/presence-decision.ts'
import type { PresenceFact, PresenceSeq } from '../domain/facts.ts'
import { compareSeq } from '../domain/presence-order.ts'
import { DIGEST_CAP } from '../domain/standing.ts'
import type { SessionEffects } from '../machines/session.ts'
import type { LinkEffects } from '../machines/link.ts'
import { attachmentText } from '../protocol/attachment.ts'
import { toBase64Url, utf8 } from '../protocol/encoding.ts'
import type { Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Base64Url, ServerId, UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { readMeta } from '../protocol/meta.ts'
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import { frameText, type SignedEvent, signedEvent } from './signed-event.ts'
import { knowsPresence } from './standings.ts'
import { listedAt, tellWhere } from './whereabouts.ts'

export interface Gossip {
  /** Applies a frame that was verified with the key of `origin`, and passes it on if it was news. */
  apply(
    connection: Connection,
    frame: Frame<'USER_ADVERTISE'> | Frame<'USER_REMOVE'>,
    origin: ServerId,
    text: string,
    attachedAt: number | undefined,
  ): void
  /** When the user attached, by their own signature; undefined without one. Rejects when it does not verify. */
  attachedAt(frame: Frame<'USER_ADVERTISE'>, origin: ServerId): Promise<number | undefined>
  /** Two servers may claim a user who is attached here: ends the session if it is not the one that counts, and tells whom it concerns. */
  settleClaims(user: UserId): void
  /** Advertises one user attached here to one peer; nothing for anybody else. */
  announceTo(server: ServerId, user: UserId): void
  /** Tells the users here who of another server's are gone. */
  tellGone(server: ServerId, users: readonly UserId[]): void
  readonly effects: {
    announceUser(params: SessionEffects['announceUser']): void
    announceRemoval(params: SessionEffects['announceRemoval']): void
    announceUsers(params: LinkEffects['announceUsers']): void
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
      extras: {
        seq: claim.seq,
        caps: claim.caps,
        ...(claim.since === undefined ? {} : { since: claim.since }),
        ...(claim.proof === undefined ? {} : { attached: claim.proof }),
      },
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

  /** Linked servers that compare digests. */
  const comparing = (): ReadonlySet<ServerId> =>
    new Set(
      [...node.state.membership.servers.keys()].filter(server =>
        (node.runtime.machine(`link:${server}`)?.context['caps'] as readonly string[] | undefined)?.includes(DIGEST_CAP),
      ),
    )

  /** Many at once in one frame, for those who understand it; for stock programs one each, and no more than a signature queue takes. */
  const tellUsers = (server: ServerId, users: readonly UserId[], single: (user: UserId) => SignedEvent): void => {
    for (let from = 0; from < users.length; from += limits.maxListed) {
      const event = signedEvent(node.signer, { server_id: server, gone: users.slice(from, from + limits.maxListed) }, 'presence')
      const envelope = { type: 'PRESENCE_CHANGED', from: node.self.id, to: '*', ts: node.nextTs() }
      node.sessions.broadcast(() => frameText(event, envelope), undefined, knowsPresence)
    }
    for (const user of users.slice(0, SINGLY))
      node.sessions.broadcast(
        () => text('USER_REMOVE', single(user)),
        user,
        peer => !knowsPresence(peer),
      )
  }

  /** Users who left in this tick. */
  let leaving: { readonly user: UserId; readonly seq: PresenceSeq }[] = []
  const tellLeaving = (): void => {
    const left = leaving
    leaving = []
    // one that stops will answer no questions
    if (left.length <= FEW || node.stopping) {
      for (const { user, seq } of left) tellAll('USER_REMOVE', removal(user, seq), user)
      return
    }
    // a whole server's worth after a restart would cost a signature each: servers that can compare find out by themselves
    const able = comparing()
    for (const server of able) node.links.send(server, 'traffic', node.unsigned('PING', server, { n: 0, compare: true }))
    for (const { user, seq } of left) node.links.broadcast('traffic', () => text('USER_REMOVE', removal(user, seq)), able, unsignable)
    const seqs = new Map(left.map(({ user, seq }) => [user, seq]))
    tellUsers(node.self.id, [...seqs.keys()], user => removal(user, seqs.get(user) as PresenceSeq))
  }

  const settleClaims = (user: UserId): void => {
    const { directory } = node.state
    const entry = directory.users.get(user)
    const own = entry?.claims.find(claim => claim.server === node.self.id)
    if (entry?.local === undefined || own === undefined) return
    const counts = claimOf(directory, entry, node.links.isLinked)
    const stands = (server: ServerId): boolean =>
      server !== node.self.id && node.links.isLinked(server) && directory.standings.get(server)?.doubt !== 'lapsed'
    const others = entry.claims.filter(({ server }) => stands(server))
    if (counts !== undefined && counts !== own) {
      // a live socket gives way to nothing less than the user's own signature
      if (entry.local === 'detached' || counts.attachedAt !== undefined) {
        node.sessions.movedAway(user, counts.server)
        return
      }
    }
    for (const other of others) node.sessions.alsoClaimed(user, other)
  }

  return {
    apply(connection, frame, origin, received, attachedAt) {
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
          : advertised(node.keys, frame, origin, digest, attachedAt)
      const awaited = direct && fact.type === 'user.advertised' && node.sync.isAwaited(origin, user, fact.seq)
      // the other half is for people who attach here: what others invent must not keep them out
      const { usersPerServer, pins } = node.config.limits
      const { facts, why } = decidePresence(
        { fact, direct, awaited, originLinked: node.links.isLinked(origin), limits: { usersPerServer, pins: Math.ceil(pins / 2) } },
        node.state.directory,
      )
      const before = listedAt(node, user)
      for (const decided of facts) node.runtime.record(`user:${user}`, decided)
      if (why !== undefined) node.count('presence', why)
      if (why === 'key_conflict' && direct) throw new ProtocolError('BAD_KEY', 'key_conflict')
      if (why !== undefined || facts.length === 0) return
      if (fact.type === 'user.advertised') settleClaims(user)
      node.runtime.release(() => {
        // whoever else lacks it compares with the origin too
        if (!awaited) node.links.broadcast('traffic', received, new Set([origin, connection.peer?.id as ServerId]))
      })
      node.standings.passOn(user, received, origin, before)
    },
    async attachedAt({ payload }, origin) {
      const { attached, pubkey } = readMeta(payload)
      const user = payload.user_id
      const key = node.state.directory.pins.get(user)?.pubkey ?? pubkey
      if (attached === undefined || key === undefined) return undefined
      const { at, nonce, sig } = attached
      const held = node.state.directory.users.get(user)?.claims.find(claim => claim.server === origin)
      if (held?.attachedAt === at) return at
      const text = attachmentText({ user, server: origin, nonce, at })
      if (!(await verifyPayload(node.ports.crypto, await node.keys.import(key), text, sig)))
        throw new ProtocolError('INVALID_SIG', 'bad_attachment', 'The user did not sign that they are attached there.')
      return at
    },
    settleClaims,
    announceTo(server, user) {
      const event = advertisement(user)
      if (event !== undefined) node.links.send(server, 'traffic', text('USER_ADVERTISE', event), unsignable)
    },
    tellGone(server, users) {
      tellUsers(server, users, user => signedEvent(node.signer, { user_id: user, server_id: server }, 'presence'))
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
      announceRemoval({ user, seq, why }) {
        own.delete(user)
        if (seq === null) return
        // who moved is known to be elsewhere; of anybody else another server may say so
        if (why !== 'moved') tellWhere(node, user)
        // when all effects of this commit have been named, and before whoever waits for the commit closes anything
        if (leaving.push({ user, seq }) === 1) void Promise.resolve().then(tellLeaving).catch(unsignable)
      },
      announceUsers({ server }) {
        if (comparing().has(server)) {
          node.sync.compare(server)
          return
        }
        const { directory } = node.state
        const here = [...directory.users.values()].flatMap(entry => {
          const seq = claimHere(entry)?.seq
          // after a restart nobody may be back yet: whoever returns is announced then, and costs no signature before
          const known = entry.local === 'attached' || own.has(entry.id)
          return seq === undefined || !known ? [] : [{ seq, type: 'USER_ADVERTISE' as const, event: advertisement(entry.id) }]
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
    },
  }
}

const advertised = (
  keys: Node['keys'],
  frame: Frame<'USER_ADVERTISE'>,
  server: ServerId,
  digest: Base64Url,
  attachedAt: number | undefined,
): Extract<PresenceFact, { type: 'user.advertised' }> => {
  const read = readMeta(frame.payload)
  return {
    type: 'user.advertised',
    user: frame.payload.user_id,
    server,
    meta: read.meta,
    caps: read.caps,
    ...(read.pubkey === undefined ? {} : { pubkey: keys.normal(read.pubkey) }),
    ...(read.encPubkey === undefined ? {} : { encPubkey: keys.normal(read.encPubkey) }),
    ...(read.seq === undefined ? {} : { seq: read.seq }),
    digest,
    ...(read.since === undefined ? {} : { since: read.since }),
    ...(attachedAt === undefined ? {} : { attachedAt }),
  }
}

/** Users who leave in one tick and are told of one by one; of more, stock users hear of so many. */
const FEW = 4
const SINGLY = 50
