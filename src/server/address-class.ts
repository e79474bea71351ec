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

/** Whether a node that is reached on `own` dials `host:port`; never itself. */
export const mayDial = (own: { readonly host: string; readonly port: number }, host: string, port: number): boolean => {
  const wanted = addressClass(host)
  if (wanted === 'unusable' || wanted !== addressClass(own.host)) return false
  return !(own.port === port && (wanted === 'loopback' || own.host.toLowerCase() === host.toLowerCase()))
}
