/** Mail in the log's SQLite file; changes run inside the transaction of the facts. */
import type Database from 'better-sqlite3'
import { LogUnusable } from './log.ts'
import type { Mail, MailChange, MailStore } from './mail.ts'
import { unusable } from './sqlite-errors.ts'

export interface MailTable extends MailStore {
  /** Inside the caller's transaction. */
  change(changes: readonly MailChange[]): void
  /** Deletes what is from or for a person, inside the caller's transaction; answers how much that was. */
  erase(person: string): number
}

export const createMailTable = (db: Database.Database, file: string): MailTable => {
  const put = db.prepare<[string, string, string, string]>(
    'INSERT OR IGNORE INTO mail (recipient, id, sender, content) VALUES (?, ?, ?, ?)',
  )
  const remove = db.prepare<[string, string]>('DELETE FROM mail WHERE recipient = ? AND id = ?')
  const clear = db.prepare<[string]>('DELETE FROM mail WHERE recipient = ?')
  const erase = db.prepare<[string, string]>('DELETE FROM mail WHERE recipient = ? OR sender = ?')
  const get = db.prepare<[string, string], Mail>('SELECT recipient, id, sender, content FROM mail WHERE recipient = ? AND id = ?')
  const size = db.prepare<[], { count: number; bytes: number }>(
    'SELECT count(*) AS count, coalesce(sum(octet_length(content)), 0) AS bytes FROM mail',
  )

  const asked = <R>(read: () => R): Promise<R> =>
    new Promise((resolve, reject) => {
      try {
        if (!db.open) throw new LogUnusable(`The log ${file} was closed while its mail was read.`)
        resolve(read())
      } catch (error) {
        reject(unusable(file, error))
      }
    })

  return {
    change(changes) {
      for (const change of changes) {
        if ('put' in change) put.run(change.put.recipient, change.put.id, change.put.sender, change.put.content)
        else if ('remove' in change) for (const id of change.remove.ids) remove.run(change.remove.recipient, id)
        else clear.run(change.clear)
      }
    },
    erase: person => erase.run(person, person).changes,
    read: (recipient, ids) =>
      asked(() =>
        ids.flatMap(id => {
          const mail = get.get(recipient, id)
          return mail === undefined ? [] : [mail]
        }),
      ),
    size: () => asked(() => size.get() ?? { count: 0, bytes: 0 }),
  }
}
