/** What an operator may ask a node to do, running or not: one row a command, with its parameters. */
import { z } from 'zod'
import { ControlError, type ControlListener, type ControlPort, type ControlRequest } from '../ports/control.ts'
import type { UserId } from '../protocol/ids.ts'
import { type Carrying, createOperator } from './operator.ts'
import type { Log } from './events.ts'
import { createPurge, type Farewell } from './erasure.ts'
import { createSetAsideStreams, type Readmission } from './set-aside.ts'
import { type Premises, type Upkeep, UpkeepRefused } from './upkeep.ts'

type Progress = ControlRequest['progress']
type Command = (params: unknown, progress: Progress) => Promise<unknown>

/** What only a running node has to do when its log is changed. */
export interface Live extends Farewell, Readmission, Carrying {
  status(): Promise<unknown>
}

/** Names of the commands; the values are plain JSON. */
export type ControlCommand =
  | 'machines'
  | 'snapshot'
  | 'checkpoint'
  | 'compact'
  | 'rebuild'
  | 'dead.list'
  | 'dead.retry'
  | 'dead.drop'
  | 'purge'
  | 'status'
  | 'peers.list'
  | 'peers.ban'
  | 'peers.unban'
  | 'peers.trust'
  | 'users.list'
  | 'users.unpin'

/** Carries out a command; rejects with a sentence for the operator when it is unknown, its parameters are wrong, or it is refused. */
export type Control = (request: Pick<ControlRequest, 'command' | 'params'> & { readonly progress?: Progress }) => Promise<unknown>

const none = z.object({})
const id = z.string().min(1).max(64)
const key = z.string().min(1).max(4_096)
const stream = z.object({ stream: z.string().min(1).max(256) })

export const createControl = (premises: Premises, upkeep: Upkeep, live?: Live): Control => {
  const { runtime } = premises
  const streams = createSetAsideStreams(premises, upkeep, live)
  const operator = createOperator(premises, live)
  const purge = createPurge(premises, upkeep, live)

  /** A command that changes the log waits for those before it. */
  const row =
    <P>(shape: z.ZodType<P>, run: (params: P, progress: Progress) => Promise<unknown>): Command =>
    (params, progress) => {
      const parsed = shape.safeParse(params)
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        throw new UpkeepRefused(`The parameters cannot be used, at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}.`)
      }
      return run(parsed.data, progress)
    }
  const alone = <P>(shape: z.ZodType<P>, run: (params: P, progress: Progress) => Promise<unknown>): Command =>
    row(shape, (params, progress) => upkeep.alone(() => run(params, progress)))

  const commands: Readonly<Record<ControlCommand, Command>> = {
    // where each instance is
    machines: row(none, () =>
      Promise.resolve(
        [...runtime.machines()].map(([address, { state, context }]) => ({
          address,
          state,
          context,
          ...(runtime.isSetAside(address) ? { set_aside: true } : {}),
        })),
      ),
    ),
    snapshot: alone(none, () => upkeep.snapshot()),
    checkpoint: alone(none, () => upkeep.checkpoint()),
    // drops all facts but the newest `keep`
    compact: alone(z.object({ keep: z.int().min(0).default(0) }), async ({ keep }, progress) => {
      progress({ folding: true })
      return await upkeep.compact(keep)
    }),
    rebuild: alone(none, () => upkeep.rebuild()),
    'dead.list': row(none, () => Promise.resolve(streams.list())),
    'dead.retry': alone(stream, async ({ stream }, progress) => {
      progress({ folding: true })
      await streams.retry(stream)
      await upkeep.snapshot()
    }),
    'dead.drop': alone(stream, ({ stream }) => streams.drop(stream)),
    purge: alone(z.object({ user: z.string().min(1).max(64) }), async ({ user }, progress) => {
      progress({ folding: true })
      const purged = await purge(user as UserId)
      await upkeep.snapshot()
      return purged
    }),
    status: row(none, () => {
      if (live === undefined) throw new UpkeepRefused('No node runs there.')
      return live.status()
    }),
    'peers.list': row(none, () => Promise.resolve(operator.peers())),
    'peers.ban': alone(z.object({ server: id, why: z.string().max(200).default('banned') }), ({ server, why }) =>
      operator.ban(server, why),
    ),
    'peers.unban': alone(z.object({ server: id }), ({ server }) => operator.unban(server)),
    'peers.trust': alone(z.object({ server: id, pubkey: key, address: z.string().max(262).optional() }), ({ server, pubkey, address }) =>
      operator.trust(server, pubkey, address),
    ),
    'users.list': row(none, () => Promise.resolve(operator.users())),
    'users.unpin': alone(z.object({ user: id, pubkey: key.optional() }), ({ user, pubkey }) => operator.unpin(user, pubkey)),
  }
  const table = new Map<string, Command>(Object.entries(commands))

  return ({ command, params, progress = () => {} }) => {
    const run = table.get(command)
    if (run === undefined)
      return Promise.reject(new UpkeepRefused(`This node knows no command ${command}; it knows ${[...table.keys()].join(', ')}.`))
    return new Promise(resolve => {
      // a refusal that is thrown becomes the answer
      resolve(run(params, progress))
    })
  }
}

/** A node that an operator cannot ask anything is a node still. */
export const takeCommands = async (port: ControlPort, control: Control, write: Log): Promise<ControlListener | undefined> => {
  try {
    return await port.listen(control)
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    write('warn', 'no commands are taken while this node runs', { why: error.message })
    return undefined
  }
}
