/** The real ports of a program of a faulty mesh: a clock that can be set, and a network on which the proxy knows who dials. */
import type { Clock } from '../../src/ports/clock.ts'
import type { Network } from '../../src/ports/network.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { nodeNetwork } from '../../src/ports/node/network.ts'

export interface SettableClock extends Clock {
  /** Milliseconds by which the wall clock is wrong. */
  set(offsetMs: number): void
}

export const settableClock = (offsetMs: number): SettableClock => {
  const clock = nodeClock()
  let offset = offsetMs
  return {
    ...clock,
    now: () => clock.now() + offset,
    set(ms) {
      offset = ms
    },
  }
}

/** Dials the same port at another host, which says who it is; see `FaultProxy.hostFor`. */
export const networkFrom = (host: string): Network => {
  const network = nodeNetwork()
  return {
    ...network,
    dial: (url, options, handler) => {
      const through = new URL(url)
      through.hostname = host
      return network.dial(through.href.replace(/\/$/, ''), options, handler)
    },
  }
}
