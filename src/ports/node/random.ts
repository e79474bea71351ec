/** Real randomness, from the operating system's generator. */
import { randomFillSync, randomUUID } from 'node:crypto'
import type { Random } from '../random.ts'

/** Unpredictable bytes and UUIDs; `fraction` is for jitter only. */
export const nodeRandom = (): Random => ({
  bytes: length => randomFillSync(new Uint8Array(length)),
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
})
