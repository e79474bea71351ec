/** A socket handler that keeps what it was told and lets a test wait for it. */
import { once, EventEmitter } from 'node:events'
import type { SocketHandler } from '../../../src/ports/network.ts'

export interface Recorder extends SocketHandler {
  readonly messages: string[]
  readonly malformedBy: string[]
  readonly closedWith: { code: number; reason: string }[]
  /** Resolves when `count` messages have come. */
  received(count: number): Promise<void>
  /** Resolves when the socket is closed. */
  ended(): Promise<void>
}

export const recorder = (): Recorder => {
  const events = new EventEmitter()
  const messages: string[] = []
  const malformedBy: string[] = []
  const closedWith: { code: number; reason: string }[] = []
  return {
    messages,
    malformedBy,
    closedWith,
    message(text) {
      messages.push(text)
      events.emit('told')
    },
    malformed(why) {
      malformedBy.push(why)
      events.emit('told')
    },
    closed(code, reason) {
      closedWith.push({ code, reason })
      events.emit('told')
    },
    async received(count) {
      while (messages.length < count) await once(events, 'told')
    },
    async ended() {
      while (closedWith.length === 0) await once(events, 'told')
    },
  }
}
