/** What becomes of a lost server's users: their own server's clients hear at once that nobody is sure of them, and later that they are gone. */
import { DIGEST_CAP } from '../domain/standing.ts'
import type { LinkEffects } from '../machines/link.ts'
import type { Address, ServerId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { Node } from './node.ts'
import type { UserPeer } from './peer.ts'
import { frameText, signedEvent } from './signed-event.ts'

export interface Standings {
  /** The server was forgotten. */
  forget(server: ServerId): void
  readonly effects: {
    armLapse(params: LinkEffects['armLapse']): void
    disarmLapse(params: LinkEffects['disarmLapse']): void
    tellStanding(params: LinkEffects['tellStanding']): void
  }
}

/** Whether a user's program understands `PRESENCE_CHANGED` and the presence that it is about. */
export const knowsPresence = ({ caps }: UserPeer): boolean => caps.includes('presence')

export const createStandings = (node: Node): Standings => {
  /** What users here were last told of a server; nothing where they were told nothing, or that it is confirmed. */
  const told = new Map<ServerId, string>()
  const timer = (server: ServerId): string => `lapse ${server}`

  return {
    forget(server) {
      node.timers.cancel(timer(server))
      told.delete(server)
    },
    effects: {
      armLapse({ server, at }) {
        node.timers.arm(timer(server), Math.min(at - node.ports.clock.now(), limits.graceMs), () => {
          const address: Address = `link:${server}`
          const held = node.state.directory.standings.get(server)
          const link = node.runtime.machine(address)
          if (held === undefined || held.doubt === 'lapsed' || link === undefined || node.runtime.isSetAside(address)) return
          // of a linked server that compares no digests nothing more will ever be heard
          if (link.state === 'linked' && !(link.context['caps'] as readonly string[]).includes(DIGEST_CAP)) return
          node.runtime.record(address, { type: 'link.lapsed', server })
        })
      },
      disarmLapse({ server }) {
        node.timers.cancel(timer(server))
      },
      tellStanding({ server }) {
        const presence = node.state.directory.standings.get(server)?.doubt ?? 'online'
        if ((told.get(server) ?? 'online') === presence) return
        if (presence === 'online') told.delete(server)
        else told.set(server, presence)
        // one frame, however many users it is about
        const event = signedEvent(node.signer, { server_id: server, presence }, 'presence')
        const envelope = { type: 'PRESENCE_CHANGED', from: node.self.id, to: '*', ts: node.nextTs() }
        node.sessions.broadcast(() => frameText(event, envelope), undefined, knowsPresence)
      },
    },
  }
}
