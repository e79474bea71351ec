/** What servers hand to people's programs: what somebody wrote, once over a connection, and what had waited the oldest first. */
import { toBase64Url } from '../../protocol/encoding.ts'
import { messageInput } from '../../protocol/message-id.ts'
import type { Judge } from '../judge.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'
import { saysAttached, type World } from '../world.ts'
import type { Mail } from './mail.ts'

/** What a server handed to a person's program over one connection. */
interface Handed {
  readonly ids: Set<string>
  /** What was in their mailbox when it took them → when that was written. */
  readonly waited: ReadonlyMap<string, number>
  /** Of what waited, when the last was written that it handed over. */
  last: number
}

export const handing = (world: World, judge: Judge, mail: Mail): Witness => {
  const byId = new Map(world.users.map(user => [user.id as string, user]))
  const byMachine = new Map(world.users.map(user => [user.machine, user]))
  /** By server and person, since it took them last: one that is cut off goes on with a connection that is long dead. */
  const handed = new Map<string, Handed>()

  /** A server hands a message to its reader. */
  const hand = (server: string, user: SimulatedUser, text: string): void => {
    const { ts, payload } = JSON.parse(text) as {
      readonly ts: number
      readonly payload: { readonly sender: string; readonly ciphertext: string }
    }
    const id = toBase64Url(world.place.sha256(messageInput(payload.sender, user.id, ts, payload.ciphertext)))
    const before = handed.get(`${server} ${user.name}`)
    judge.check(
      'handed',
      before?.ids.has(id) !== true,
      () => `${user.name} was handed a message of ${byId.get(payload.sender)?.name ?? ''} twice over one connection`,
    )
    before?.ids.add(id)
    const at = before?.waited.get(id)
    if (before !== undefined && at !== undefined) {
      judge.check('handed', at >= before.last, () => `${user.name} was handed what waited for them, and not the oldest first`)
      before.last = Math.max(before.last, at)
    }
    judge.check(
      'authentic',
      mail.letter(id) !== undefined,
      () => `${user.name} was handed what ${byId.get(payload.sender)?.name ?? 'nobody'} did not write`,
    )
  }

  return {
    frameSent(from, to, text, slipped) {
      const user = slipped === true ? undefined : byMachine.get(to)
      if (user === undefined) return
      if (saysAttached(text)) {
        const waited = new Map([...mail.waitingAt(from.name, user.id)].map(([id, { ts }]) => [id, ts]))
        handed.set(`${from.name} ${user.name}`, { ids: new Set(), waited, last: 0 })
      }
      if (text.includes('"type":"USER_DELIVER"')) hand(from.name, user, text)
    },
  }
}
