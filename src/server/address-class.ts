/** Which announced addresses are dialled: only those of a class that this node itself is reached on (attack: make a server dial for you). */
import ipaddr from 'ipaddr.js'

export type AddressClass = 'loopback' | 'private' | 'public' | 'unusable'

const classes: Partial<Record<string, AddressClass>> = {
  loopback: 'loopback',
  private: 'private',
  linkLocal: 'private',
  uniqueLocal: 'private',
  carrierGradeNat: 'private',
  unicast: 'public',
}

/** The class of an IP address or name; a name counts as public but `localhost`, what is neither as unusable. */
export const addressClass = (host: string): AddressClass => {
  const lower = host.toLowerCase()
  // ipaddr.js also takes `127.1` and `0x7f000001`, which the resolver would read in its own way: only the strict forms are addresses here
  if (ipaddr.IPv4.isValidFourPartDecimal(lower) || ipaddr.IPv6.isValid(lower)) return classes[ipaddr.process(lower).range()] ?? 'unusable'
  if (lower === 'localhost' || lower.endsWith('.localhost')) return 'loopback'
  // a last label that is a number, hexadecimal too, makes an address of the whole (WHATWG URL §3.5): `127.0.0.0x1` is this machine
  const last = lower.split('.').at(-1) ?? ''
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(lower) && /[a-z]/.test(last) && !/^0x[0-9a-f]*$/.test(last) ? 'public' : 'unusable'
}

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

const isName = (host: string): boolean => !ipaddr.isValid(host)
