/** `socp peers` and `socp users`: which servers and people a node knows by which key, and what the operator decides about them. */
import { confirm, isCancel } from '@clack/prompts'
import type { Command } from 'commander'
import type { PeerView, UserView } from '../server/operator.ts'
import { serverDirectory } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { fingerprintOf } from './fingerprint.ts'
import { command, type NodeOptions } from './node-control.ts'
import { withExamples } from './options.ts'
import { jsonLine, printLine, shown, tell } from './output.ts'
import { addressOf, duration, tableLines } from './tables.ts'

interface Options extends NodeOptions {
  readonly json?: true
}

/** The beginning of a fingerprint tells keys apart in a table; `--json` has whole keys. */
const mark = (pubkey: string | null): string => (pubkey === null ? '' : fingerprintOf(pubkey).slice(0, 19))

const answer = (json: true | undefined, result: unknown, sentence: string): Promise<void> =>
  printLine(json === true ? jsonLine(result) : sentence)

const peerRow = ({ server_id, state, host, port, tls, heard_ms, pubkey, vouched_by, banned, offers }: PeerView): readonly string[] => [
  server_id,
  state,
  host === null || port === null ? '' : addressOf({ host, port, tls }),
  heard_ms === null ? '' : `${duration(heard_ms)} ago`,
  mark(pubkey),
  banned !== null
    ? banned
    : offers !== null
      ? `comes with another key: ${mark(offers)}`
      : vouched_by === null
        ? ''
        : `vouched for by ${vouched_by}`,
]

const listPeers = async ({ json, ...node }: Options): Promise<void> => {
  const peers = (await command(node, 'peers.list')) as readonly PeerView[]
  if (json === true) {
    for (const peer of peers) await printLine(jsonLine(peer))
    return
  }
  if (peers.length === 0) tell('No other server is known here.')
  else for (const line of tableLines(['SERVER', 'STATE', 'ADDRESS', 'HEARD', 'KEY', ''], peers.map(peerRow))) await printLine(line)
}

const ban = async (server: string, { json, why, ...node }: Options & { readonly why?: string }): Promise<void> => {
  const peer = (await command(node, 'peers.ban', { server, ...(why === undefined ? {} : { why }) })) as PeerView
  await answer(
    json,
    peer,
    `${shown(peer.server_id)} is banned${peer.pubkey === null ? '' : ', and its key with it'}: it is neither linked nor believed until "socp peers unban".`,
  )
}

const unban = async (server: string, { json, ...node }: Options): Promise<void> => {
  const peer = (await command(node, 'peers.unban', { server })) as PeerView
  await answer(json, peer, `${shown(peer.server_id)} may link again.`)
}

interface TrustOptions extends Options {
  readonly key?: string
  readonly address?: string
  readonly yes?: true
}

/** Asks whether the key that a server came with is right; throws unless somebody says yes. */
const agreed = async (server: string, pubkey: string, yes: true | undefined): Promise<void> => {
  if (yes === true) return
  tell(`The other key of ${shown(server)} has the fingerprint\n  ${fingerprintOf(pubkey)}`)
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new CommandFailure(
      'Compare it over another way ("socp keys show" there), then say --yes, or give the key with --key.',
      exitCodes.usage,
    )
  const said = await confirm({ message: 'Did you compare it over another way, and is it the same?', initialValue: false })
  if (isCancel(said) || !said) throw new CommandFailure('Nothing was changed.', exitCodes.failed)
}

const trust = async (given: string, { json, key, address, yes, ...node }: TrustOptions): Promise<void> => {
  let [server, pubkey] = [given, key]
  if (pubkey === undefined) {
    const peers = (await command(node, 'peers.list')) as readonly PeerView[]
    const [peer, ...more] = peers.filter(({ server_id }) => server_id === given || (given.length >= 4 && server_id.startsWith(given)))
    if (peer?.offers == null || more.length > 0)
      throw new CommandFailure(
        `No other key of ${shown(given)} is known here: give the one to trust with --key (its public key, as "socp keys show" prints it there).`,
        exitCodes.usage,
      )
    await agreed(peer.server_id, peer.offers, yes)
    ;[server, pubkey] = [peer.server_id, peer.offers]
  }
  const peer = (await command(node, 'peers.trust', { server, pubkey, ...(address === undefined ? {} : { address }) })) as PeerView
  await answer(json, peer, `${shown(peer.server_id)} is known by the key ${fingerprintOf(pubkey)} from now on.`)
}

/** Where somebody is, and what makes that unsure. */
const whereabouts = ({ state, server_id }: UserView): string => {
  if (server_id === null || state === 'attached' || state === 'detached') return state
  return state === 'elsewhere' ? `at ${server_id}` : `at ${server_id}, ${state}`
}

