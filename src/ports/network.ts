/** Sockets as the node and the client see them: whole text messages in order, nothing of WebSocket beside that. */
export interface Socket {
  /** Where the other end is, for limits and logs; never an identity. */
  readonly remote: { readonly host: string; readonly port: number }
  /** Queues one or many text messages in order; they leave as few writes as possible. Nothing happens once closed. */
  send(messages: readonly string[]): void
  /** Bytes queued here and in the system that the other end has not taken yet. */
  readonly buffered: number
  /** Stops reading from the other end until `resume`: the only back-pressure that TCP knows. */
  pause(): void
  resume(): void
  /** Says goodbye (RFC 6455 §7.4; 1000 is normal) after what was queued, then forces the close after 2 s. */
  close(code: number, reason: string): void
  /** Cuts the connection at once. */
  terminate(): void
}

/** What a socket calls; `closed` exactly once and last. Set before the first message can arrive. */
export interface SocketHandler {
  message(text: string): void
  /** A frame that is not text, too large, or not UTF-8; the socket closes by itself after it. */
  malformed(why: 'binary' | 'too_large' | 'invalid'): void
  closed(code: number, reason: string): void
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** It speaks TLS (`wss://`). */
  readonly tls?: true
  /** Stops accepting and closes what still is open; resolves when the port is free. */
  close(): Promise<void>
}

export interface Network {
  /** Opens a socket to `ws://` or `wss://`; rejects with a `NetworkError` when it cannot within `timeoutMs`. */
  dial(
    url: string,
    options: {
      readonly timeoutMs: number
      readonly maxBytes: number
      /** Asked about each address that a name resolves to; without a yes to all nothing is dialled (`EADDRCLASS`). */
      readonly mayReach?: (address: string) => boolean
    },
    handler: (socket: Socket) => SocketHandler,
  ): Promise<Socket>
  /** Listens; rejects with a `NetworkError` whose code is the system's (`EADDRINUSE`, …). `accept` may refuse by answering `undefined`. */
  listen(
    options: { readonly host: string; readonly port: number; readonly maxBytes: number; readonly maxSockets: number },
    accept: (socket: Socket, request: { readonly origin: string | undefined }) => SocketHandler | undefined,
  ): Promise<Listener>
}

export class NetworkError extends Error {
  override readonly name = 'NetworkError'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
