/** The signs of life on peer links, and what is done when they fail to come: heartbeats and silence (SOCP §11), pings between our servers. */
import type { ServerId } from '../protocol/ids.ts'
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import { frameText, signedEvent } from './signed-event.ts'

/** A link as its pulse is taken. */
export interface Pulsed {
  readonly server: ServerId
  readonly sockets: readonly Connection[]
}

export interface PulseOptions {
  readonly links: () => Iterable<Pulsed>
  /** The socket that carries a link. */
  readonly carrier: (link: Pulsed) => Connection | undefined
  readonly isLinked: (server: ServerId) => boolean
  /** Nothing came for too long. */
  readonly silent: (server: ServerId) => void
}

/** How often silence is looked for. */
const WATCH_MS = 1_000
/** A round that comes so much later than it should tells that this process stood still, not its peers. */
const LATE_MS = 3_000

const pings = (connection: Connection): boolean => connection.peer?.role === 'server' && connection.peer.caps.includes('ping')

const without = (sockets: readonly Connection[], dead: readonly Connection[]): readonly Connection[] =>
  sockets.filter(connection => !dead.includes(connection))

/** Begins to beat and to watch. */
export const startPulse = (node: Node, { links, carrier, isLinked, silent }: PulseOptions): void => {
  const { clock } = node.ports
  const { heartbeatMs, silenceMs, pingMs, answerMs } = node.config.timing
  let round = 0
  let looked = clock.monotonic()

  const beat = (): void => {
    const event = signedEvent(node.signer, {}, 'heartbeat')
    for (const link of links()) {
      const connection = carrier(link)
      if (connection === undefined) continue
      connection.channel.send('control', frameText(event, { type: 'HEARTBEAT', from: node.self.id, to: link.server, ts: node.nextTs() }))
    }
  }

  const ping = (): void => {
    round += 1
    for (const link of links())
      for (const connection of link.sockets)
        if (pings(connection)) connection.channel.send('control', node.unsigned('PING', link.server, { n: round }))
  }

  /** A socket that we do not read now cannot show that it lives. */
  const isDead = (connection: Connection, now: number): boolean =>
    pings(connection) && !connection.paused && now - connection.heardAt > answerMs

  const watch = (): void => {
    const now = clock.monotonic()
    const late = now - looked - WATCH_MS
    looked = now
    for (const link of links()) {
      if (late > LATE_MS) {
        for (const connection of link.sockets) {
          connection.heardAt += late
          connection.verifiedAt += late
        }
      }
      const dead = link.sockets.filter(connection => isDead(connection, now))
      const carrying = carrier(link)
      const lives =
        carrying === undefined || !dead.includes(carrying) || carrier({ ...link, sockets: without(link.sockets, dead) }) !== undefined
      // of the socket that carries the link: those that the peer dials in vain beside a dead one say nothing about it
      const silence = carrying === undefined ? 0 : now - carrying.verifiedAt
      if (isLinked(link.server) && (silence > silenceMs || !lives)) silent(link.server)
      else for (const connection of dead) connection.terminate()
    }
  }

  node.timers.every(heartbeatMs, beat)
  node.timers.every(pingMs, ping)
  node.timers.every(WATCH_MS, watch)
}
