/** The receipts that a reader signs: gathered by sender, one signature for many messages, sent when what was shown is on record. */
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { Attachment } from './handshake.ts'
import type { Wire } from './wire.ts'

export type ReaderWord = 'delivered' | 'refused'

export interface Confirming {
  /** Tells the sender what became of their message; nothing is kept for later: a server that is not told delivers it again. */
  confirm(sender: UserId, id: string, state: ReaderWord): void
}

/** Names that wait for a signature; beyond it they are left to the next delivery. */
const maxWaiting = 4_096

export interface ConfirmingOptions {
  readonly userId: UserId
  readonly wire: Wire
  readonly attachment: () => Attachment | undefined
  readonly send: (texts: readonly string[]) => boolean
  readonly crashed: (error: unknown) => void
}

export const createConfirming = ({ userId, wire, attachment, send, crashed }: ConfirmingOptions): Confirming => {
  const waiting = new Map<string, { readonly sender: UserId; readonly state: ReaderWord; readonly ids: Set<string> }>()
  let count = 0
  let signing = false

  const sign = async (): Promise<void> => {
    if (signing) return
    signing = true
    try {
      for (const [key, { sender, state, ids }] of waiting) {
        const refs = [...ids].slice(0, limits.maxRefs)
        for (const ref of refs) ids.delete(ref)
        count -= refs.length
        if (ids.size === 0) waiting.delete(key)
        if (attachment()?.caps.includes('receipts') !== true) continue
        send([await wire.signed({ type: 'RECEIPT', to: sender, payload: { sender, recipient: userId, refs, state } }, 'message')])
      }
    } finally {
      signing = false
    }
    if (waiting.size > 0) await sign()
  }

  return {
    confirm(sender, id, state) {
      if (count >= maxWaiting) return
      const key = `${state} ${sender}`
      const batch = waiting.get(key) ?? { sender, state, ids: new Set<string>() }
      waiting.set(key, batch)
      if (!batch.ids.has(id)) count += 1
      batch.ids.add(id)
      sign().catch(crashed)
    },
  }
}
