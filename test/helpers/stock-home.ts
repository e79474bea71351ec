/** One real server with two stock users who talk to each other whatever else goes on. */
import type { Test } from 'tap'
import { attachFrameUser } from './frame-client-user.ts'
import type { FrameUser } from './frame-client-user.ts'
import { newId } from './frame-client.ts'
import { processes, writeIdentity } from './processes.ts'
import type { Processes, ServerProcess } from './processes.ts'
import { stockKey } from './stock-crypto.ts'
import type { StockKey } from './stock-crypto.ts'

export interface StockHome {
  readonly rig: Processes
  readonly home: ServerProcess
  readonly alice: FrameUser
  readonly bob: FrameUser
  readonly keyOf: (n: number) => StockKey
  /** A stock user of a new id with key number `n`. */
  readonly attach: (n: number, name: string) => Promise<FrameUser>
  /** An honest message through the server; answers how long it took in milliseconds. */
  readonly honest: (from?: FrameUser, to?: FrameUser) => Promise<number>
}

/** Starts it; everything ends with the test. Keys 0 to 2 are taken. */
export const startStockHome = async (t: Test): Promise<StockHome> => {
  const rig = processes(t)
  const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => stockKey(n)))
  const keyOf = (n: number): StockKey => {
    const key = keys[n]
    if (key === undefined) throw new Error(`no key ${String(n)}`)
    return key
  }
  const data = rig.place('server')
  writeIdentity(data, newId(), keyOf(0))
  const home = await rig.serve({ data })
  const attach = (n: number, name: string): Promise<FrameUser> => attachFrameUser({ url: home.url, key: keyOf(n), name })
  const alice = await attach(1, 'alice')
  const bob = await attach(2, 'bob')
  t.teardown(() => {
    for (const user of [alice, bob]) user.socket.webSocket.terminate()
  })
  let messages = 0
  return {
    rig,
    home,
    alice,
    bob,
    keyOf,
    attach,
    honest: async (from = alice, to = bob) => {
      messages += 1
      const text = `honest ${String(messages)}`
      const began = performance.now()
      from.socket.send(from.direct({ id: to.id, keyText: to.keyText }, text))
      await to.socket.waitFor(frame => frame.type === 'USER_DELIVER' && to.read(frame) === text, { what: text })
      return performance.now() - began
    },
  }
}
