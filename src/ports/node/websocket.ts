/** One WebSocket connection of the ws package as our `Socket`: limits, one write a call, every end told exactly once. */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Socket, SocketHandler } from '../network.ts'
import { encodeTextFrames } from './websocket-frames.ts'

/** How long a goodbye may take before the connection is cut. */
const CLOSE_MS = 2_000

/** Pieces of one message that are held: a peer of few bytes a piece is cut long before its message is whole. */
const MAX_FRAGMENTS = 128

/** The shortest TCP segment that an honest network path makes of a long message, in bytes (RFC 9293 §3.7.1). */
const SHORTEST_SEGMENT = 536

/** A close reason takes at most 123 bytes (RFC 6455 §5.5). */
const MAX_REASON_BYTES = 123

/** What ws is told for both directions. Compression stays off: it costs memory and gives size attacks a lever. */
export const connectionOptions = (maxBytes: number) => ({
  perMessageDeflate: false,
  maxPayload: maxBytes,
  maxFragments: MAX_FRAGMENTS,
  maxBufferedChunks: MAX_FRAGMENTS + Math.ceil(maxBytes / SHORTEST_SEGMENT),
  skipUTF8Validation: false,
  autoPong: true,
  closeTimeout: CLOSE_MS,
})

const TOO_LARGE = new Set(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 'WS_ERR_TOO_MANY_BUFFERED_PARTS'])

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '')

const shortened = (reason: string): string => {
  let text = reason
  while (Buffer.byteLength(text) > MAX_REASON_BYTES) text = text.slice(0, -1)
  return text
}

/** What the connection stands on: a TCP or TLS stream. */
export type Stream = Duplex & { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined }

/** Where a stream comes from; IPv4 addresses look the same on a dual-stack listener. */
const remoteOf = (stream: Stream): Socket['remote'] => ({
  host: (stream.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, ''),
  port: stream.remotePort ?? 0,
})

/**
 * Wraps an open connection. `attach` gives it its handler, in the same tick in which it opened.
 * `masked` is true on the side that dialled (RFC 6455 §5.1).
 */
export const wrapWebSocket = (
  ws: WebSocket,
  stream: Stream,
  masked: boolean,
): { readonly socket: Socket; attach(handler: SocketHandler): void } => {
  let closing = false

  const close = (code: number, reason: string): void => {
    if (closing) return
    closing = true
    // the other end's goodbye would never be read from a paused socket
    ws.resume()
    ws.close(code, shortened(reason))
  }

  const socket: Socket = {
    remote: remoteOf(stream),
    send(messages) {
      // beside ws's own sender: without compression it keeps no queue, so the order is that of the calls
      if (messages.length > 0 && ws.readyState === ws.OPEN && stream.writable) stream.write(encodeTextFrames(messages, masked))
    },
    get buffered() {
      return ws.bufferedAmount
    },
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    close,
    terminate() {
      closing = true
      ws.terminate()
    },
  }

  const attach = (handler: SocketHandler): void => {
    ws.on('message', (data: Buffer, isBinary) => {
      if (closing) return
      if (!isBinary) return handler.message(data.toString('utf8'))
      handler.malformed('binary')
      close(1003, 'text messages only')
    })
    // after an error of the receiver ws itself says goodbye with the code of that error
    ws.on('error', error => {
      if (closing || !codeOf(error).startsWith('WS_ERR_')) return
      closing = true
      handler.malformed(TOO_LARGE.has(codeOf(error)) ? 'too_large' : 'invalid')
    })
    ws.on('close', (code, reason) => handler.closed(code, reason.toString('utf8')))
  }

  return { socket, attach }
}
