/** Users attached here: one actor and one machine for each, which outlives its socket by the grace time (SOCP §9.1). */
import { createRecent } from '../crypto/recent.ts'
import type { Claim } from '../domain/claims.ts'
import { homeOf, nextSeq } from '../domain/directory.ts'
import type { SessionEffects } from '../machines/session.ts'
import type { AnyFrame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Address, ServerId, UserId } from '../protocol/ids.ts'
import { type Connection, peerOf, type UserPeer } from './connection.ts'
import type { Node } from './node.ts'
import { type Bucket, createBucket } from './rate.ts'
import { type AttachedUser, takeFromUser } from './session-intake.ts'
import { frameText, signedEvent } from './signed-event.ts'
import { createTwins } from './twins.ts'
import { listedAt, tellWhere } from './whereabouts.ts'

export interface Sessions {
  /** Whether this address may bring another hello now. */
  mayGreet(address: string): boolean
  /** Attaches a user whose hello was admitted and, if they can, proven. Rejects with NAME_IN_USE. */
  attach(connection: Connection, peer: UserPeer): Promise<void>
  /** Queues a frame of an attached user; false when their mailbox is full. */
  receive(connection: Connection, frame: AnyFrame): boolean
  /** `left` says that the user closed in good order: nobody waits for their return. */
  closed(connection: Connection, why: string): void
  /** The user's live connection here. */
  connectionOf(user: UserId): Connection | undefined
  /** Sends a text to every attached user but the one that it is about; only to those whom `to` says, where it is given. */
  broadcast(text: string | Promise<string> | (() => Promise<string>), about: UserId | undefined, to?: (peer: UserPeer) => boolean): void
  /** The user is attached elsewhere now: the session here ends, and its socket, if it still has one, hears why. */
  movedAway(user: UserId, server: ServerId): void
  /** Another server claims a user who is attached here. */
  alsoClaimed(user: UserId, claim: Claim): void
  /** Ends one session and cuts its socket. */
  dismiss(user: UserId, why: string): void
  /** Ends every session; their removals are gossiped. */
  endAll(why: string): void
  readonly count: number
  readonly effects: {
    closeReplacedSocket(params: SessionEffects['closeReplacedSocket']): void
    armGrace(params: SessionEffects['armGrace']): void
    disarmGrace(params: SessionEffects['disarmGrace']): void
  }
}

interface Session extends AttachedUser {
  connection: Connection | undefined
  /** Oldest first; each waits for the commit of the attachment that replaced it. */
  readonly replaced: Connection[]
}

type Received =
  | { readonly connection: Connection; readonly frame: AnyFrame }
  /** After every frame that came before it. */
  | { readonly connection: Connection; readonly closed: string }

/** What this server does for users who list it too. */
const USER_CAPS = ['receipts', 'receipt-ask', 'ping', 'servers'] as const

/** Servers that were restarted together remove those who did not return apart from each other, within so many milliseconds. */
const RESTART_SPREAD_MS = 3_000
/** Addresses whose rate is remembered; one that comes back after so many others begins anew. */
const KEPT_ADDRESSES = 8_192

