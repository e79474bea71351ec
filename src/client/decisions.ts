/** What follows from keys that are announced and servers that prove themselves: pins, alarms, a person's word. Pure. */
import type { UserId } from '../protocol/ids.ts'
import { keysOf, type ClientFact, type ServerPin, type UserKeys } from './facts.ts'
import { clientLimits, type ClientState } from './state.ts'

export const sameKeys = (a: UserKeys, b: UserKeys): boolean =>
  a.pubkey === b.pubkey && (a.encPubkey ?? a.pubkey) === (b.encPubkey ?? b.pubkey)

/** What follows from seeing `keys` announced for `user`: a pin, an alarm, or nothing. */
export const decideKeys = (state: ClientState, user: UserId, keys: UserKeys): readonly ClientFact[] => {
  const known = state.users.get(user)
  if (known === undefined) {
    const pin: ClientFact = { type: 'key.pinned', user, ...keysOf(keys) }
    if (state.users.size < clientLimits.maxPins) return [pin]
    for (const [stranger, { contact }] of state.users) if (!contact) return [{ type: 'key.forgotten', user: stranger }, pin]
    return []
  }
  if (sameKeys(known.keys, keys)) return known.changed === undefined ? [] : [{ type: 'key.restored', user }]
  if (known.changed !== undefined && sameKeys(known.changed, keys)) return []
  return [{ type: 'key.changed', user, ...keysOf(keys) }]
}

/** A person's word that the changed keys of `user` are right; nothing when there is no change to trust. */
export const decideTrust = (state: ClientState, user: UserId): readonly ClientFact[] => {
  const changed = state.users.get(user)?.changed
  return changed === undefined ? [] : [{ type: 'key.trusted', user, ...changed }]
}

/** What follows from a server proving itself at `url`: pinned on first use, an alarm when id or key differ from the pin. */
export const decideServer = (state: ClientState, url: string, proven: ServerPin): readonly ClientFact[] => {
  const known = state.servers.get(url)
  const same = (pin: ServerPin): boolean => pin.server === proven.server && pin.pubkey === proven.pubkey
  const told = state.learned.get(url)
  // first use is trusted only where nobody has told us who that is; what was told is pin enough
  if (known === undefined) return told === undefined ? [{ type: 'server.pinned', url, ...proven }] : []
  if (same(known.pin) || (known.changed !== undefined && same(known.changed))) return []
  return [{ type: 'server.changed', url, ...proven }]
}

/** A person's word that the changed server at `url` is right. */
export const decideServerTrust = (state: ClientState, url: string): readonly ClientFact[] => {
  const changed = state.servers.get(url)?.changed
  return changed === undefined ? [] : [{ type: 'server.trusted', url, ...changed }]
}
