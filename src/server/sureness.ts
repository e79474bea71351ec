/** How sure we are of one server's word that a user is there: told alike by `/list`, `socp state` and `socp replay`. */
import type { MachineView } from '../actors/contract.ts'
import type { DirectoryUser } from '../domain/directory.ts'
import type { NodeState } from '../domain/node-state.ts'
import { type Sureness, surenessOf } from '../domain/standing.ts'
import type { Address, ServerId } from '../protocol/ids.ts'

/** `online` is confirmed; `away`: detached here, within the grace time. The rest is as in docs/protocol.md, "How sure we are". */
export type ClaimPresence = Sureness | 'away'

/** @param machine a node's machines by their address, of now or as a log says */
export const presenceOf = (
  state: Pick<NodeState, 'self' | 'directory'>,
  machine: (address: Address) => MachineView | undefined,
  user: DirectoryUser,
  server: ServerId,
): ClaimPresence => {
  if (server === state.self) {
    if (user.local === 'attached') return 'online'
    return machine(`session:${user.id}`)?.context['why'] === 'restart' ? 'recovered' : 'away'
  }
  const sure = surenessOf(state.directory.standings, server, user.id)
  // others may pass on what a server says that we have no link to
  return sure === 'online' && machine(`link:${server}`)?.state !== 'linked' ? 'suspect' : sure
}
