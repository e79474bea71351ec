/** `socp log` commands that change or copy a log: carried out by the running node, or here when none runs. */
import { resolve } from 'node:path'
import { confirm, isCancel } from '@clack/prompts'
import type { Command } from 'commander'
import type { Fact } from '../domain/facts.ts'
import { foldFromBase } from '../server/recovery.ts'
import type { DeadStream } from '../server/set-aside.ts'
import { nodeUpcasters } from '../server/upcasters.ts'
import { openLogReader } from '../store/sqlite-reader.ts'
import { existingDirectory, filesIn, serverDirectory } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { command, commandRunning, type NodeOptions } from './node-control.ts'
import { sequenceNumber, withExamples } from './options.ts'
import { jsonLine, printLine, shown, styled, tell } from './output.ts'
import { plural } from './tables.ts'

interface AdminOptions extends NodeOptions {
  readonly json?: true
}

/** Facts that `compact` leaves, so that one can look back a little. */
const KEPT = 1_000

/** Prints a result: the object for scripts, a sentence for people. */
const answer = (json: true | undefined, result: unknown, sentence: string): Promise<void> =>
  printLine(json === true ? jsonLine(result) : sentence)

const compact = async ({ keep, json, ...node }: AdminOptions & { readonly keep: number }): Promise<void> => {
  const result = (await command(node, 'compact', { keep })) as { readonly dropped: number; readonly base: number }
  const { dropped, base } = result
  await answer(
    json,
    result,
    dropped === 0
      ? `Nothing was dropped: there are no more than ${plural(keep, 'fact')} after fact ${base}.`
      : `${plural(dropped, 'fact')} dropped; what they made stands in a signed base at fact ${base}.`,
  )
}

const rebuild = async ({ json, ...node }: AdminOptions): Promise<void> => {
  const result = (await command(node, 'rebuild')) as Readonly<Record<string, number>>
  const rows = Object.entries(result).map(([table, count]) => `${table} ${count}`)
  await answer(json, result, `The read models were made anew: ${rows.join(', ')}.`)
}

/** What a start would set aside, and what was; without touching the log. */
const deadOfStopped = async (directory: string): Promise<readonly DeadStream[]> => {
  const reader = openLogReader<Fact>(filesIn(directory).log, { upcasters: nodeUpcasters })
  try {
    const { fold, failing: setAside } = await foldFromBase(reader)
    const failing = new Map(setAside.map(entry => [entry.stream, entry]))
    const decided = [...fold.state.aside].map(([stream, aside]) => ({ stream, ...aside, foldable: !failing.has(stream) }))
    const found = setAside.filter(({ stream }) => !fold.state.aside.has(stream)).map(entry => ({ ...entry, foldable: false }))
    return [...decided, ...found]
  } finally {
    reader.close()
  }
}

const dead = async ({ data, json }: AdminOptions): Promise<void> => {
  const running = (await commandRunning(data, 'dead.list')) as readonly DeadStream[] | undefined
  const streams = running ?? (await deadOfStopped(await existingDirectory(data)))
  if (json !== true && streams.length === 0) tell('No stream is set aside.')
  for (const entry of streams) {
    const { stream, seq, why, foldable } = entry
    const way = foldable ? styled('green', 'can be retried') : styled('red', 'cannot be folded')
    await answer(json, entry, `${shown(stream)}  from fact ${seq}  ${way}  ${shown(why)}`)
  }
}

const decide =
  (what: 'retry' | 'drop', done: string) =>
  async (stream: string, _options: unknown, { parent }: Command): Promise<void> => {
    // the options are those of `dead`, wherever they are written
    const { json, ...node } = (parent as Command).opts<AdminOptions>()
    await command(node, `dead.${what}`, { stream })
    await answer(json, { stream, [done]: true }, `${shown(stream)} was ${done}.`)
  }

const sure = async (user: string): Promise<boolean> => {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return true
  const answered = await confirm({ message: `Erase everything about ${shown(user)}? It cannot be undone.`, initialValue: false })
  return !isCancel(answered) && answered
}

const purge = async (user: string, { json, yes, ...node }: AdminOptions & { readonly yes?: true }): Promise<void> => {
  if (user.length > 64) throw new CommandFailure('A user id has at most 64 characters.', exitCodes.usage)
  if (yes !== true && !(await sure(user))) throw new CommandFailure('Nothing was erased.', exitCodes.failed)
  const result = (await command(node, 'purge', { user })) as { readonly known: boolean; readonly rows: number; readonly wiped: boolean }
  if (!result.wiped)
    tell('socp: another program reads the log and keeps old pages: let it end, then purge once more. Copies and backups are not touched.')
  if (!result.known)
    throw new CommandFailure(
      `Nobody is known here by the id ${shown(user)}, or they were purged before: nothing was recorded. "socp state" prints the ids that are known.`,
      exitCodes.usage,
    )
  await answer(
    json,
    result,
    `Everything about ${shown(user)} was erased: ${plural(result.rows, 'row')}. Backups that you made hold it still.`,
  )
}

const backup = async (file: string, { data, json }: AdminOptions): Promise<void> => {
  const reader = openLogReader<Fact>(filesIn(await existingDirectory(data)).log, { upcasters: nodeUpcasters })
  try {
    const target = resolve(file)
    await reader.backup(target)
    await answer(json, { file: target }, `The log was copied to ${shown(target)}.`)
  } finally {
    reader.close()
  }
}

const withNode = (adding: Command): Command =>
  adding.option('--data <dir>', 'data directory', serverDirectory()).option('--json', 'print one JSON object a line')

const withKey = (adding: Command): Command =>
  withNode(adding).option('--passphrase-file <file>', 'passphrase of the key file, when no node runs and the key has one')

/** Adds what changes or copies a log to `socp log`. */
export const addLogAdmin = (log: Command): void => {
  withExamples(
    withNode(log.command('backup').description('copy the log to a new file, of a running or a stopped node').argument('<file>')).action(
      backup,
    ),
    [['socp log backup /backup/log.db', 'keep identity.json and key.pem beside it']],
  )
  withExamples(
    withKey(log.command('compact').description('drop old facts; what they made stays, as a signed base'))
      .option('--keep <facts>', 'how many of the newest facts stay', sequenceNumber, KEPT)
      .action(compact),
    [
      ['socp log compact', `leave the newest ${KEPT} facts to look back on`],
      ['socp log compact --keep 0', 'leave only what a start needs'],
    ],
  )
  withExamples(withKey(log.command('rebuild').description('make the read models anew from base and facts')).action(rebuild), [
    ['socp log rebuild', 'tables users, groups and group_members'],
  ])
  withExamples(
    withKey(log.command('purge').description('erase everything about a user: rows, read models, snapshots, free pages').argument('<user>'))
      .option('--yes', 'do not ask')
      .action(purge),
    [['socp log purge 3f2b… --yes', 'the user id, as "socp state" prints it']],
  )
  const streams = withKey(log.command('dead').description('list streams that cannot be folded and are set aside')).action(dead)
  withExamples(
    streams
      .command('retry')
      .description('fold the log once more and take the stream in again if that works')
      .argument('<stream>')
      .action(decide('retry', 'retried')),
    [['socp log dead retry link:9b1c…', 'after the program was updated']],
  )
  withExamples(
    streams
      .command('drop')
      .description('give up what cannot be folded; the stream begins anew')
      .argument('<stream>')
      .action(decide('drop', 'dropped')),
    [['socp log dead drop session:3f2b…', 'so that the user may attach again']],
  )
  withExamples(streams, [['socp log dead', 'with the fact at which each failed']])
}
