/** Receipts that are kept for senders who were away when their message was read: on the disk, so many for each reader, for a time. */
import { oldReceipts, receiptsAbout } from '../domain/kept-receipts.ts'
import { toBase64Url, utf8 } from '../protocol/encoding.ts'
import { parseFrame } from '../protocol/envelope.ts'
import type { Address, UserId } from '../protocol/ids.ts'
import type { Node } from './node.ts'

export interface KeptReceipts {
  /** Keeps a reader's receipt, `text`, for `refs` of what it names. */
  keep(reader: UserId, sender: UserId, refs: readonly string[], text: string): void
  /** Names of the messages about which receipts of a reader are kept. */
  about(reader: UserId): ReadonlySet<string>
  /** The receipts of a reader to this sender that are about any of `refs`. */
  find(reader: UserId, sender: UserId, refs: readonly string[]): Promise<readonly string[]>
  /** Deletes what was kept for too long. */
  expire(): void
}

/** Receipts that answer one question. */
const ANSWERED = 16
/** Beside the messages of a mailbox, whose names are digests. */
const mailName = (id: string): string => `receipt ${id}`

export const createKeptReceipts = (node: Node): KeptReceipts => {
  const stream = (reader: UserId): Address => `mailbox:${reader}`

  const forget = (reader: UserId, ids: readonly string[]): void => {
    if (node.runtime.isSetAside(stream(reader))) return
    const mail = { remove: { recipient: reader, ids: ids.map(mailName) } }
    node.runtime.record(stream(reader), { type: 'receipt.forgotten', user: reader, ids }, [mail])
  }

  return {
    keep(reader, sender, refs, text) {
      if (refs.length === 0 || node.runtime.isSetAside(stream(reader))) return
      const id = toBase64Url(node.ports.crypto.sha256(utf8(text)).subarray(0, 16))
      const kept = node.state.receipts.get(reader)
      if (kept?.has(id) === true) return
      const { receiptsKept, receiptsKeptOfAll } = node.config.limits
      let all = 0
      for (const { size } of node.state.receipts.values()) all += size
      const [oldest] = kept?.keys() ?? []
      if ((kept?.size ?? 0) >= receiptsKept || all >= receiptsKeptOfAll) {
        // a reader's own make room: nobody drives out what is kept of others
        if (oldest === undefined) return
        forget(reader, [oldest])
      }
      const until = node.ports.clock.now() + node.config.timing.mailboxMs
      const put = { recipient: reader, id: mailName(id), sender, content: text }
      node.runtime.record(stream(reader), { type: 'receipt.kept', user: reader, id, refs, until }, [{ put }])
    },
    about: reader => new Set([...(node.state.receipts.get(reader)?.values() ?? [])].flatMap(({ refs }) => refs)),
    async find(reader, sender, refs) {
      const ids = receiptsAbout(node.state.receipts, reader, new Set(refs), ANSWERED)
      if (ids.length === 0) return []
      await node.runtime.flushed()
      const found = await node.mail.read(reader, ids.map(mailName))
      return found.flatMap(({ content }) => {
        const frame = parseFrame(content)
        return frame.type === 'RECEIPT' && frame.payload.sender === sender ? [content] : []
      })
    },
    expire() {
      for (const [reader, ids] of oldReceipts(node.state.receipts, node.ports.clock.now())) forget(reader, ids)
    },
  }
}
