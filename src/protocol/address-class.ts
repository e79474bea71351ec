/** Classes of addresses, by who can reach them: what strangers announce is dialled only where they may point to (attack: make somebody dial for you). */
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

/** A name, which stands for addresses that only its resolution tells. */
export const isName = (host: string): boolean => !ipaddr.isValid(host)

/** From this machine outwards. */
const outwards: readonly AddressClass[] = ['loopback', 'private', 'public']

/** Whether who is reached at an address of the class `from` may point to one of the class `to`: never further in than they are themselves. */
export const mayPoint = (from: AddressClass, to: AddressClass): boolean =>
  to !== 'unusable' && from !== 'unusable' && outwards.indexOf(to) >= outwards.indexOf(from)
