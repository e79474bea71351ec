/** What people here see of where somebody is: the claim that counts, whichever was heard last. */
import { claimOf } from '../domain/directory.ts'
import { surenessOf } from '../domain/standing.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import type { Node } from './node.ts'
import { frameText, signedEvent } from './signed-event.ts'

/** The server at which a user is listed; undefined when they are not. */
export const listedAt = (node: Node, user: UserId): ServerId | undefined => {
  const entry = node.state.directory.users.get(user)
  return entry && claimOf(node.state.directory, entry, node.links.isLinked)?.server
}

/** Tells the people here by a word of our own where somebody is who is listed otherwise than they heard; nothing of who is not listed. */
export const tellWhere = (node: Node, user: UserId): void => {
  const { directory } = node.state
  const entry = directory.users.get(user)
  const claim = entry && claimOf(directory, entry, node.links.isLinked)
  const pinned = directory.pins.get(user)
  if (claim === undefined || pinned === undefined) return
  const { server, meta, caps } = claim
  const keys = { pubkey: pinned.pubkey, ...(pinned.encPubkey !== undefined && { enc_pubkey: pinned.encPubkey }) }
  const sure = surenessOf(directory.standings, server, user)
  const extras = { caps, ...((sure === 'suspect' || sure === 'recovered') && { presence: sure }) }
  const payload = { user_id: user, server_id: server, meta: { ...meta, ...keys, extras } }
  const event = signedEvent(node.signer, payload, 'presence')
  node.runtime.release(() => {
    node.sessions.broadcast(() => frameText(event, { type: 'USER_ADVERTISE', from: node.self.id, to: '*', ts: node.nextTs() }), user)
  })
}
