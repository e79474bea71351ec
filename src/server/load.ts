/** Watches for more work than this machine can do: says what is turned away and when that is over, and tells and cuts who does not read. */
import { priorities, type Priority } from '../crypto/signing-queue.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import { notify } from './notice.ts'

export interface Load {
  /** Looks once a second. */
  start(): void
  /** What is turned away at present, the least urgent first. */
  readonly refusing: readonly Priority[]
  /** Waits, a little, while files fill half of what they may, or much waits on the way to their reader: a sender who is held back loses nothing. */
  roomForFiles(to: string): Promise<void>
}

/** Parts of the signing queue that may be filled when work of a kind comes (`SigningQueueOptions.shares`): the order in which it is given up. */
export const shares = { file: 0.5, public: 0.65, message: 0.8, presence: 0.95 } as const

const LOOK_MS = 1_000
/** How long a chunk of a file is held back at most, and how often is looked whether it may go on. */
const HOLD_MS = 1_000
const HOLD_LOOK_MS = 100
/** Of what a reader may leave unread before it is cut. */
const HOLD_UNREAD = 0.125

/** Kind of work → what an operator and the users here read. */
const names: Readonly<Record<Priority, string>> = {
  file: 'files',
  public: 'messages to everybody',
  message: 'direct messages',
  presence: 'news of who is online',
  control: 'links and logins',
  heartbeat: 'heartbeats',
  stranger: 'strangers',
}

/** Strangers are turned away first at all times, and that is no news for anybody. */
const watched = [...priorities].reverse()

const listed = (refusing: readonly Priority[]): string => refusing.map(priority => names[priority]).join(', ')

export const createLoad = (node: Node): Load => {
  let refusing: readonly Priority[] = []
  let shedBefore = node.signer.counts().shed
  const told = new WeakSet<Connection>()

  const notice = (code: string, detail: string, to: Iterable<Connection>): void => {
    notify(node, { code, detail }, to)
  }

  const lookAtSigning = (): void => {
    const { shed } = node.signer.counts()
    // begins with the first that is turned away, and is over when half of the room is free again
    const now = watched.filter(
      priority => shed[priority] > shedBefore[priority] || (refusing.includes(priority) && node.signer.crowded(priority, 0.5)),
    )
    shedBefore = shed
    if (now.length === refusing.length && now.every(priority => refusing.includes(priority))) return
    const before = refusing
    refusing = now
    if (now.length === 0) {
      node.log('info', 'takes all work again', { refused: before })
      node.tell({ event: 'recovered', why: `${listed(before)} are taken again` })
      // what could not be told meanwhile is told now; whoever heard it already takes it for the same event
      if (before.includes('presence'))
        for (const server of node.state.membership.servers.keys())
          if (node.links.isLinked(server)) node.gossip.effects.announceUsers({ server })
      notice('RECOVERED', 'This server takes everything again.', node.connections.all())
      return
    }
    node.log('warn', 'more work than this machine can sign', { refused: now, waiting: node.signer.depth() })
    node.tell({ event: 'degraded', why: `more work than this machine can sign: ${listed(now)} are refused until it is less` })
    notice('OVERLOADED', `This server has too much to do: ${listed(now)} are refused for now.`, node.connections.all())
  }

  const lookAtReaders = (): void => {
    const { slowReaderMs } = node.config.timing
    const { outgoingBytes } = node.config.limits
    const now = node.ports.clock.monotonic()
    for (const connection of [...node.connections.all()]) {
      const waited = connection.channel.unreadFor(now)
      if (waited > slowReaderMs) {
        connection.cutSlow('it left what was sent to it unread for too long')
        continue
      }
      if (waited <= slowReaderMs / 2 && connection.channel.unread <= outgoingBytes / 2) {
        if (waited === 0) told.delete(connection)
        continue
      }
      if (told.has(connection)) continue
      told.add(connection)
      node.count('slow', connection.peer?.role ?? 'stranger')
      node.log('warn', 'a connection reads too slowly', {
        connection: connection.id,
        peer: connection.peer?.id,
        bytes: connection.channel.unread,
      })
      notice('SLOW_READER', 'You read too slowly: this connection will be cut, and you will have to come back.', [connection])
    }
  }

  return {
    get refusing() {
      return refusing
    },
    start() {
      node.timers.every(LOOK_MS, () => {
        lookAtSigning()
        lookAtReaders()
      })
    },
    async roomForFiles(to) {
      const isFull = (): boolean =>
        node.signer.crowded('file', 0.5) || node.transfers.backlogOf(to as UserId) > node.config.limits.outgoingBytes * HOLD_UNREAD
      for (let held = 0; held < HOLD_MS && isFull() && !node.stopping; held += HOLD_LOOK_MS)
        await new Promise<void>(resolve => node.ports.clock.after(HOLD_LOOK_MS, resolve))
    },
  }
}
