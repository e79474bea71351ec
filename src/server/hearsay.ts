/** What an introducer says of servers that we have not met is checked against the members that have. */
import { toBase64Url, utf8 } from '../protocol/encoding.ts'
import type { Frame } from '../protocol/envelope.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import { createRecent } from '../crypto/recent.ts'
import { forgetMember } from './members.ts'
import type { Node } from './node.ts'
import type { ServerPeer } from './peer.ts'
import { frameText, signedEvent } from './signed-event.ts'

export interface Hearsay {
  /** Tells a newly linked peer by which keys we have met the others. */
  linked(peer: ServerPeer): void
  /** A member says by which keys it has met the others. */
  heard(frame: Frame<'SERVER_MEMBERS'>, origin: ServerId): void
  /** A member has met this server, and by another key than this one. */
  isDisputed(server: ServerId, pubkey: PublicKeyText): boolean
}

/** The capability of servers that tell each other. */
const MEMBERS_CAP = 'members'
/** Members in one frame: 400 with ids of 64 characters fit into it. */
const PER_FRAME = 400
/** Servers of which a member's word is kept although we have no other. */
const KEPT = 1_000

export const createHearsay = (node: Node): Hearsay => {
  const met = createRecent<ServerId, string>(KEPT)
  /** Disputes that people were told of. */
  const told = createRecent<string, true>(KEPT)
  const fingerprint = (pubkey: PublicKeyText): string => toBase64Url(node.ports.crypto.sha256(utf8(pubkey)))

  return {
    linked({ id, caps }) {
      if (!caps.includes(MEMBERS_CAP)) return
      const members = [...node.state.membership.servers.values()]
        .filter(member => member.linked && member.id !== id)
        .map(({ id: server_id, pubkey }) => ({ server_id, key: fingerprint(pubkey) }))
      for (let from = 0; from < members.length; from += PER_FRAME) {
        const event = signedEvent(node.signer, { members: members.slice(from, from + PER_FRAME) }, 'control')
        node.links.send(id, 'control', frameText(event, { type: 'SERVER_MEMBERS', from: node.self.id, to: id, ts: node.nextTs() }))
      }
    },
    heard(frame, origin) {
      for (const { server_id: server, key } of frame.payload.members) {
        if (server === node.self.id || server === origin) continue
        const known = node.state.membership.servers.get(server)
        if (known === undefined || fingerprint(known.pubkey) === key) {
          met.set(server, key)
          continue
        }
        node.count('disputed', known.linked ? 'member' : 'hearsay')
        // of two that were met under one id neither word is worth more: nothing changes, and people are told
        const what = `the member ${origin} knows the server ${server} by another key than the one`
        if (known.linked || known.vouchedBy === 'operator') {
          const dispute = `${origin} ${server}`
          if (told.get(dispute) === undefined) node.tell({ event: 'degraded', why: `${what} pinned here` })
          told.set(dispute, true)
        } else if (forgetMember(node, server)) {
          met.set(server, key)
          node.tell({ event: 'degraded', why: `${what} that ${known.vouchedBy} listed: that one is forgotten` })
        }
      }
    },
    isDisputed(server, pubkey) {
      const key = met.get(server)
      return key !== undefined && key !== fingerprint(pubkey)
    },
  }
}
