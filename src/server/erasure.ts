/** Erasing a person: which streams and rows are theirs, what a base is without them, and the order in which it is done. */
import type { Fact } from '../domain/facts.ts'
import type { Address, UserId } from '../protocol/ids.ts'
import { jsonInTurns } from './json-in-turns.ts'
import type { FoldedState } from './replay.ts'
import type { Premises, Upkeep } from './upkeep.ts'

/** What a running node does about a person whose data goes; a stopped one has nothing to do. */
export interface Farewell {
  /** Cuts their socket and ends their session, and lets nobody attach under their id until `over`. */
  begin(user: UserId): void
  /** Forgets what was kept beside the machines that are gone. */
  over(user: UserId, gone: readonly Address[]): void
}

export interface Purged {
  /** False when nothing here told of the person; nothing was recorded then. */
  readonly known: boolean
  /** How many rows of the log lost their data. */
  readonly rows: number
  /** False when a reader kept old pages alive: erase once more when it has ended. */
  readonly wiped: boolean
}

/** Whether a stream is about the person: where they are, their session here, files from or to them, what waits for them. */
export const belongsTo =
  (user: string) =>
  (stream: string): boolean =>
    stream === `user:${user}` ||
    stream === `session:${user}` ||
    stream === `mailbox:${user}` ||
    (stream.startsWith('transfer:') && stream.split('/').slice(1).includes(encodeURIComponent(user)))

/** Whether a fact of the node names the person: those about streams alone do. An id may be any word, so no text is searched for it. */
const mentions =
  (user: string) =>
  (fact: Fact): boolean =>
    'stream' in fact && belongsTo(user)(fact.stream)

/** A folded state as if the person had never been there. */
export const withoutPerson = (state: FoldedState, user: string): FoldedState => {
  const belongs = belongsTo(user)
  const { node, machines, failing } = state
  return {
    ...state,
    node: {
      ...node,
      users: node.users.filter(({ id }) => id !== user),
      pins: node.pins.filter(([id]) => id !== user),
      departed: node.departed.filter(([id]) => id !== user),
      origins: node.origins.map(([server, order]) => [server, { ...order, recent: order.recent.filter(([id]) => id !== user) }]),
      conflicts: node.conflicts.filter(pair => !pair.startsWith(`${user} `)),
      standings: node.standings.map(([server, { doubt, confirmed }]) => [
        server,
        { doubt, confirmed: confirmed.filter(id => id !== user) },
      ]),
      mailboxes: (node.mailboxes ?? []).filter(([id]) => id !== user),
      receipts: (node.receipts ?? []).filter(([id]) => id !== user),
      homes: (node.homes ?? []).filter(([id]) => id !== user),
      aside: node.aside.filter(([stream]) => !belongs(stream)),
    },
    machines: Object.fromEntries(Object.entries(machines).filter(([address]) => !belongs(address))),
    failing: failing.filter(({ stream }) => !belongs(stream)),
  }
}

/**
 * Erases a person from rows, read models, snapshots, base and free pages, and from the live state. The person may come back as
 * somebody new: to be attached again, or advertised again by another server, makes new facts.
 */
export const createPurge =
  ({ log, fold, runtime, clock, sign }: Premises, upkeep: Upkeep, farewell: Farewell | undefined) =>
  async (user: UserId): Promise<Purged> => {
    // the base of a large node is tens of megabytes: others get their turn between what has to be done with it
    const pause = (): Promise<void> =>
      new Promise(resolve => {
        clock.endOfTick(resolve)
      })
    const belongs = belongsTo(user)
    farewell?.begin(user)
    try {
      await runtime.flushed()
      const theirs = [...fold.host.machines()].map(([address]) => address).filter(belongs)
      const base = await log.base()
      await pause()
      const left = base && withoutPerson(JSON.parse(base.state) as FoldedState, user)
      await pause()
      const { rows, seq, wiped } = await log.erase({
        subject: user,
        belongs,
        mentions: mentions(user),
        fact: rows => ({ type: 'data.erased', rows, lastSeq: fold.state.directory.lastSeq }),
        at: Math.max(clock.now(), runtime.lastAt()),
        ...(left && { base: { state: await jsonInTurns(left, pause), sign } }),
      })
      if (seq !== undefined) await upkeep.foldAgain()
      const gone = theirs.filter(address => fold.host.machine(address) === undefined)
      farewell?.over(user, gone)
      return { known: seq !== undefined, rows, wiped }
    } catch (error) {
      farewell?.over(user, [])
      throw error
    }
  }
