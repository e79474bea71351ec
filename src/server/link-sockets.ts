/** Several sockets between the same two servers: both ends choose the same one, and never the one that is dead at the other end. */
import type { ServerId } from '../protocol/ids.ts'
import type { Connection } from './connection.ts'

/** Two sockets of one pair that were linked further apart than any two handshakes that crossed: the older one is half a connection. */
export const CROSSING_MS = 15_000

/**
 * Of the sockets whose ends are proven the one to keep, where there are two or more: the one that the smaller id dialled, the newest of
 * those. Whoever dials has no link that stands, so what is much older than the newest is not asked.
 */
export const chosenSocket = (self: ServerId, peer: ServerId, proven: readonly Connection[]): Connection | undefined => {
  const dialler = (connection: Connection): string => (connection.direction === 'dialled' ? self : peer)
  const newest = Math.max(...proven.map(({ linkedAt }) => linkedAt))
  const recent = proven.filter(({ linkedAt }) => newest - linkedAt <= CROSSING_MS)
  const smallest = recent.map(dialler).sort()[0]
  return recent.filter(connection => dialler(connection) === smallest).at(-1)
}

/** The socket that carries what leaves; undefined when none can. */
export const sendable = ({ sockets }: { readonly sockets: readonly Connection[] }): Connection | undefined =>
  sockets.find(({ peer, open }) => open && peer?.role === 'server' && peer.sendable)

/** Closes all sockets between two servers whose ends are proven but the one to keep, which comes first in the answer. */
export const settleDoubles = (self: ServerId, peer: ServerId, sockets: readonly Connection[]): readonly Connection[] => {
  const proven = sockets.filter(({ peer }) => peer?.role === 'server' && peer.proven)
  const kept = proven.length < 2 ? undefined : chosenSocket(self, peer, proven)
  if (kept === undefined) return sockets
  for (const connection of proven) if (connection !== kept) connection.close(1000, 'another socket carries this link')
  return [kept, ...sockets.filter(connection => connection !== kept)]
}
