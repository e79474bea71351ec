/** Peer links: one actor and one machine for each member, whatever number of sockets carries it. */
import type { LinkEffects } from '../machines/link.ts'
import { type ServerAddress, tlsOf, urlOf } from '../protocol/address.ts'
import type { AnyFrame } from '../protocol/envelope.ts'
import type { Address, ServerId } from '../protocol/ids.ts'
import { isBanned } from '../domain/membership.ts'
import { mayDial } from './may-dial.ts'
import type { Lane } from './channel.ts'
import { type Connection, peerOf, type ServerPeer } from './connection.ts'
import { isBlameless, noteGreeting, noteMove, noteWrong } from './link-conduct.ts'
import { sendable, settleDoubles } from './link-sockets.ts'
import { type LinkPulse, takeFromPeer } from './link-intake.ts'
import type { Node } from './node.ts'
import { startPulse } from './pulse.ts'
import { type Bucket, createBucket } from './rate.ts'

export interface Links {
  /** Takes a member in: its actor starts, and it is dialled unless it is linked. */
  manage(server: ServerId): void
  /** A handshake is over. */
  opened(connection: Connection, peer: ServerPeer): void
  /** Queues a frame of a linked peer; false when its mailbox is full. */
  receive(connection: Connection, frame: AnyFrame, text?: string): boolean
  closed(connection: Connection, why: string): void
  isLinked(server: ServerId): boolean
  /** It has said nothing since it was dialled: it may be one of ours that stands still, and not a stock one. */
  isMute(server: ServerId): boolean
  /** What the other end can; nothing when there is no link. */
  capsOf(server: ServerId): readonly string[]
  /** When the link was lost last, in monotonic milliseconds; since for ever when it never was there. */
  lostAt(server: ServerId): number
  /** When a verified frame of the server came last, in monotonic milliseconds; undefined while it is not linked. */
  heardAt(server: ServerId): number | undefined
  /** Bytes on their way to the other end. */
  backlog(server: ServerId): number
  /** Sends over the link; false when there is none. */
  send(server: ServerId, lane: Lane, text: string | Promise<string>, failed?: (error: unknown) => void): boolean
  broadcast(
    lane: Lane,
    text: string | Promise<string> | (() => Promise<string>),
    except?: ReadonlySet<ServerId>,
    failed?: (error: unknown) => void,
  ): void
  /** Holds a link's file lane back until what is in its traffic lane now has left. */
  barrier(server: ServerId): void
  /** Another address at which a member may be: tried in turns with its own while that one fails. */
  hint(server: ServerId, at: ServerAddress): void
  /** The peer answered what no honest one answers; `proven` says that it was the peer, and not somebody at its address. */
  wronged(server: ServerId, why: string, proven: boolean): void
  /** Lets a member go. */
  forget(server: ServerId): void
  /** Starts heartbeats and the watch over silence. */
  start(): void
  readonly effects: {
    armRedial(params: LinkEffects['armRedial']): void
    disarmRedial(params: LinkEffects['disarmRedial']): void
    closeSockets(params: LinkEffects['closeSockets']): void
  }
}

interface Link extends LinkPulse {
  readonly server: ServerId
  /** Oldest first; the first one that may be sent on carries everything that leaves. */
  sockets: readonly Connection[]
  /** Monotonic milliseconds. */
  lostAt: number
  /** Where an introducer says that the member is. */
  hint: ServerAddress | undefined
  /** Hellos that end a long wait: anybody can send a stock server's again. */
  readonly greetings: Bucket
}

type Received =
  | { readonly connection: Connection; readonly frame: AnyFrame; readonly text: string }
  /** After every frame that came before it. */
  | { readonly connection: Connection; readonly closed: string }

/** Jitter added to a redial, as a part of its wait. */
const JITTER = 0.25
/** A redial comes no later than this, whatever the clock has done meanwhile. */
const MAX_REDIAL_MS = 120_000
const GREETINGS = { burst: 1, perSecond: 0.2 }

