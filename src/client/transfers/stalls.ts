/** Performs what transfer machines name: watches for stalls, and abandons what failed. */
import type { NamedEffect } from '../../actors/contract.ts'
import { stallMs, type ClientTransferEffects } from '../../machines/client-transfer.ts'
import type { Clock } from '../../ports/clock.ts'

/** What runs beside a machine while it is active. */
export interface ActiveTransfer {
  /** When a byte moved last, in monotonic milliseconds. */
  readonly progressAt: () => number
  /** Records the failure. */
  readonly fail: (why: string) => void
  /** It has failed, and that is recorded: clean up and tell. */
  readonly abandoned: (why: string) => void
}

export interface Stalls {
  perform(effect: NamedEffect): void
  add(transfer: string, active: ActiveTransfer): void
  remove(transfer: string): void
  /** Fails everything that is under way. */
  failAll(why: string): void
}

/** `orphaned` is told of a transfer that an earlier run left. */
export const createStalls = ({ clock, orphaned }: { readonly clock: Clock; readonly orphaned: (transfer: string) => void }): Stalls => {
  const active = new Map<string, ActiveTransfer>()
  const timers = new Map<string, () => void>()

  const watch = (transfer: string, ms: number): void => {
    timers.set(
      transfer,
      clock.after(ms, () => {
        timers.delete(transfer)
        const running = active.get(transfer)
        if (running === undefined) return
        const left = running.progressAt() + stallMs - clock.monotonic()
        // bytes came since: their time is kept beside the machine, which knows only the first deadline
        if (left > 0) watch(transfer, left)
        else running.fail(`It stalled for ${stallMs / 1_000} s.`)
      }),
    )
  }

  const handlers: { readonly [Name in keyof ClientTransferEffects]: (transfer: string, params: ClientTransferEffects[Name]) => void } = {
    armStall: transfer => {
      watch(transfer, stallMs)
    },
    disarmStall: transfer => {
      timers.get(transfer)?.()
      timers.delete(transfer)
    },
    abandonTransfer: (transfer, { why }) => {
      const running = active.get(transfer)
      active.delete(transfer)
      if (running === undefined) orphaned(transfer)
      else running.abandoned(why)
    },
  }

  return {
    perform: ({ address, effect, params }) => {
      const handler = handlers[effect as keyof typeof handlers] as (transfer: string, params: object) => void
      handler(address.slice(address.indexOf(':') + 1), params)
    },
    add: (transfer, running) => {
      active.set(transfer, running)
    },
    remove: transfer => {
      active.delete(transfer)
    },
    failAll: why => {
      for (const running of [...active.values()]) running.fail(why)
    },
  }
}