const userRow = (user: UserView): readonly string[] => {
  const { user_id, name, pubkey, proven, conflicts } = user
  return [
    user_id,
    name ?? '',
    whereabouts(user),
    mark(pubkey),
    [...(proven ? [] : ['unproven']), ...(conflicts.length === 0 ? [] : [`also claimed by ${conflicts.map(mark).join(', ')}`])].join(', '),
  ]
}

const listUsers = async ({ json, ...node }: Options): Promise<void> => {
  const users = (await command(node, 'users.list')) as readonly UserView[]
  if (json === true) {
    for (const user of users) await printLine(jsonLine(user))
    return
  }
  if (users.length === 0) tell('No user is known here.')
  else for (const line of tableLines(['USER', 'NAME', 'STATE', 'KEY', ''], users.map(userRow))) await printLine(line)
}

const unpin = async (user: string, { json, key, ...node }: Options & { readonly key?: string }): Promise<void> => {
  const result = (await command(node, 'users.unpin', { user, ...(key === undefined ? {} : { pubkey: key }) })) as UserView | null
  await answer(
    json,
    result ?? { user_id: user, pubkey: null },
    key === undefined
      ? `The id ${shown(user)} is free: whoever claims it next is pinned. Other servers keep what they have pinned.`
      : `The id ${shown(user)} belongs to the key ${fingerprintOf(result?.pubkey ?? '')} from now on. Other servers keep what they have pinned.`,
  )
}

const withNode = (adding: Command): Command =>
  adding
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--passphrase-file <file>', 'passphrase of the key file, when no node runs and the key has one')
    .option('--json', 'print one JSON object a line')

/** Options may stand before or behind the name of a subcommand. */
const merged =
  (run: (...args: never[]) => Promise<void>) =>
  async (...given: readonly unknown[]): Promise<void> => {
    const inner = given.at(-1) as Command
    await run(...([...given.slice(0, -2), inner.optsWithGlobals()] as never[]))
  }

/** Adds `socp peers`. */
export const addPeers = (program: Command): void => {
  const peers = withNode(program.command('peers').description('the other servers of the mesh, and what you decide about them')).action(
    merged(listPeers),
  )
  withExamples(peers, [
    ['socp peers', 'who they are, by which key, and which are linked'],
    ['socp peers ban 9b1c --why "floods us"', 'the beginning of an id is enough while only one has it'],
    ['socp peers trust 9b1c --key MIICIjAN…', 'a server has a new key, and you know that it is right'],
  ])
  withExamples(withNode(peers.command('ls').description('list them')).action(merged(listPeers)), [
    ['socp peers ls --json', 'one object a line'],
  ])
  withExamples(
    peers
      .command('ban')
      .description('cut a server off and refuse its id and key, also after a restart')
      .argument('<server>', 'its id, or the beginning of it')
      .option('--why <text>', 'kept with the ban')
      .action(merged(ban)),
    [['socp peers ban 9b1c… --why "floods us"', 'until "socp peers unban"']],
  )
  withExamples(
    peers
      .command('unban')
      .description('let a banned server link again')
      .argument('<server>', 'its id, or the beginning of it')
      .action(merged(unban)),
    [['socp peers unban 9b1c…', 'it is dialled at once']],
  )
  withExamples(
    peers
      .command('trust')
      .description('take another key of a server for its own, or pin the key of one that has yet to come')
      .argument('<server>', 'its id; the beginning of it for one that is known')
      .option('--key <pubkey>', 'the key; without it the one that the server came with, which is shown first')
      .option('--address <host:port>', 'where a server is that is not known yet')
      .option('--yes', 'do not ask')
      .action(merged(trust)),
    [
      ['socp peers trust 9b1c…', 'shows the key that it came with, and asks'],
      ['socp peers trust 9b1c… --key MIICIjAN… --address chat.example:9000', 'expect this server'],
    ],
  )
}

/** Adds `socp users`. */
export const addUsers = (program: Command): void => {
  const users = withNode(program.command('users').description('the people that a server knows, and by which keys')).action(
    merged(listUsers),
  )
  withExamples(users, [
    ['socp users', 'who they are, where, and by which key'],
    ['socp users unpin 3f2b…', 'release an id that a stranger named first'],
  ])
  withExamples(withNode(users.command('ls').description('list them')).action(merged(listUsers)), [
    ['socp users ls --json', 'one object a line'],
  ])
  withExamples(
    users
      .command('unpin')
      .description('release the key that is pinned for a user id; its holder is cut off')
      .argument('<user>', 'the id, as "socp users" prints it')
      .option('--key <pubkey>', 'pin the id to this key instead, so that nobody else takes it first')
      .action(merged(unpin)),
    [
      ['socp users unpin 3f2b…', 'whoever claims the id next is pinned'],
      ['socp users unpin 3f2b… --key MIICIjAN…', 'only the holder of this key may claim it'],
    ],
  )
}
