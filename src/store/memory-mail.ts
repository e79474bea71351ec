/** Mail in memory, by the same contract; it lives on the disk that outlives the log. */
import type { Mail, MailChange, MailStore } from './mail.ts'

/** Recipient → name → mail. */
export type MailDisk = Map<string, Map<string, Mail>>

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

export const changeMail = (disk: MailDisk, changes: readonly MailChange[]): void => {
  for (const change of changes) {
    if ('put' in change) {
      const { recipient, id } = change.put
      const box = disk.get(recipient) ?? new Map<string, Mail>()
      disk.set(recipient, box)
      if (!box.has(id)) box.set(id, change.put)
    } else if ('remove' in change) {
      const box = disk.get(change.remove.recipient)
      for (const id of change.remove.ids) box?.delete(id)
      if (box?.size === 0) disk.delete(change.remove.recipient)
    } else disk.delete(change.clear)
  }
}

/** Deletes what is from or for a person; answers how much that was. */
export const eraseMail = (disk: MailDisk, person: string): number => {
  let erased = disk.get(person)?.size ?? 0
  disk.delete(person)
  for (const box of disk.values()) for (const { id, sender } of [...box.values()]) if (sender === person && box.delete(id)) erased += 1
  return erased
}

export const memoryMail = (disk: MailDisk): MailStore => ({
  read: (recipient, ids) =>
    Promise.resolve(
      ids.flatMap(id => {
        const mail = disk.get(recipient)?.get(id)
        return mail === undefined ? [] : [mail]
      }),
    ),
  size: () => {
    const all = [...disk.values()].flatMap(box => [...box.values()])
    return Promise.resolve({ count: all.length, bytes: all.reduce((sum, { content }) => sum + bytesOf(content), 0) })
  },
})
