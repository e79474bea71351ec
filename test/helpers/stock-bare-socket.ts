/** A WebSocket connection in bare bytes, for frames that no library would send. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export interface BareSocket {
  readonly socket: Socket
  /** The server's answer to the upgrade. */
  readonly response: string
  readonly closed: Promise<unknown>
}

/** Upgrades with these additional header lines, each ended by CRLF. */
export const openBareSocket = async ({ host, port }: { host: string; port: number }, headers = ''): Promise<BareSocket> => {
  const socket = connect(port, host)
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  const request = [
    'GET / HTTP/1.1',
    `Host: ${host}:${String(port)}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
  ]
  socket.write(`${request.join('\r\n')}\r\n${headers}\r\n`)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  socket.resume()
  return { socket, response: chunk.toString('latin1'), closed }
}

/** One masked WebSocket frame (RFC 6455 §5.2) with this first byte; the mask is zero, so the bytes stay readable. */
export const webSocketFrame = (first: number, bytes: Buffer): Buffer => {
  const head =
    bytes.length < 126 ? Buffer.from([first, 0x80 | bytes.length]) : Buffer.from([first, 0xfe, bytes.length >> 8, bytes.length & 255])
  return Buffer.concat([head, Buffer.alloc(4), bytes])
}
