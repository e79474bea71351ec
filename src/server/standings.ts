/** What users here are told of others' users: how sure we are of each server's, and where somebody is by the claim that counts. */
import { DIGEST_CAP } from '../domain/standing.ts'
import type { LinkEffects } from '../machines/link.ts'
import type { Address, ServerId, UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { Node } from './node.ts'
import type { UserPeer } from './peer.ts'
import { frameText, signedEvent } from './signed-event.ts'
import { listedAt, tellWhere } from './whereabouts.ts'

export interface Standings {
  /**
   * Passes a frame of `server` about a user to the people here when it says what is so; `before` is where they were listed until then. What
   * an older claim says changes nothing, and when the claim that counted is gone the next takes its place.
   */
  passOn(user: UserId, text: string, server: ServerId, before: ServerId | undefined): void
  /** The server was forgotten. */
  forget(server: ServerId): void
  /** Characters that are withheld of servers that are gone. */
  readonly withheld: number
  readonly effects: {
    armLapse(params: LinkEffects['armLapse']): void
    disarmLapse(params: LinkEffects['disarmLapse']): void
    tellStanding(params: LinkEffects['tellStanding']): void
  }
}

/** Whether a user's program understands `PRESENCE_CHANGED` and the presence that it is about. */
export const knowsPresence = ({ caps }: UserPeer): boolean => caps.includes('presence')

interface Withheld {
  /** The last event of each user, oldest first. */
  readonly texts: Map<UserId, string>
  characters: number
}

export const createStandings = (node: Node): Standings => {
  /** What users here were last told of a server. One that was never linked they were told nothing of, and see as silent. */
  const told = new Map<ServerId, string>()
  /** What was heard of the users of lapsed servers: it counts when they are back. */
  const withheld = new Map<ServerId, Withheld>()
  const withhold = (server: ServerId, user: UserId, text: string): void => {
    const held = withheld.get(server) ?? { texts: new Map<UserId, string>(), characters: 0 }
    withheld.set(server, held)
    const drop = (of: UserId): void => {
      held.characters -= held.texts.get(of)?.length ?? 0
      held.texts.delete(of)
    }
    drop(user)
    held.texts.set(user, text)
    held.characters += text.length
    for (const oldest of held.texts.keys()) {
      // as much as may wait for one that does not read; people see in the next list what was dropped
      if (held.characters <= node.config.limits.outgoingBytes) return
      drop(oldest)
    }
  }
  /** Users who are listed at a server, and claimed by another too: where they are listed changes when it lapses, and when it is back. */
  const claimedElsewhere = (server: ServerId): readonly UserId[] =>
    [...node.state.directory.users.values()].flatMap(({ id, claims }) => (claims.length > 1 && listedAt(node, id) === server ? [id] : []))
  const timer = (server: ServerId): string => `lapse ${server}`

  return {
    passOn(user, text, server, before) {
      const now = listedAt(node, user)
      if (node.state.directory.standings.get(server)?.doubt === 'lapsed') withhold(server, user, text)
      if (now !== undefined && now !== server && now !== before) tellWhere(node, user)
      if (now !== server && (now !== undefined || before !== server)) return
      node.runtime.release(() => {
        node.sessions.broadcast(text, user)
      })
    },
    get withheld() {
      return withheld.values().reduce((sum, { characters }) => sum + characters, 0)
    },
    forget(server) {
      node.timers.cancel(timer(server))
      withheld.delete(server)
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
          const several = claimedElsewhere(server)
          node.runtime.record(address, { type: 'link.lapsed', server })
          for (const user of several) tellWhere(node, user)
        })
      },
      disarmLapse({ server }) {
        node.timers.cancel(timer(server))
      },
      tellStanding({ server }) {
        const presence = node.state.directory.standings.get(server)?.doubt ?? 'online'
        const before = told.get(server)
        if (before === presence) return
        told.set(server, presence)
        // one frame, however many users it is about
        const event = signedEvent(node.signer, { server_id: server, presence }, 'presence')
        const envelope = { type: 'PRESENCE_CHANGED', from: node.self.id, to: '*', ts: node.nextTs() }
        node.sessions.broadcast(() => frameText(event, envelope), undefined, knowsPresence)
        if (presence === 'lapsed') return
        for (const [user, text] of withheld.get(server)?.texts ?? []) {
          const claimed = node.state.directory.users.get(user)?.claims.some(claim => claim.server === server) === true
          if (!claimed || listedAt(node, user) === server) node.sessions.broadcast(text, user)
        }
        withheld.delete(server)
        if (before === 'lapsed') for (const user of claimedElsewhere(server)) tellWhere(node, user)
      },
    },
  }
}
