/** `socp log export`: the facts as JSON lines in a file, on request without anything that says who and where. */
import { open, rm, type FileHandle } from 'node:fs/promises'
import { once } from 'node:events'
import type { Command } from 'commander'
import { createRedaction } from '../server/redaction.ts'
import { serverDirectory } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { filterOf, rowOf, withFilters, type Wanted } from './log-rows.ts'
import { withExamples } from './options.ts'
import { jsonLine, printLine, tell } from './output.ts'
import { withLog } from './past.ts'

interface ExportOptions extends Wanted {
  readonly data: string
  readonly redact?: true
}

const sentences: Readonly<Record<string, string>> = {
  EEXIST: 'it is there already, and was left as it is: give another name',
  ENOENT: 'its directory does not exist: create it, or give another one',
  EISDIR: 'it is a directory: give a file',
  ENOTDIR: 'a part of its path is no directory: give another path',
  EACCES: 'this user may not write there: give another path',
  EROFS: 'its file system is read-only: give another path',
  ENOSPC: 'the disk is full: free some space, then try again',
}

/** Runs `write` with a new file that only its owner may read; never overwrites one. Throws a `CommandFailure`. */
export const intoNewFile = async (file: string, write: (line: (text: string) => Promise<void>) => Promise<void>): Promise<void> => {
  const failure = (cause: unknown): unknown => {
    const code = (cause as NodeJS.ErrnoException).code
    const sentence = code === undefined ? undefined : sentences[code]
    return sentence === undefined ? cause : new CommandFailure(`Cannot write ${file}: ${sentence}.`, exitCodes.failed, { cause })
  }
  let handle: FileHandle | undefined
  try {
    handle = await open(file, 'wx', 0o600)
    const out = handle.createWriteStream({ encoding: 'utf8', flush: true })
    const finished = once(out, 'close')
    finished.catch(() => {})
    await write(async text => {
      if (!out.write(`${text}\n`)) await Promise.race([once(out, 'drain'), finished])
    })
    out.end()
    await finished
  } catch (error) {
    if (handle !== undefined) {
      // a part of an export would pass for the whole
      await handle.close().catch(() => {})
      await rm(file, { force: true })
    }
    throw failure(error)
  }
}

const exportLog = (file: string, { data, redact, ...wanted }: ExportOptions): Promise<void> =>
  withLog(data, async reader => {
    const { from, filter } = filterOf(wanted)
    const redaction = redact === true ? createRedaction() : undefined
    let facts = 0
    const write = async (line: (text: string) => Promise<void>): Promise<void> => {
      for await (const recorded of reader.read(from, filter)) {
        await line(jsonLine(rowOf(redaction?.recorded(recorded) ?? recorded)))
        facts += 1
      }
    }
    if (file === '-') await write(printLine)
    else await intoNewFile(file, write)
    tell(`socp: exported ${facts} facts${redaction === undefined ? '' : ', with stand-ins for ids, keys, names, addresses and texts'}.`)
    const base = reader.base()
    if (base !== undefined && from <= base.seq)
      tell(`socp: facts 1 to ${base.seq} were compacted and are not in it; "socp log backup" copies the whole log.`)
  })

/** Adds `socp log export`. */
export const addLogExport = (log: Command): void => {
  const command = withFilters(
    log
      .command('export')
      .argument('<file>', 'a new file, or - for the standard output')
      .description('write the facts as JSON lines, one a fact, as "socp log ls --json" prints them')
      .option('--data <dir>', 'data directory', serverDirectory())
      .option('--redact', 'replace ids, keys, names, addresses and texts of others by stand-ins, the same by the same'),
  ).action(exportLog)
  withExamples(command, [
    ['socp log export facts.jsonl', 'everything'],
    ['socp log export for-a-developer.jsonl --redact', 'to send to somebody who need not know who chats here'],
  ])
}
