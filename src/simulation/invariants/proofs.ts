/** Attachments: each rests on a proof that the person's own program made for it, whoever claims it. */
import type { Judge } from '../judge.ts'
import type { SimulatedServer } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'
import type { World } from '../world.ts'

interface Proof {
  readonly payload: { readonly at?: number; readonly prover: string }
}

export const proofs = (world: World, judge: Judge): Witness => {
  const byId = new Map(world.users.map(user => [user.id as string, user]))
  const byMachine = new Map(world.users.map(user => [user.machine, user]))
  /** Times at which programs said that they attach, by their logs. */
  const made = new Set<string>()
  /** `server nonce` of proofs by which somebody was attached. */
  const used = new Set<string>()
  const nameOf = ({ name }: SimulatedUser, at: number | undefined): string => `${name} ${at ?? 'never'}`

  const attached = (server: SimulatedServer, user: SimulatedUser, at: number | undefined, nonce: string): void => {
    const isNew = !used.has(`${server.name} ${nonce}`)
    used.add(`${server.name} ${nonce}`)
    judge.check(
      'proven',
      isNew && made.has(nameOf(user, at)),
      () => `${server.name} took somebody for ${user.name} by a proof ${isNew ? 'that they did not make' : 'of an earlier attachment'}`,
    )
  }

  return {
    userRecorded(user, recorded) {
      for (const { fact } of recorded) if (fact.type === 'client.attaching') made.add(nameOf(user, fact.at))
    },
    recorded(server, recorded) {
      for (const { fact } of recorded) {
        if (fact.type !== 'session.attached' && fact.type !== 'user.advertised') continue
        const user = byId.get(fact.user)
        if (user === undefined || server.liar) continue
        if (fact.type === 'session.attached') attached(server, user, fact.proof?.at, fact.proof?.nonce ?? '')
        else if (fact.attachedAt !== undefined)
          judge.check(
            'proven',
            made.has(nameOf(user, fact.attachedAt)),
            () => `${server.name} believes that ${user.name} attached elsewhere at a time of which their log knows nothing`,
          )
      }
    },
    frameSent(from, _to, text, slipped) {
      const user = byMachine.get(from)
      if (user === undefined || slipped === true || !text.includes('"type":"PROOF"')) return
      const { at, prover } = (JSON.parse(text) as Proof).payload
      if (prover === user.id)
        judge.check(
          'recorded_first',
          made.has(nameOf(user, at)),
          () => `${user.name} proves that they attach, which their log does not know`,
        )
    },
  }
}
