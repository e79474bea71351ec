/** Certificates of this machine: what a server shows, and what it and its clients ask of others. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { isIP } from 'node:net'
import type { SecureContextOptions } from 'node:tls'

/** PEM texts: a certificate with those that vouch for it, and its private key. */
export interface TlsIdentity {
  readonly cert: string
  readonly key: string
}

/** What the certificate of the other end must be. Servers prove themselves by their pinned RSA key whatever it is. */
export interface TlsTrust {
  /** Any certificate will do: then TLS hides what is said from those who only listen, and from nobody in between. */
  readonly any?: boolean
  /** PEM certificates that are trusted beside the system's. */
  readonly ca?: string
}

/** Of every TLS connection here. */
export const tlsOptions: SecureContextOptions = { minVersion: 'TLSv1.2' }

/** Why an identity cannot be used now; undefined when it can. `now` is Unix milliseconds. */
export const tlsProblem = ({ cert, key }: TlsIdentity, now: number): string | undefined => {
  let parsed: X509Certificate
  try {
    parsed = new X509Certificate(cert)
  } catch {
    return 'the certificate is not one in PEM form ("-----BEGIN CERTIFICATE-----")'
  }
  try {
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return 'the key does not belong to the certificate'
  } catch (error) {
    const encrypted = /ENCRYPTED/.test(key) || (error as { readonly code?: string }).code === 'ERR_MISSING_PASSPHRASE'
    return encrypted
      ? 'the key is encrypted: give it without a passphrase, readable by its owner alone'
      : 'the key is not a private key in PEM form'
  }
  if (parsed.validToDate.getTime() <= now) return `the certificate expired on ${parsed.validToDate.toISOString()}: renew it`
  if (parsed.validFromDate.getTime() > now)
    return `the certificate is not valid before ${parsed.validFromDate.toISOString()}: check the clock`
  return undefined
}

/** Whether a certificate names a host, as a client of that host asks. */
export const certifies = ({ cert }: TlsIdentity, host: string): boolean => {
  const parsed = new X509Certificate(cert)
  return (isIP(host) === 0 ? parsed.checkHost(host) : parsed.checkIP(host)) !== undefined
}
