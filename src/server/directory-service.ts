/** What users ask their server: who is online, and by which key somebody signs (SOCP §13, §14). */
import { claimOf, type DirectoryUser } from '../domain/directory.ts'
import { tlsOf } from '../protocol/address.ts'
import { type Answer, listAnswer, type ListedUser, pubkeyAnswer, pubkeyMissing } from '../protocol/aliases.ts'
import type { Frame } from '../protocol/envelope.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import { displayName } from '../protocol/meta.ts'
import { createRecent } from '../crypto/recent.ts'
import type { Connection, UserPeer } from './connection.ts'
import type { Node } from './node.ts'
import { mayDial } from './may-dial.ts'
import { inParts } from './parts.ts'
import { frameText, type SignedEvent, signedEvent } from './signed-event.ts'
import { knowsPresence } from './standings.ts'
import { type ClaimPresence, presenceOf } from './sureness.ts'

export interface DirectoryService {
  /** Answers in the form of the name that the request came under, in parts; says how many. */
  list(connection: Connection, peer: UserPeer, frame: Frame<'LIST_REQUEST'>): number
  key(connection: Connection, peer: UserPeer, frame: Frame<'PUBKEY_REQUEST'>): void
  /** Tells which other servers there are. */
  servers(connection: Connection, peer: UserPeer): void
  /** Tells a stock user who is online: their programs know keys only from advertisements. */
  introduce(connection: Connection, peer: UserPeer): void
}

/** Advertisements that a stock user gets on attaching; each costs a signature. */
const MAX_INTRODUCED = 200
/** Servers that a user is told of. */
const MAX_SERVERS = 16
/** Answers whose signature is kept: a question costs its asker nothing, so asking it again must cost us no signature. */
const KEPT_ANSWERS = 256

export const createDirectoryService = (node: Node): DirectoryService => {
  /** What stock users are told of somebody: signed once while it stays the same, or each attaching would cost as many signatures as there are users. */
  const introductions = new Map<string, SignedEvent>()
  const answers = createRecent<string, SignedEvent>(KEPT_ANSWERS)
  const answer = (connection: Connection, to: string, ts: number, { type, payload }: Answer): void => {
    const asked = signedEvent(node.signer, payload, 'message')
    const event = answers.get(asked.payloadText) ?? asked
    answers.set(asked.payloadText, event)
    const text = frameText(event, { type, from: node.self.id, to, ts })
    node.runtime.release(() => {
      connection.channel.send('traffic', text)
    })
  }

  const listed = (entry: DirectoryUser): ListedUser | undefined => {
    const claim = claimOf(node.state.directory, entry, node.links.isLinked)
    if (claim === undefined) return undefined
    return {
      user_id: entry.id,
      display_name: displayName(claim.meta, entry.id),
      server_id: claim.server,
      presence: listedPresence(presenceOf(node.state, node.runtime.machine, entry, claim.server)),
    }
  }
  /** As programs know it that do not ask how sure we are. */
  const plain = (user: ListedUser): ListedUser => ({ ...user, presence: user.presence === 'online' ? 'online' : 'away' })

  /** By name in code-unit order, then by id, so that every server lists alike. */
  const everybody = (): readonly ListedUser[] =>
    [...node.state.directory.users.values()]
      .map(listed)
      .filter(user => user !== undefined)
      .sort((a, b) => compare(a.display_name, b.display_name) || compare(a.user_id, b.user_id))

  return {
    list(connection, peer, frame) {
      const users = knowsPresence(peer) ? everybody() : everybody().map(plain)
      const parts = inParts(users, limits.maxListed, bytesOf)
      for (const part of parts) answer(connection, peer.id, node.nextTs(), listAnswer(frame.alias, part, part !== parts.at(-1)))
      return parts.length
    },
    key(connection, peer, frame) {
      const user = frame.payload.user_id
      const pinned = node.state.directory.pins.get(user)
      const entry = node.state.directory.users.get(user)
      if (pinned === undefined) {
        const missing = pubkeyMissing(frame.alias, frame.payload.req_id)
        if (missing === undefined) node.refusals.tell(connection, peer.id, 'USER_NOT_FOUND', `${user} is not known here.`, user)
        else answer(connection, peer.id, node.nextTs(), missing)
        return
      }
      const claim = entry === undefined ? undefined : claimOf(node.state.directory, entry, node.links.isLinked)
      // of somebody who is nowhere now it is not known, which is not the same as nothing
      const caps = (claim ?? entry?.claims.at(-1) ?? node.state.homes.get(user))?.caps
      const known = {
        user_id: user,
        pubkey: pinned.pubkey,
        ...(pinned.encPubkey === undefined ? {} : { enc_pubkey: pinned.encPubkey }),
        ...(caps === undefined ? {} : { caps }),
      }
      answer(connection, peer.id, node.nextTs(), pubkeyAnswer(frame.alias, known, frame.payload.req_id))
    },
    servers(connection, peer) {
      const servers = [...node.state.membership.servers.values()]
        .filter(({ id, proven, host, port }) => proven && node.links.isLinked(id) && mayDial(node.self, host, port))
        .slice(0, MAX_SERVERS)
        .map(({ id, host, port, pubkey, tls }) => ({ server_id: id, host, port, pubkey, ...tlsOf(tls) }))
      answer(connection, peer.id, node.nextTs(), { type: 'SERVERS', payload: { servers } })
    },
    introduce(connection, peer) {
      const told = everybody()
        .filter(user => user.user_id !== peer.id)
        .slice(0, MAX_INTRODUCED)
      const current = new Map<string, SignedEvent>()
      for (const { user_id, server_id, display_name } of told) {
        const pinned = node.state.directory.pins.get(user_id as UserId)
        if (pinned === undefined) continue
        const enc = pinned.encPubkey === undefined ? {} : { enc_pubkey: pinned.encPubkey }
        const payload = { user_id, server_id, meta: { display_name, pubkey: pinned.pubkey, ...enc } }
        const name = JSON.stringify(payload)
        const event = introductions.get(name) ?? signedEvent(node.signer, payload, 'presence')
        current.set(name, event)
        const text = frameText(event, { type: 'USER_ADVERTISE', from: node.self.id, to: peer.id, ts: node.nextTs() })
        node.runtime.release(() => {
          connection.channel.send('traffic', text)
        })
      }
      // only what is still so is worth keeping
      introductions.clear()
      for (const [name, event] of current) introductions.set(name, event)
    },
  }
}

/** Who is listed is not lapsed. */
const listedPresence = (presence: ClaimPresence): ListedUser['presence'] => (presence === 'lapsed' ? 'suspect' : presence)

/** Canonical text writes six bytes for a letter at most; keys and presence take less than 100. */
const bytesOf = ({ user_id, server_id, display_name }: ListedUser): number =>
  6 * display_name.length + user_id.length + server_id.length + 100

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)
