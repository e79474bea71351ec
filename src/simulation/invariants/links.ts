/** Links and sessions over time: servers find each other again soon and without a storm, and nobody is given up too early. */
import type { Fact } from '../../domain/facts.ts'
import type { RecordedFact } from '../../store/log.ts'
import type { Judge } from '../judge.ts'
import { areLinked } from '../paths.ts'
import type { SimulatedServer } from '../server.ts'
import { between } from '../trouble.ts'
import type { Witness } from '../witness.ts'
import type { World } from '../world.ts'

/** No whole number of seconds: a look must not fall together with the same ping each time. */
const LOOK_MS = 2_300
/** Until silence of 12 s is noticed, and until the longest of the first pauses between dials is over. */
const LINKED_MS = 25_000
/** Dials of one server by another, within so many milliseconds: the pauses double from a quarter of a second up to five. */
const DIALS = { most: 12, ms: 10_000 } as const
/** SOCP §9.1, and not what the program takes it for; a clock is not exact. */
const GRACE_MS = 30_000 - 500

export const links = (world: World, judge: Judge): Witness => {
  const { schedule, trouble, servers } = world
  const apartSince = new Map<string, number>()

  const look = (a: SimulatedServer, b: SimulatedServer): void => {
    const pair = `${a.name} ${b.name}`
    const both = a.running !== undefined && b.running !== undefined
    if (!both || areLinked(world, a, b)) apartSince.delete(pair)
    else if (!apartSince.has(pair)) apartSince.set(pair, schedule.now())
    const apart = schedule.now() - (apartSince.get(pair) ?? schedule.now())
    if (both && trouble.calm([a.name, b.name, between(a.machine, b.machine)], schedule.now() - LINKED_MS))
      judge.check('linked', apart <= LINKED_MS, () => `${a.name} and ${b.name} do not hear each other, and nothing is wrong between them`)
  }
  const watch = (): void => {
    schedule.after(LOOK_MS, () => {
      for (const a of servers) for (const b of servers) if (a.name < b.name) look(a, b)
      watch()
    })
  }
  watch()

  /** `server other` → when it was dialled of late. */
  const dials = new Map<string, readonly number[]>()
  const dialled = (server: SimulatedServer, other: string): void => {
    const name = `${server.name} ${other}`
    const lately = [...(dials.get(name) ?? []), schedule.now()].filter(at => schedule.now() - at < DIALS.ms)
    dials.set(name, lately)
    judge.check(
      'linked',
      lately.length <= DIALS.most,
      () => `${server.name} dialled a server ${lately.length} times in ${DIALS.ms / 1_000} s`,
    )
  }

  /** `server whom` → since when by its log somebody is away, or a server is in doubt; Unix milliseconds. */
  const awaySince = new Map<string, number>()
  const startedAt = new Map<SimulatedServer, number>()
  const begins = (server: SimulatedServer, whom: string, at: number): void => {
    const name = `${server.name} ${whom}`
    if (!awaySince.has(name)) awaySince.set(name, at)
  }
  const ends = (server: SimulatedServer, whom: string): void => void awaySince.delete(`${server.name} ${whom}`)
  const givenUp = (server: SimulatedServer, whom: string, at: number): void => {
    const since = Math.max(awaySince.get(`${server.name} ${whom}`) ?? 0, startedAt.get(server) ?? 0)
    judge.check('patient', at - since >= GRACE_MS, () => `${server.name} gave ${whom} up after ${at - since} ms`)
    ends(server, whom)
  }

  const heard = (server: SimulatedServer, { fact, at }: RecordedFact<Fact>): void => {
    switch (fact.type) {
      case 'node.started':
        startedAt.set(server, at)
        // a start ends the pauses of both ends
        for (const pair of dials.keys()) if (pair.startsWith(`${server.name} `) || pair.endsWith(` ${server.id}`)) dials.delete(pair)
        return
      case 'link.dialled':
        dialled(server, fact.server)
        return
      case 'session.detached':
        begins(server, fact.user, at)
        return
      case 'session.attached':
        ends(server, fact.user)
        return
      case 'session.ended':
        if (fact.why === 'did not return') givenUp(server, fact.user, at)
        else ends(server, fact.user)
        return
      case 'link.closed':
      case 'link.silent':
      case 'link.refused':
        begins(server, fact.server, at)
        return
      case 'link.synced':
        ends(server, fact.server)
        return
      case 'link.lapsed':
        givenUp(server, fact.server, at)
        return
      default:
    }
  }

  return {
    recorded(server, recorded) {
      if (!server.liar) for (const fact of recorded) heard(server, fact)
    },
  }
}
