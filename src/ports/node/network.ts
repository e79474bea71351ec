/** The real network: WebSockets over TCP and TLS by the ws package, with a bound on all that a stranger can open. */
import { lookup, type LookupAddress } from 'node:dns'
import { createServer, STATUS_CODES, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { AddressInfo, LookupFunction } from 'node:net'
import { rootCertificates } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import { NetworkError, type Listener, type Network, type Socket } from '../network.ts'
import { type TlsIdentity, tlsOptions, type TlsTrust } from './tls.ts'
import { connectionOptions, wrapWebSocket, type Stream } from './websocket.ts'

/** Connections that may be in their HTTP handshake beside `maxSockets` open ones. */
const MAX_HANDSHAKES = 256

/** The request line and headers of a handshake, in bytes. */
const MAX_HEADER_BYTES = 8_192

const GOING_AWAY = 1001
const POLICY = 1008

/** What a person reads for the system's codes; any other code is shown with the system's own text. */
const SENTENCES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'that is not permitted to this user',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the other end cut the connection',
  ENOTFOUND: 'there is no such host name',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  EPROTO: 'it does not speak TLS there: try ws:// instead of wss://',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by nobody but itself, and is not among those that are trusted here',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by somebody who is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by somebody who is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by somebody who is not trusted here',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: check the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

/** What OpenSSL says of an answer that is no TLS. */
const WRONG_VERSION = /wrong version number|packet length too long/i

const networkError = (what: string, cause: Error & { readonly code?: unknown }, hint?: string): NetworkError => {
  const code = typeof cause.code === 'string' ? cause.code : 'EPROTO'
  const known = code === 'EPROTO' && !WRONG_VERSION.test(cause.message) ? undefined : SENTENCES[code]
  return new NetworkError(code, `${what}: ${hint ?? known ?? cause.message}.`, { cause })
}

const parsedUrl = (url: string): URL => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['ws:', 'wss:'].includes(parsed.protocol) || parsed.username !== '' || parsed.hash !== '')
    throw new NetworkError('EINVAL', `"${url}" is not an address: it has the form ws://host:port or wss://host:port.`)
  return parsed
}

/** Resolves a name as Node does, and gives only what may be reached; a mix of both is refused, since nobody says which one is tried. */
const guardedLookup =
  (mayReach: (address: string) => boolean): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) callback(error, '')
      else if (addresses.length === 0 || !addresses.every(({ address }) => mayReach(address)))
        callback(Object.assign(new Error(`${hostname} resolves to an address that is not dialled from here`), { code: 'EADDRCLASS' }), '')
      else if (options.all === true) callback(null, addresses)
      else callback(null, (addresses[0] as LookupAddress).address, (addresses[0] as LookupAddress).family)
    })
  }

/** What is asked of the certificate of the other end. */
const trusting = ({ any = false, ca }: TlsTrust) => ({
  ...tlsOptions,
  rejectUnauthorized: !any,
  // given ones would take the place of the system's
  ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
})

const dialWith =
  (trust: TlsTrust): Network['dial'] =>
  async (url, { timeoutMs, maxBytes, mayReach }, handler) => {
    const address = parsedUrl(url)
    return await new Promise<Socket>((resolve, reject) => {
      const guard = mayReach === undefined ? {} : { lookup: guardedLookup(mayReach) }
      const ws = new WebSocket(address, {
        ...connectionOptions(maxBytes),
        ...guard,
        ...(address.protocol === 'wss:' ? trusting(trust) : {}),
      })
      let stream: Stream | undefined
      // the time for all of the handshake: ws has one for silence only, which a slow drip outlives
      const timer = setTimeout(() => {
        reject(new NetworkError('ETIMEDOUT', `No connection to ${url}: no answer within ${String(timeoutMs)} ms.`))
        ws.terminate()
      }, timeoutMs)
      // a promise settles once: what still goes wrong with an aborted handshake was told already
      const failed = (error: Error): void => {
        clearTimeout(timer)
        const cut = address.protocol === 'ws:' && 'code' in error && error.code === 'ECONNRESET'
        reject(
          networkError(`No connection to ${url}`, error, cut ? 'the other end cut the connection: it may take wss:// only' : undefined),
        )
      }
      ws.on('error', failed)
      ws.on('upgrade', response => (stream = response.socket))
      ws.on('open', () => {
        clearTimeout(timer)
        ws.off('error', failed)
        const { socket, attach } = wrapWebSocket(ws, stream as Stream, true)
        try {
          attach(handler(socket))
          resolve(socket)
        } catch (bug) {
          ws.terminate()
          reject(bug instanceof Error ? bug : new Error(String(bug)))
        }
      })
    })
  }