export const createLinks = (node: Node): Links => {
  const links = new Map<ServerId, Link>()
  /** Servers that are dialled with TLS the next time, because it did not work without. */
  const tryTls = new Set<ServerId>()
  const address = (server: ServerId): Address => `link:${server}`
  const stateOf = (server: ServerId): string | undefined => node.runtime.machine(address(server))?.state

  const dial = (server: ServerId): void => {
    const member = node.state.membership.servers.get(server)
    if (node.runtime.isSetAside(address(server)) || isBanned(node.state.membership, server, member?.pubkey)) return
    if (member === undefined || node.stopping || stateOf(server) === 'linked' || stateOf(server) === 'dialling') return
    const failures = Number(node.runtime.machine(address(server))?.context['failures'] ?? 0)
    const { host, port, tls } = (failures % 2 === 1 ? links.get(server)?.hint : undefined) ?? member
    if (!mayDial(node.self, host, port)) {
      node.count('refused', 'address_class')
      node.log('warn', 'not dialled: its address is of another class than our own', { server, host, port })
      return
    }
    // it may speak TLS by now without our knowing; it proves itself either way, and what we know to speak TLS is never dialled without
    const url = urlOf({ host, port, ...tlsOf(tls === true || member.tls === true || tryTls.has(server)) })
    node.runtime.record(address(server), { type: 'link.dialled', server, url })
    node.runtime.release(() => {
      node.connections.dial(server, url, why => {
        if (member.proven && !tryTls.delete(server)) tryTls.add(server)
        if (!node.stopped && stateOf(server) === 'dialling') node.runtime.record(address(server), { type: 'link.failed', server, why })
      })
    })
  }

  const carrierOf = (server: ServerId): Connection | undefined => {
    const link = links.get(server)
    return link === undefined ? undefined : sendable(link)
  }
  const unlinked = (server: ServerId, why: string): void => {
    const link = links.get(server)
    // a moment earlier: what was told while the link broke may not have arrived
    node.sync.stop(server)
    if (link !== undefined) link.lostAt = node.ports.clock.monotonic() - node.config.timing.silenceMs
    node.runtime.release(() => {
      node.log('info', 'unlinked', { server, why })
      node.tell({ event: 'unlinked', server_id: server, why })
    })
  }

  const lost = (link: Link, connection: Connection, why: string): void => {
    const { server } = link
    link.sockets = link.sockets.filter(socket => socket !== connection)
    if (sendable(link) !== undefined || stateOf(server) !== 'linked' || node.stopped) return
    node.runtime.record(address(server), { type: 'link.closed', server, why })
    unlinked(server, why)
  }

  const closeSockets = (server: ServerId): void => {
    for (const connection of links.get(server)?.sockets ?? []) connection.terminate()
  }

  const begin = (server: ServerId): Link => {
    const link: Link = {
      server,
      sockets: [],
      lostAt: -Infinity,
      hint: undefined,
      greetings: createBucket(node.ports.clock, GREETINGS),
      bucket: createBucket(node.ports.clock, node.config.limits.serverFrames),
    }
    links.set(server, link)
    const relayed = createBucket(node.ports.clock, node.config.limits.refusals)
    node.supervisor.spawn<Received>({
      address: address(server),
      group: 'links',
      mailbox: {
        messages: node.config.limits.mailbox,
        high: () => {
          for (const socket of link.sockets) socket.pause()
        },
        low: () => {
          for (const socket of link.sockets) socket.resume()
        },
      },
      receive: message => {
        if ('closed' in message) {
          lost(link, message.connection, message.closed)
          return
        }
        const { connection, frame, text } = message
        return takeFromPeer(node, link, connection, frame, text).catch((error: unknown) => {
          node.refusals.refuse(connection, error, frame.type, isBlameless(frame, server, error) ? relayed : undefined)
        })
      },
      restarted: error => {
        node.log('error', 'a bug ended a link; its sockets are cut', { server, error: String(error) })
        closeSockets(server)
      },
    })
    return link
  }

  const self: Links = {
    manage(server) {
      if (links.has(server) || server === node.self.id) return
      begin(server)
      // a machine that rests has armed its own redial
      if (stateOf(server) === undefined) dial(server)
    },
    opened(connection, peer) {
      connection.peer = peer
      const link = links.get(peer.id) ?? begin(peer.id)
      link.sockets = [...link.sockets, connection]
      connection.linkedAt = node.ports.clock.monotonic()
      noteGreeting(node, peer.id, connection, link.greetings)
      if (!peer.sendable) {
        dial(peer.id)
        return
      }
      if (peer.proven) noteMove(node, peer)
      connection.verifiedAt = node.ports.clock.monotonic()
      const before = stateOf(peer.id)
      const { direction } = connection
      node.runtime.record(address(peer.id), { type: 'link.linked', server: peer.id, direction, proven: peer.proven, caps: peer.caps })
      link.sockets = settleDoubles(node.self.id, peer.id, link.sockets)
      node.runtime.release(() => {
        if (before === 'linked') return
        node.log('info', 'linked', { server: peer.id, direction, proven: peer.proven })
        node.tell({ event: 'linked', server_id: peer.id })
      })
      node.runtime.release(() => {
        node.introducer.linked(peer)
        node.hearsay.linked(peer)
      })
    },
    receive: (connection, frame, text = '') =>
      node.supervisor.tell(address(peerOf(connection).id as ServerId), { connection, frame, text }),
    closed(connection, why) {
      const link = links.get(peerOf(connection).id as ServerId)
      if (link !== undefined && !node.supervisor.tell(address(link.server), { connection, closed: why })) lost(link, connection, why)
    },
    lostAt: server => links.get(server)?.lostAt ?? -Infinity,
    backlog: server => carrierOf(server)?.channel.backlog ?? 0,
    capsOf: server => carrierOf(server)?.peer?.caps ?? [],
    heardAt: server => (stateOf(server) === 'linked' ? carrierOf(server)?.verifiedAt : undefined),
    isLinked: server => carrierOf(server) !== undefined,
    // a stock server is one that is silent for so long; what it says after that is heard later
    isMute(server) {
      const { peer, linkedAt = 0, heardAt = 0 } = carrierOf(server) ?? {}
      return peer?.role === 'server' && !peer.proven && linkedAt - heardAt >= node.config.timing.stockMs
    },
    send(server, lane, text, failed) {
      const connection = carrierOf(server)
      connection?.channel.send(lane, text, failed)
      return connection !== undefined
    },
    broadcast(lane, text, except, failed) {
      let told = failed
      let made = typeof text === 'function' ? undefined : text
      for (const server of links.keys()) {
        if (except?.has(server) === true || carrierOf(server) === undefined) continue
        made ??= (text as () => Promise<string>)()
        self.send(server, lane, made, told)
        // one event, one word about its failure
        if (failed !== undefined) told = () => {}
      }
    },
    barrier(server) {
      carrierOf(server)?.channel.barrier('file', 'traffic')
    },
    hint(server, at) {
      const link = links.get(server)
      if (link !== undefined && mayDial(node.self, at.host, at.port)) link.hint = at
    },
    wronged(server, why, proven) {
      if (noteWrong(node, server, why, proven)) unlinked(server, 'refused')
    },
    forget(server) {
      closeSockets(server)
      links.delete(server)
      tryTls.delete(server)
      node.timers.cancel(address(server))
      node.standings.forget(server)
      node.sync.forget(server)
      node.supervisor.stop(address(server), 'forgotten')
    },
    start() {
      startPulse(node, {
        links: () => links.values(),
        carrier: sendable,
        isLinked: server => stateOf(server) === 'linked',
        silent: server => {
          node.runtime.record(address(server), { type: 'link.silent', server })
          unlinked(server, 'silent')
        },
      })
    },
    effects: {
      armRedial({ server, at }) {
        const wait = Math.min(Math.max(0, at - node.ports.clock.now()), stateOf(server) === 'refused' ? Infinity : MAX_REDIAL_MS)
        node.timers.arm(address(server), wait * (1 + JITTER * node.ports.random.fraction()), () => {
          dial(server)
        })
      },
      disarmRedial({ server }) {
        node.timers.cancel(address(server))
      },
      closeSockets({ server }) {
        closeSockets(server)
      },
    },
  }
  return self
}
