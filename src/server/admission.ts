/** Who may link and who may attach: everything that is decided about a hello before its sender proves to hold the key. */
import { homeOf } from '../domain/directory.ts'
import { decideMembership, holdersOf, isBanned } from '../domain/membership.ts'
import { tlsOf } from '../protocol/address.ts'
import type { Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { type PublicKeyText, serverId, userId, type ServerId } from '../protocol/ids.ts'
import type { Connection, ServerPeer, UserPeer } from './connection.ts'
import { readMeta } from '../protocol/meta.ts'
import type { Newcomer } from './introducer.ts'
import { forgetMember } from './members.ts'
import type { Node } from './node.ts'
import { verifyBy } from './verify.ts'

type ServerHello = Frame<'SERVER_ANNOUNCE' | 'SERVER_HELLO_LINK' | 'PEER_HELLO_LINK'>

/**
 * Admits a server by its hello, or rejects. `expected` is the member that we dialled. Nothing is recorded before
 * the proof, but for stock servers, which have none: what vouches for them was recorded before.
 */
export const greetServer = async (
  node: Node,
  connection: Connection,
  frame: Frame,
  expected: ServerId | undefined,
): Promise<ServerPeer> => {
  const { payload } = frame as ServerHello
  const id = serverId.parse(frame.from)
  if (id === node.self.id || (expected !== undefined && id !== expected)) throw new ProtocolError('BAD_KEY', 'wrong_id')
  const known = node.state.membership.servers.get(id)
  if (payload.pubkey === undefined && known === undefined) throw new ProtocolError('BAD_KEY', 'no_key')
  const key = await node.keys.import(payload.pubkey ?? (known as { pubkey: string }).pubkey)
  if (isBanned(node.state.membership, id, key.text)) throw new ProtocolError('BAD_KEY', 'banned', 'This server is banned here.')
  if (key.text === node.self.pubkey) throw new ProtocolError('BAD_KEY', 'our_own_key')
  // of one that nobody has met there is only hearsay: a server that shows a voucher, and proves its key, counts for more
  const another = known !== undefined && known.pubkey !== key.text
  const hearsay = another && !known.linked && known.vouchedBy !== 'operator' && expected === undefined
  if (another && !hearsay) {
    await verifyBy(node, frame, key)
    if (node.state.membership.servers.has(id)) node.otherKeys.note(known, key)
    throw new ProtocolError('BAD_KEY', 'pinned_key')
  }
  if (node.runtime.machine(`link:${id}`)?.state === 'refused')
    throw new ProtocolError('BAD_KEY', 'refused', 'This server answered wrongly too often: it is refused for an hour.')
  const caps = payload.caps ?? []
  const stock = !caps.includes('proof')
  if (known?.proven === true && stock) throw new ProtocolError('INVALID_SIG', 'unproven')
  // a stock hello may be unsigned; then it says nothing that was not pinned before
  if (frame.sig !== undefined) await verifyBy(node, frame, key)
  else if (known === undefined || !stock) throw new ProtocolError('INVALID_SIG', 'unsigned')
  if (hearsay && stock) throw new ProtocolError('BAD_KEY', 'pinned_key')
  const newcomer = known === undefined || hearsay ? await newcomerOf(node, id, key.text, frame as ServerHello) : undefined
  return {
    role: 'server',
    id,
    key,
    caps,
    proven: false,
    sendable: !stock || connection.direction === 'dialled',
    offset: node.ports.clock.now() - frame.ts,
    newcomer,
    address:
      frame.sig === undefined || payload.host === undefined || payload.port === undefined
        ? undefined
        : { host: payload.host, port: payload.port, ...tlsOf(payload.tls) },
  }
}

const newcomerOf = async (node: Node, server: ServerId, pubkey: PublicKeyText, frame: ServerHello): Promise<Newcomer> => {
  if (RESERVED.has(server)) throw new ProtocolError('BAD_KEY', 'reserved_id')
  const newcomer = await node.introducer.vouched(server, pubkey, frame.payload)
  if (newcomer === undefined)
    throw new ProtocolError('BAD_KEY', 'not_vouched', 'No introducer that is pinned here vouches for this server.')
  return newcomer
}

/** Words that stand for something else where an id may stand. */
const RESERVED: ReadonlySet<string> = new Set(['local', 'operator', 'public', '*', 'server'])

/**
 * Pins a newcomer whose handshake is over: a hello alone, which whoever saw it can send again, leaves no trace. What it proved takes the
 * place of hearsay under its id, and of a member with its key under another id that is not there. Throws when there is no place.
 */
export const pinNewcomer = (node: Node, { vouched, introducer }: Newcomer, proven: boolean): void => {
  const { membership } = node.state
  const before = membership.servers.get(vouched.server)
  if (before !== undefined && before.pubkey !== vouched.pubkey && !before.linked && proven) forgetMember(node, before.id)
  for (const holder of holdersOf(membership, vouched.pubkey)) {
    const replaceable = holder.id !== vouched.server && !node.links.isLinked(holder.id) && holder.vouchedBy !== 'operator'
    if (decideMembership(vouched, membership, node.config.limits).conflict !== 'key_held') break
    if (replaceable && (proven || !holder.proven)) forgetMember(node, holder.id)
  }
  const { facts, conflict } = decideMembership(vouched, membership, node.config.limits)
  if (conflict !== undefined) throw new ProtocolError('BAD_KEY', `members_${conflict}`)
  if (facts.length > 0 && introducer !== undefined && !node.introducer.admitsOneMore(introducer))
    throw new ProtocolError('TIMEOUT', 'too_many_newcomers')
  for (const fact of facts) node.runtime.record(`server:${vouched.server}`, fact)
}

/** Admits a user by their hello, or rejects. */
export const greetUser = async (node: Node, connection: Connection, frame: Frame): Promise<UserPeer> => {
  const { payload } = frame as Frame<'USER_HELLO'>
  const { directory } = node.state
  const { config } = node
  if (!node.sessions.mayGreet(connection.remote))
    throw new ProtocolError('TIMEOUT', 'too_many_hellos', 'Too many people attach from one address at once: try again in a minute.')
  const parsed = userId.safeParse(frame.from)
  if (!parsed.success) throw new ProtocolError('UNKNOWN_TYPE', 'bad_id', 'A user id is 1 to 64 visible ASCII characters.')
  const id = parsed.data
  if (RESERVED.has(id)) throw new ProtocolError('NAME_IN_USE', 'reserved_id')
  if (config.attach === 'listed' && !config.users.includes(id))
    throw new ProtocolError('NAME_IN_USE', 'not_listed', 'This server takes listed users only.')
  if (node.state.membership.servers.has(id as string as ServerId) || (id as string) === node.self.id)
    throw new ProtocolError('NAME_IN_USE', 'server_id')
  // who is here already, or away within the grace time, has a place
  if (node.sessions.count >= config.limits.sessions && directory.users.get(id)?.local === undefined)
    throw new ProtocolError('TIMEOUT', 'full', 'This server is full.')
  const key = await node.keys.import(payload.pubkey)
  const encKey = payload.enc_pubkey === undefined ? key : await node.keys.import(payload.enc_pubkey)
  const pinned = directory.pins.get(id)
  if (pinned !== undefined && pinned.pubkey !== key.text) throw new ProtocolError('NAME_IN_USE', 'pinned_key')
  if (pinned === undefined && directory.pins.size >= config.limits.pins)
    throw new ProtocolError('TIMEOUT', 'full', 'This server takes no new users.')
  const caps = payload.caps ?? []
  if (!caps.includes('proof')) {
    if (config.allow_unproven === 'never' || pinned?.proven === true) throw new ProtocolError('NAME_IN_USE', 'unproven')
    const home = homeOf(directory, id, node.links.isLinked)
    // without a proof nobody takes an id that is in use, here or elsewhere
    if (home !== undefined && !(home === 'local' && directory.users.get(id)?.local === 'detached'))
      throw new ProtocolError('NAME_IN_USE', 'attached')
  }
  if (frame.sig !== undefined) await verifyBy(node, frame, key)
  return {
    role: 'user',
    id,
    key,
    encPubkey: encKey.text === key.text ? undefined : encKey.text,
    meta: readMeta(payload).meta,
    caps,
    proven: false,
    offset: node.ports.clock.now() - frame.ts,
    attachment: undefined,
  }
}
