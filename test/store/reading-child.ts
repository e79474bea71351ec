/** A process that reads a log and says what it found; for tests that run it without rights. */
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { readAll } from './event-log-contract.ts'
import { sha256 } from './sqlite-place.ts'

const [, , file = '', uid] = process.argv
if (uid !== undefined) process.setuid?.(Number(uid))
try {
  const reader = openLogReader(file)
  const facts = await readAll(reader)
  process.stdout.write(JSON.stringify({ head: reader.head(), facts: facts.length, ok: reader.verify(sha256).ok }))
  reader.close()
} catch (error) {
  process.stdout.write(JSON.stringify({ error: String(error) }))
}
