/** An independent frame-level peer on a bare WebSocket: what any SOCP program that is not ours would send and see. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { createInbox } from './stock-inbox.ts'
import type { WaitOptions } from './stock-inbox.ts'
import { canonical, signText, verifyText } from './stock-crypto.ts'
import type { StockKey } from './stock-crypto.ts'

export interface WireFrame {
  readonly type: string
  readonly from: string
  readonly to: string
  readonly ts: number
  readonly payload: Readonly<Record<string, unknown>>
  readonly sig?: string
}
/** A frame as it came: its text, the exact text of its payload, and what JSON makes of it. */
export interface Heard extends WireFrame {
  readonly text: string
  readonly payloadText: string
}
export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface FrameSocket {
  readonly heard: readonly Heard[]
  /** A text as it is, anything else as JSON. */
  send(message: string | object): void
  waitFor(match: string | ((frame: Heard) => boolean), options?: WaitOptions): Promise<Heard>
  /** How many frames came; `since` of a later wait. */
  mark(): number
  readonly closed: Promise<Closed>
  /** The ERROR that answers what was sent, or undefined when the socket is closed without one. */
  refusal(): Promise<Heard | undefined>
  readonly isClosed: () => boolean
  close(): Promise<Closed>
  readonly webSocket: WebSocket
}

/** The text of the top-level `payload` value as it stands in the frame; empty when there is none (`{"type":"CTRL_CLOSE"}`, SOCP §6). */
export const payloadTextOf = (text: string): string => {
  let depth = 0
  let start = -1
  for (let at = 0; at < text.length; at += 1) {
    const unit = text[at]
    if (unit === '"') {
      const from = at
      for (at += 1; text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1
      if (depth === 1 && start < 0 && text.slice(from, at + 1) === '"payload"' && /^\s*:/.test(text.slice(at + 1)))
        start = text.indexOf(':', at) + 1
    } else if (unit === '{' || unit === '[') depth += 1
    else if (unit === '}' || unit === ']') depth -= 1
    if (start >= 0 && at > start && ((depth === 1 && text[at + 1] === ',') || (depth === 1 && text[at + 1] === '}')))
      return text.slice(start, at + 1)
  }
  return ''
}

const parse = (text: string): Heard => ({ ...(JSON.parse(text) as WireFrame), text, payloadText: payloadTextOf(text) })

const short = (frame: Heard): string => frame.text.replace(/"[\w-]{120,}"/g, long => `"${long.slice(1, 12)}…"`).slice(0, 400)

/** Wraps an open or opening WebSocket. */
export const frameSocket = (webSocket: WebSocket, label: string): FrameSocket => {
  const inbox = createInbox<Heard>(
    frames => `${label} heard ${String(frames.length)} frames, last:\n${frames.slice(-8).map(short).join('\n')}`,
  )
  let gone = false
  webSocket.on('message', (data: Buffer) => {
    inbox.push(parse(data.toString('utf8')))
  })
  webSocket.on('error', () => undefined)
  const closed = new Promise<Closed>(resolve => {
    webSocket.once('close', (code, reason) => {
      gone = true
      inbox.end(`the socket closed with ${String(code)} ${reason.toString()}`)
      resolve({ code, reason: reason.toString() })
    })
  })
  return {
    heard: inbox.items,
    mark: () => inbox.items.length,
    send: message => {
      webSocket.send(typeof message === 'string' ? message : JSON.stringify(message))
    },
    waitFor: (match, options = {}) =>
      typeof match === 'string'
        ? inbox.waitFor(frame => frame.type === match, { what: `${label}: ${match}`, ...options })
        : inbox.waitFor(match, { what: `${label}: a frame`, ...options }),
    closed,
    refusal: () =>
      Promise.race([
        inbox.waitFor(frame => frame.type === 'ERROR', { what: `${label}: a refusal` }).catch(() => undefined),
        closed.then(() => inbox.items.find(frame => frame.type === 'ERROR')),
      ]),
    isClosed: () => gone,
    close: () => {
      webSocket.close(1000)
      return closed
    },
    webSocket,
  }
}

/** Connects; nothing is said yet. */
export const openFrameSocket = async (url: string, label = 'a stranger'): Promise<FrameSocket> => {
  const webSocket = new WebSocket(url, { perMessageDeflate: false })
  const socket = frameSocket(webSocket, label)
  await once(webSocket, 'open')
  return socket
}

export interface Unsigned {
  readonly type: string
  readonly from: string
  readonly to: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly ts?: number
}

/** A frame signed over the canonical JSON of its payload, payload in that form. */
export const signedText = (key: StockKey, { type, from, to, payload, ts = Date.now() }: Unsigned): string => {
  const payloadText = canonical(payload)
  return `{"type":${JSON.stringify(type)},"from":${JSON.stringify(from)},"to":${JSON.stringify(to)},"ts":${String(ts)},"payload":${payloadText},"sig":"${signText(key, payloadText)}"}`
}

/** True when the payload as it came verifies under this key and already is canonical JSON. */
export const isWellSigned = (publicText: string, frame: Heard): boolean =>
  frame.payloadText === canonical(JSON.parse(frame.payloadText)) && verifyText(publicText, frame.payloadText, frame.sig)

export const newId = (): string => randomUUID()
