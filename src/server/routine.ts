/** What a running node does for its log by itself, and what it does beside its log when an operator changes that. */
import type { TransferContext, TransferEffects } from '../machines/transfer.ts'
import { limits as wire } from '../protocol/limits.ts'
import type { Address, ServerId, UserId } from '../protocol/ids.ts'
import { LogRefused } from '../store/log.ts'
import type { Live } from './control.ts'
import type { Node } from './node.ts'
import type { Status } from './status.ts'
import type { Upkeep } from './upkeep.ts'
import type { Vitals } from './vitals.ts'

export interface Routine {
  start(): void
  /** A last snapshot and checkpoint, when all facts are recorded. */
  finish(): Promise<void>
}

/** How often is looked whether a snapshot is due, or the log too large. */
const WATCH_MS = 5_000

export const createRoutine = (node: Node, upkeep: Upkeep, vitals: Pick<Vitals, 'noteLogBytes'>): Routine => {
  let busy = false

  const snapshot = async (): Promise<void> => {
    const made = await upkeep.alone(() => upkeep.snapshot())
    node.ports.reach('snapshot kept')
    if (made !== undefined) node.log('debug', 'made a snapshot', made)
  }
  const checkpoint = async (): Promise<void> => {
    const made = await upkeep.alone(() => upkeep.checkpoint())
    if (made !== undefined) node.log('debug', 'made a checkpoint', { seq: made.seq })
  }
  const shrink = async (): Promise<void> => {
    const made = await upkeep.alone(() => upkeep.shrink(node.config.limits.logBytes))
    vitals.noteLogBytes(await upkeep.bytes())
    if (made !== undefined) node.log('info', 'compacted the log to keep it within limits.logBytes', made)
  }
  /** The node lives without either: what went wrong is said, and tried again in its time. */
  const attempt = async (what: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run()
    } catch (error) {
      // the log stops the node by itself then, with the same sentence
      if (error instanceof LogRefused) return
      node.log('warn', 'upkeep of the log failed', { what, why: error instanceof Error ? error.message : String(error) })
    }
  }

  return {
    start() {
      void upkeep.bytes().then(vitals.noteLogBytes, () => {})
      node.timers.every(WATCH_MS, () => {
        if (busy) return
        busy = true
        const look = async (): Promise<void> => {
          await attempt('room in the log', shrink)
          // a snapshot is as long as there are users, so a big node makes them more rarely
          if (upkeep.sinceSnapshot() >= Math.max(node.config.limits.snapshotFacts, node.state.directory.pins.size))
            await attempt('a snapshot', snapshot)
        }
        void look().finally(() => {
          busy = false
        })
      })
      node.timers.every(node.config.timing.checkpointMs, () => {
        void attempt('a checkpoint', checkpoint)
      })
    },
    async finish() {
      await attempt('the last snapshot', snapshot)
      await attempt('the last checkpoint', checkpoint)
    },
  }
}

/** Kind of a stream → how its machine, which waits for something, is helped on. */
const helpOn: Readonly<Record<string, (node: Node, id: string, stream: Address) => void>> = {
  link: (node, id) => {
    node.links.effects.armRedial({ server: id as ServerId, at: node.ports.clock.now() })
  },
  session: (node, id) => {
    node.sessions.effects.armGrace({ user: id as UserId, at: node.ports.clock.now() + wire.graceMs })
  },
  transfer: (node, _id, stream) => {
    const { offer, expiresAt } = (node.runtime.machine(stream)?.context ?? {}) as Partial<TransferContext>
    if (offer != null) node.transfers.effects.armExpiry({ offer, at: expiresAt ?? node.ports.clock.now() })
  },
  bootstrap: node => {
    node.bootstrap.start()
  },
}

/** The parts of a running node that an operator's commands concern. */
export const liveParts = (node: Node, status: () => Promise<Status>): Live => ({
  status,
  cut(server) {
    node.links.effects.closeSockets({ server })
    node.otherKeys.forget(server)
    node.seen.forget(server)
  },
  meet(server) {
    node.links.manage(server)
    node.links.effects.armRedial({ server, at: node.ports.clock.now() })
  },
  dismiss(user, why) {
    node.sessions.dismiss(user, why)
  },
  offered: server => node.otherKeys.of(server),
  heard(server) {
    const at = node.links.heardAt(server)
    return at === undefined ? undefined : Math.round(node.ports.clock.monotonic() - at)
  },
  get members() {
    return node.config.limits.servers
  },
  begin(user) {
    node.sessions.dismiss(user, 'erased')
    node.runtime.setAside(`session:${user}`)
  },
  over(user, gone) {
    if (!node.state.aside.has(`session:${user}`)) node.runtime.readmit(`session:${user}`)
    for (const address of gone) {
      node.timers.cancel(address)
      const [, file = '', sender = '', recipient = ''] = /^transfer:([^/]*)\/([^/]*)\/(.*)$/.exec(address) ?? []
      // only the address is made of it
      if (file !== '')
        node.transfers.effects.closeTransfer({ offer: { file, sender, recipient } as TransferEffects['closeTransfer']['offer'] })
    }
  },
  retried(stream) {
    const colon = stream.indexOf(':')
    helpOn[colon < 0 ? stream : stream.slice(0, colon)]?.(node, stream.slice(colon + 1), stream)
  },
  removed(user, seq) {
    node.gossip.effects.announceRemoval({ user, seq, why: 'dropped' })
  },
})