export const createSessions = (node: Node): Sessions => {
  const sessions = new Map<UserId, Session>()
  /** One for all, so that who does not return is gone in one tick. */
  let spread: number | undefined
  const twins = createTwins(node)
  const greetings = createRecent<string, Bucket>(KEPT_ADDRESSES)
  const address = (user: UserId): Address => `session:${user}`

  const end = (user: UserId, why: string): void => {
    if (node.runtime.isSetAside(address(user))) return
    node.runtime.record(address(user), { type: 'session.ended', user, why, seq: nextSeq(node.state.directory) })
    node.delivery.left(user)
    sessions.delete(user)
    node.seen.forget(user)
    node.supervisor.stop(address(user), why)
  }

  const lost = (session: Session, connection: Connection, why: string): void => {
    const { user } = session
    if (session.connection !== connection || node.stopped) return
    session.connection = undefined
    node.delivery.left(user)
    if (why === 'left') {
      end(user, why)
      return
    }
    node.runtime.record(address(user), { type: 'session.detached', user, why })
    // where a live socket gave way to nothing, another server's claim may count now
    if (listedAt(node, user) !== node.self.id) tellWhere(node, user)
  }

  const start = (user: UserId): Session => {
    const session: Session = {
      user,
      connection: undefined,
      replaced: [],
      bucket: createBucket(node.ports.clock, node.config.limits.userFrames),
    }
    sessions.set(user, session)
    node.supervisor.spawn<Received>({
      address: address(user),
      group: 'sessions',
      mailbox: {
        messages: node.config.limits.mailbox,
        high: () => session.connection?.pause(),
        low: () => session.connection?.resume(),
      },
      receive: message => {
        if ('closed' in message) {
          lost(session, message.connection, message.closed)
          return
        }
        const { connection, frame } = message
        return takeFromUser(node, session, connection, frame, end).catch((error: unknown) => {
          node.refusals.refuse(connection, error, frame.type)
        })
      },
      restarted: error => {
        node.log('error', 'a bug ended a session; its socket is cut', { user, error: String(error) })
        session.connection?.terminate()
      },
    })
    return session
  }

  /** Attachments that a user has signed, as they attach anew; what servers say without that may be what they have just left. */
  const claimedBefore = (user: UserId, live: boolean): readonly Claim[] =>
    (node.state.directory.users.get(user)?.claims ?? []).filter(
      ({ server, attachedAt }) => attachedAt !== undefined && (server === node.self.id ? live : node.links.isLinked(server)),
    )

  const acknowledge = (connection: Connection, user: UserId): void => {
    const event = signedEvent(node.signer, { msg_ref: 'USER_HELLO', caps: USER_CAPS }, 'control')
    const text = frameText(event, { type: 'ACK', from: node.self.id, to: user, ts: node.nextTs() })
    node.runtime.release(() => {
      connection.channel.send('control', text)
    })
  }

  const self: Sessions = {
    get count() {
      return sessions.size
    },
    mayGreet(from) {
      const bucket = greetings.get(from) ?? createBucket(node.ports.clock, node.config.limits.attaches)
      greetings.set(from, bucket)
      return bucket.take()
    },
    async attach(connection, peer) {
      const { directory } = node.state
      // all of this may have changed while the proof was on its way
      const pinned = directory.pins.get(peer.id)
      const known = sessions.get(peer.id)
      if (pinned !== undefined && pinned.pubkey !== peer.key.text) throw new ProtocolError('NAME_IN_USE', 'pinned_key')
      if (!peer.proven) {
        const home = homeOf(directory, peer.id, node.links.isLinked)
        if (pinned?.proven === true || known?.connection !== undefined || (home !== undefined && home !== 'local'))
          throw new ProtocolError('NAME_IN_USE', 'attached')
      }
      if (peer.proven) node.ports.reach('user proven')
      if (known === undefined && sessions.size >= node.config.limits.sessions) throw new ProtocolError('TIMEOUT', 'full')
      const session = known ?? start(peer.id)
      connection.peer = peer
      const others = claimedBefore(peer.id, session.connection !== undefined)
      if (session.connection !== undefined) session.replaced.push(session.connection)
      session.connection = connection
      node.runtime.record(address(peer.id), {
        type: 'session.attached',
        user: peer.id,
        pubkey: peer.key.text,
        ...(peer.encPubkey === undefined ? {} : { encPubkey: peer.encPubkey }),
        meta: peer.meta,
        caps: peer.caps,
        proven: peer.proven,
        seq: nextSeq(directory),
        since: node.ports.clock.now(),
        ...(peer.attachment === undefined ? {} : { proof: peer.attachment }),
      })
      acknowledge(connection, peer.id)
      for (const claim of others) twins.heardOf(connection, claim)
      node.delivery.attached(peer.id, connection, peer)
      if (!peer.caps.includes('proof')) node.directoryService.introduce(connection, peer)
      await Promise.resolve()
    },
    receive: (connection, frame) => node.supervisor.tell(address(peerOf(connection).id as UserId), { connection, frame }),
    closed(connection, why) {
      const session = sessions.get(peerOf(connection).id as UserId)
      if (session !== undefined && !node.supervisor.tell(address(session.user), { connection, closed: why })) lost(session, connection, why)
    },
    connectionOf: user => sessions.get(user)?.connection,
    broadcast(text, about, to) {
      let made = typeof text === 'function' ? undefined : text
      for (const { user, connection } of sessions.values()) {
        if (user === about || connection === undefined || to?.(peerOf(connection) as UserPeer) === false) continue
        // signed only where there is somebody to hear it
        made ??= (text as () => Promise<string>)()
        connection.channel.send('traffic', made)
      }
    },
    movedAway(user, server) {
      const connection = sessions.get(user)?.connection
      if (connection !== undefined) twins.replaced(connection, server)
      end(user, 'moved')
      node.runtime.release(() => connection?.close(1000, `attached at the server ${server}`))
    },
    alsoClaimed(user, claim) {
      const connection = sessions.get(user)?.connection
      if (connection !== undefined) twins.heardOf(connection, claim)
    },
    dismiss(user, why) {
      const connection = sessions.get(user)?.connection
      if (node.state.directory.users.get(user)?.local !== undefined) end(user, why)
      connection?.close(1000, why)
    },
    endAll(why) {
      for (const entry of [...node.state.directory.users.values()]) if (entry.local !== undefined) end(entry.id, why)
    },
    effects: {
      closeReplacedSocket({ user }) {
        const before = sessions.get(user)?.replaced.shift()
        if (before === undefined) return
        twins.replaced(before, node.self.id)
        node.runtime.release(() => {
          before.close(1000, 'a program with your key has attached here')
        })
      },
      armGrace({ user, at }) {
        const restarted = node.runtime.machine(address(user))?.context['why'] === 'restart'
        const more = restarted ? (spread ??= RESTART_SPREAD_MS * node.ports.random.fraction()) : 0
        node.timers.arm(address(user), at - node.ports.clock.now() + more, () => {
          if (node.runtime.machine(address(user))?.state === 'detached') end(user, 'did not return')
        })
      },
      disarmGrace({ user }) {
        node.timers.cancel(address(user))
      },
    },
  }
  return self
}
