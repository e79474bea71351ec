/** Which announced addresses a node dials: only those of a class that it is itself reached on (attack: make a server dial for you). */
import { type AddressClass, addressClass, isName } from '../protocol/address-class.ts'

/** How a node is reached, and which class of address it dials. */
export interface Reach {
  readonly host: string
  readonly port: number
  readonly reach: AddressClass
}

/**
 * Whether a node dials `host:port`; never itself. A name is judged again by what it resolves to, in the dial: it may be a
 * name for a private address.
 */
export const mayDial = (own: Reach, host: string, port: number): boolean => {
  const wanted = addressClass(host)
  // a name says nothing yet about a private network that the operator opened
  const asName = wanted === 'public' && isName(host) && (own.reach === 'private' || own.reach === 'public')
  if (wanted === 'unusable' || (wanted !== own.reach && !asName)) return false
  return !(own.port === port && (wanted === 'loopback' || own.host.toLowerCase() === host.toLowerCase()))
}
