/** The servers that an operator lists as members by their own word: pinned, or why not. */
import { conflicts, decideMembership } from '../domain/membership.ts'
import { tlsOf } from '../protocol/address.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import type { Node } from './node.ts'

/** Pins those that are not pinned yet and notes new addresses; what cannot be is told. */
export const pinListed = async (node: Node): Promise<void> => {
  for (const { server_id, host, port, pubkey, tls } of node.config.servers) {
    const server = server_id as ServerId
    const key = await node.ports.crypto.importPublicKey(pubkey)
    if (node.runtime.isSetAside(`server:${server}`)) continue
    const listed = { server, pubkey: key.text, host, port, ...tlsOf(tls), vouchedBy: 'operator' as const }
    const { facts, conflict } = decideMembership(listed, node.state.membership, node.config.limits)
    if (conflict !== undefined) node.tell({ event: 'degraded', why: `the listed server ${server} is left out: ${conflicts[conflict]}` })
    for (const fact of facts) node.runtime.record(`server:${server}`, fact)
  }
}

/** Keys of the introducers that are configured, in the form in which keys are compared. */
export const introducerKeys = async (node: Pick<Node, 'config' | 'ports'>): Promise<readonly PublicKeyText[]> => {
  const keys: PublicKeyText[] = []
  for (const { pubkey } of node.config.bootstrap_servers) keys.push((await node.ports.crypto.importPublicKey(pubkey)).text)
  return keys
}
