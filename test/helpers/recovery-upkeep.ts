/** A life in which an operator has the log snapshotted, signed, compacted, its read models made anew and a person erased. */
import { join } from 'node:path'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { callControl } from '../../src/ports/node/control-socket.ts'
import { attachFrameUser } from './frame-client-user.ts'
import type { ServerProcess } from './processes.ts'
import type { Life } from './recovery-scenario.ts'
import type { Claim } from './recovery-survivor.ts'

/** Who is erased. */
export const person = { id: 'deadbeef-0000-4000-8000-0000000000ff', name: 'Zebulon Purgatory' } as const

/** Files in which the person can still be read. */
export const tracesOf = (data: string): readonly string[] =>
  readdirSync(data).filter(name => {
    const file = join(data, name)
    if (!statSync(file).isFile()) return false
    const bytes = readFileSync(file)
    return bytes.includes(person.id) || bytes.includes(person.name)
  })

const knowsUser = (user: string) => (view: { readonly directory: readonly { readonly user_id: string }[] }) =>
  view.directory.some(({ user_id }) => user_id === user)

/** `forget` takes back every claim about facts: they are about to be dropped. Takes keys 1 and 2. */
export const keepUp = async (
  server: ServerProcess,
  { keyOf, claim, forget }: Pick<Life, 'keyOf' | 'claim'> & { readonly forget: () => void },
  cleanups: (() => unknown)[],
): Promise<void> => {
  const ask = (command: string, params = {}): Promise<unknown> => callControl(join(server.data, 'control.sock'), command, params)
  const attach = async (n: number, name: string, id?: string): Promise<string> => {
    const user = await attachFrameUser({ url: server.url, key: keyOf(n), name, ...(id === undefined ? {} : { id }) })
    cleanups.push(() => {
      user.socket.webSocket.terminate()
    })
    return user.id
  }
  const attached = (user: string): Claim => ({
    what: `${user} was acknowledged`,
    holds: ({ stream, fact }) => stream === `session:${user}` && fact.type === 'session.attached',
    knows: knowsUser(user),
  })
  const ann = await attach(1, 'ann')
  claim(attached(ann))
  await attach(2, person.name, person.id)
  await ask('snapshot')
  await ask('checkpoint')
  forget()
  await ask('compact', { keep: 3 })
  claim({ what: 'ann is there behind the base', knows: knowsUser(ann) })
  const bob = await attach(1, 'bob')
  claim(attached(bob))
  await ask('rebuild')
  await ask('purge', { user: person.id })
  claim({ what: 'the person was erased', knows: view => !knowsUser(person.id)(view) })
  const cid = await attach(1, 'cid')
  claim(attached(cid))
  forget()
  await ask('compact')
  for (const user of [ann, bob, cid]) claim({ what: `${user} is there behind the base`, knows: knowsUser(user) })
  claim({ what: 'the person is gone from the base', knows: view => !knowsUser(person.id)(view) })
  await ask('snapshot')
  // a clean stop ends the sessions
  forget()
  const stopped = await server.stop()
  if (stopped.code !== 0) throw new Error(`the server ended with ${String(stopped.code ?? stopped.signal)}`)
}