const refuseUpgrade = (stream: Stream, status: number): void => {
  stream.on('error', () => stream.destroy())
  stream.end(`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
    stream.destroy(),
  )
}

/** Browsers always say which page opened a socket (RFC 6455 §10.2); other programs usually do not. */
const originOf = (request: IncomingMessage): string | undefined => {
  const origin = request.headers.origin ?? request.headers['sec-websocket-origin']
  return Array.isArray(origin) ? origin.join(', ') : origin
}

const listenWith =
  (handshakeMs: number, report: (error: Error) => void, tls: TlsIdentity | undefined, secured: Set<SecureServer>): Network['listen'] =>
  async ({ host, port, maxBytes, maxSockets }, accept) => {
    const open = new Set<Socket>()
    const upgrader = new WebSocketServer({ noServer: true, clientTracking: false, ...connectionOptions(maxBytes) })
    const bounds = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: handshakeMs,
      requestTimeout: handshakeMs,
      connectionsCheckingInterval: Math.min(1_000, handshakeMs),
    }
    const explain: RequestListener = (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' })
      response.end('This is a SOCP server: it speaks WebSocket only.\n')
    }
    const secure = tls && createSecureServer({ ...bounds, ...tlsOptions, ...tls, handshakeTimeout: handshakeMs }, explain)
    const server = secure ?? createServer(bounds, explain)
    if (secure !== undefined) {
      secured.add(secure)
      secure.once('close', () => secured.delete(secure))
    }
    server.maxConnections = maxSockets + MAX_HANDSHAKES

    server.on('upgrade', (request, stream, head) => {
      if (open.size >= maxSockets) return refuseUpgrade(stream, 503)
      upgrader.handleUpgrade(request, stream, head, ws => {
        const { socket, attach } = wrapWebSocket(ws, stream, false)
        const handler = accept(socket, { origin: originOf(request) })
        open.add(socket)
        attach({
          message: text => handler?.message(text),
          malformed: why => handler?.malformed(why),
          closed(code, reason) {
            open.delete(socket)
            handler?.closed(code, reason)
          },
        })
        if (handler === undefined) socket.close(POLICY, 'not accepted here')
      })
    })

    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void => reject(networkError(`Cannot listen on ${host}:${String(port)}`, error))
      server.once('error', failed)
      server.listen({ host, port }, () => {
        server.off('error', failed)
        // one connection could not be accepted (no file descriptors left, say); the others go on
        server.on('error', report)
        resolve()
      })
    })

    const bound = server.address() as AddressInfo
    let closed: Promise<void> | undefined
    const close = async (): Promise<void> => {
      const freed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      for (const socket of open) socket.close(GOING_AWAY, 'the server stops')
      await freed
    }
    const listener: Listener = {
      host: bound.address,
      port: bound.port,
      ...(tls && { tls: true as const }),
      close: () => (closed ??= close()),
    }
    return listener
  }

export interface NodeNetworkOptions {
  readonly handshakeMs?: number
  readonly report?: (error: Error) => void
  /** With it listeners speak TLS, and nothing else. */
  readonly tls?: TlsIdentity
  /** Asked of the other end of a `wss://` dial; the system's certificates unless given. */
  readonly trust?: TlsTrust
}

export interface NodeNetwork extends Network {
  /** Shows another certificate to whoever connects from now on; open connections stay. For one that listens with TLS. */
  renew(tls: TlsIdentity): void
}

/**
 * The network of this machine. `handshakeMs` bounds how long a stranger may take from connecting to the end of the
 * HTTP handshake; `report` is told of connections that could not be accepted.
 */
export const nodeNetwork = ({
  handshakeMs = 5_000,
  report = error => process.emitWarning(error),
  tls,
  trust = {},
}: NodeNetworkOptions = {}): NodeNetwork => {
  const secured = new Set<SecureServer>()
  return {
    dial: dialWith(trust),
    listen: listenWith(handshakeMs, report, tls, secured),
    renew: ({ cert, key }) => {
      for (const server of secured) server.setSecureContext({ ...tlsOptions, cert, key })
    },
  }
}
