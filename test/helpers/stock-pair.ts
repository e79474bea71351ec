/** Two real servers, one introduced by the other, and what every frame of theirs has to look like. */
import type { Test } from 'tap'
import { isWellSigned, newId } from './frame-client.ts'
import type { Heard } from './frame-client.ts'
import { processes, writeIdentity } from './processes.ts'
import type { Processes, ServeOptions, ServerProcess } from './processes.ts'
import { stockKey } from './stock-crypto.ts'
import type { StockKey } from './stock-crypto.ts'

export interface StockPair {
  readonly rig: Processes
  /** The introducer. */
  readonly home: ServerProcess
  readonly away: ServerProcess
  readonly keyOf: (n: number) => StockKey
  /** Asserts the six fields of the envelope. */
  readonly hasEnvelope: (t: Test, frame: Heard) => void
  /** Asserts that `server`, home unless given, sent and signed it in canonical form. */
  readonly fromServer: (t: Test, frame: Heard, server?: ServerProcess) => void
}

/** Starts it; everything ends with the test. Keys 0 and 1 are taken. */
export const startStockPair = async (t: Test): Promise<StockPair> => {
  const rig = processes(t)
  const keys = await Promise.all(Array.from({ length: 12 }, (_, n) => stockKey(n)))
  const keyOf = (n: number): StockKey => {
    const key = keys[n]
    if (key === undefined) throw new Error(`no key ${String(n)}`)
    return key
  }
  const startServer = (n: number, options: ServeOptions = {}): Promise<ServerProcess> => {
    const data = rig.place('server')
    writeIdentity(data, newId(), keyOf(n))
    return rig.serve({ data, ...options })
  }
  const home = await startServer(0)
  const away = await startServer(1, { bootstrap: [home] })
  await home.waitFor('linked', event => event.server_id === away.id)

  const hasEnvelope = (t: Test, frame: Heard): void => {
    const expected = ['from', 'payload', 'sig', 'to', 'ts', 'type'].filter(key => key !== 'sig' || frame.sig !== undefined)
    t.same(Object.keys(JSON.parse(frame.text) as object).sort(), expected)
    t.ok(Number.isSafeInteger(frame.ts) && Math.abs(frame.ts - Date.now()) < 600_000, `ts of ${frame.type}`)
  }
  return {
    rig,
    home,
    away,
    keyOf,
    hasEnvelope,
    fromServer: (t, frame, server = home) => {
      hasEnvelope(t, frame)
      t.equal(frame.from, server.id, `from of ${frame.type}`)
      t.ok(isWellSigned(server.pubkey, frame), `${frame.type} is signed by ${server === home ? 'home' : 'away'} over canonical JSON`)
    },
  }
}
