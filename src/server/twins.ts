/** Several attachments under one key: whose session ends is told so, and the one that goes on that there was another. */
import { createRecent } from '../crypto/recent.ts'
import type { Claim } from '../domain/claims.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import { notify } from './notice.ts'
import type { UserPeer } from './peer.ts'

export interface Twins {
  /** The user is attached by another program, at `server`: this connection is about to be closed. */
  replaced(connection: Connection, server: ServerId): void
  /** Another server claims the user whose connection this is, or their connection here was another one before. */
  heardOf(connection: Connection, other: Pick<Claim, 'server' | 'attachedAt'>): void
}

/** Claims of which users were told; beyond it the oldest may be told again. */
const TOLD = 4_096

/** Our own programs know their own attachments by their times, and tell a person of others only; of stock programs only what none signed is told. */
export const createTwins = (node: Node): Twins => {
  const told = createRecent<string, true>(TOLD)
  const warn = (connection: Connection, detail: string): void => {
    node.refusals.tell(connection, connection.peer?.id ?? '*', 'NAME_IN_USE', detail)
  }
  const hears = ({ caps, attachment }: UserPeer): boolean => caps.includes('notice') && attachment !== undefined

  return {
    replaced(connection, server) {
      const peer = connection.peer as UserPeer
      const detail = `A program with your key has attached at the server ${server}: this session is over.`
      // it names the attachment, so that it cannot be sent again to end another one
      if (hears(peer)) notify(node, { code: 'REPLACED', detail, server_id: server, at: peer.attachment?.at ?? 0 }, [connection])
      else if (server !== node.self.id) warn(connection, detail)
    },
    heardOf(connection, { server, attachedAt }) {
      const peer = connection.peer as UserPeer & { readonly id: UserId }
      const name = `${peer.id} ${server} ${attachedAt ?? ''}`
      if (told.get(name) !== undefined) return
      told.set(name, true)
      const signed = attachedAt !== undefined && peer.attachment !== undefined
      const detail = signed
        ? `Your key was used to attach at the server ${server} too; that session ends. If that was not you, somebody has your key.`
        : `The server ${server} says that you are attached there too; both go on. If that is not you, tell your operator.`
      const at = attachedAt === undefined ? {} : { at: attachedAt }
      if (hears(peer)) notify(node, { code: 'ALSO_ATTACHED', detail, server_id: server, ...at }, [connection])
      else if (!signed) warn(connection, detail)
    },
  }
}
