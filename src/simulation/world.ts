/** A world: servers, people and what lies between them, all from one seed. */
import type { Crypto } from '../ports/crypto.ts'
import type { Clock } from '../ports/clock.ts'
import { createKeyring, dealer, type KeyPair } from './crypto.ts'
import { createDice, type Dice } from './dice.ts'
import { createNetwork, type Machine, type SimulatedNetwork } from './network.ts'
import { standIn, type Place } from './place.ts'
import { realCrypto } from './real-crypto.ts'
import { createSchedule, type Schedule } from './schedule.ts'
import { createServer, type SimulatedServer } from './server.ts'
import { between, createTrouble, type Trouble } from './trouble.ts'
import { createUser, type SimulatedUser } from './user.ts'
import { createWitnesses, type Witnesses } from './witness.ts'

/** What a world takes from the real one. */
export interface Ground {
  readonly loop: Pick<Clock, 'endOfTick'>
  readonly sha256: Crypto['sha256']
  /** Real cryptography instead of the stand-in, and a key pair for everybody; then a run is never quite the same again. */
  readonly real?: { readonly crypto: Crypto; readonly keys: readonly KeyPair[] }
}

export interface WorldOptions {
  /** A whole number. */
  readonly seed: number
  /** How many there are, those of liars not counted. */
  readonly servers: number
  readonly users: number
  /** Whether there is a server more that lies. */
  readonly liar: boolean
}

export interface World {
  readonly dice: Dice
  readonly schedule: Schedule
  readonly place: Place
  readonly network: SimulatedNetwork
  readonly witnesses: Witnesses
  readonly trouble: Trouble
  /** The honest ones. */
  readonly servers: readonly SimulatedServer[]
  readonly liar: SimulatedServer | undefined
  /** What the liar's machine heard from the others, the newest last. */
  readonly overheard: readonly string[]
  readonly users: readonly SimulatedUser[]
  /** Messages that servers handed to people, the newest last. */
  readonly delivered: readonly Delivery[]
  /** The last frame of this type that a person's program sent to a server; of those by which somebody attaches. */
  said(user: SimulatedUser, server: SimulatedServer, type: string): string | undefined
  /** Whether a person's program has pinned somebody's key. */
  knows(user: SimulatedUser, other: SimulatedUser): boolean
  /** Has `spring` run once, right after the next frame that `awaits` is sent, before it arrives; the answer gives it up. */
  ambush(awaits: (text: string) => boolean, spring: (from: Machine, to: Machine, text: string) => void): () => void
  /** Takes the power of a machine, and with it the program. The answer brings both back. */
  darken(what: SimulatedServer | SimulatedUser): () => void
  /** Nobody starts it again until the answer is called. */
  keepDown(what: SimulatedServer | SimulatedUser): () => void
}

/** A frame with a message as a person's server sent it to them. */
export interface Delivery {
  readonly to: SimulatedUser
  readonly text: string
}

/** Half of the people name one server, the others two; all learn of the rest. */
const namedBy = (person: number, servers: readonly SimulatedServer[]): SimulatedUser['named'] => {
  const nth = (place: number) => servers[place % servers.length] as SimulatedServer
  return person % 2 === 0 || servers.length === 1 ? [nth(person)] : [nth(person), nth(person + 1)]
}

/** Milliseconds until whoever cares for a program starts it again. */
const RESTART_MS = { least: 200, mean: 2_500 } as const
/** Frames that a liar remembers: enough to hold presence of all and some messages. */
const OVERHEARD = 300
const DELIVERED = 50
const SERVERS_START_MS = 500
const USERS_START_MS = { from: 1_500, to: 4_000 } as const

export const createWorld = ({ seed, servers: count, users: people, liar: lies }: WorldOptions, ground: Ground): World => {
  const dice = createDice(seed)
  const schedule = createSchedule(ground.loop)
  const witnesses = createWitnesses()
  const trouble = createTrouble(schedule.now)
  const network = createNetwork(schedule, dice.fork('network'), {
    sent: (from, to, text, slipped) => {
      witnesses.frameSent(from, to, text, slipped)
    },
    arrived: (from, to, text) => {
      witnesses.frameArrived(from, to, text)
    },
  })
  const { real, sha256 } = ground
  const keyring = createKeyring(dice.fork('keys'))
  const place: Place = {
    schedule,
    network,
    witnesses,
    sha256,
    makeKey: real === undefined ? keyring.make : dealer(real.keys),
    crypto: real === undefined ? standIn(schedule, keyring, sha256) : life => realCrypto(schedule, life, real.crypto),
  }

  const servers: SimulatedServer[] = []
  const names = Array.from({ length: count }, (_, index) => `s${index + 1}`)
  if (lies) names.push('liar')
  for (const [index, name] of names.entries())
    servers.push(
      createServer(place, dice.fork(name), {
        name,
        address: `10.0.${index >> 8}.${(index & 255) + 1}`,
        liar: name === 'liar',
        introducers: servers.slice(0, 2),
      }),
    )
  const honest = servers.filter(server => !server.liar)
  const users = Array.from({ length: people }, (_, index) =>
    createUser(place, dice.fork(`u${index + 1}`), {
      name: `u${index + 1}`,
      address: `10.1.${index >> 8}.${(index & 255) + 1}`,
      named: namedBy(index, honest),
    }),
  )

  const liar = servers.find(server => server.liar)
  const overheard: string[] = []
  if (liar !== undefined)
    witnesses.join({
      frameArrived(from, to, text) {
        if (to !== liar.machine || !honest.some(({ machine }) => machine === from)) return
        overheard.push(text)
        if (overheard.length > OVERHEARD) overheard.shift()
      },
    })

  const delivered: Delivery[] = []
  const byMachine = new Map(users.map(user => [user.machine, user]))
  const serverAt = new Map(servers.map(server => [server.machine, server]))
  witnesses.join({
    frameArrived(from, to, text) {
      const user = byMachine.get(to)
      const server = serverAt.get(from)
      if (user !== undefined && server !== undefined && saysAttached(text)) user.home = server
    },
    frameSent(_from, to, text) {
      const user = byMachine.get(to)
      if (user === undefined || !text.includes('"type":"USER_DELIVER"')) return
      delivered.push({ to: user, text })
      if (delivered.length > DELIVERED) delivered.shift()
    },
  })

  const ambushes = new Map<
    symbol,
    { readonly awaits: (text: string) => boolean; readonly spring: (from: Machine, to: Machine, text: string) => void }
  >()
  witnesses.join({
    frameSent(from, to, text) {
      for (const [name, { awaits, spring }] of ambushes) {
        if (!awaits(text)) continue
        ambushes.delete(name)
        schedule.after(0, () => {
          spring(from, to, text)
        })
      }
    },
  })

  /** `person server type` → the last such frame. */
  const attaching = new Map<string, string>()
  witnesses.join({
    frameSent(from, to, text, slipped) {
      const [user, server] = [byMachine.get(from), serverAt.get(to)]
      if (user === undefined || server === undefined || slipped === true) return
      for (const type of ['USER_HELLO', 'PROOF'])
        if (text.includes(`"type":"${type}"`)) attaching.set(`${user.name} ${server.name} ${type}`, text)
    },
  })

  const known = new Set<string>()
  witnesses.join({
    userRecorded(user, recorded) {
      for (const { fact } of recorded) if (fact.type === 'key.pinned') known.add(`${user.name} ${fact.user}`)
    },
  })

  const down = new Map<SimulatedServer | SimulatedUser, number>()
  const restarts = dice.fork('restarts')
  /** Ends the trouble that began when it died. */
  const recoveries = new Map<SimulatedServer | SimulatedUser, () => void>()
  const again = (what: SimulatedServer | SimulatedUser): void => {
    schedule.after(RESTART_MS.least + restarts.apart(RESTART_MS.mean), () => {
      if (!down.has(what)) what.start()
    })
  }
  const died = (what: SimulatedServer | SimulatedUser): void => {
    if (!recoveries.has(what)) recoveries.set(what, trouble.begin([what.name]))
    if (!down.has(what)) again(what)
  }
  const recovered = (what: SimulatedServer | SimulatedUser): void => {
    recoveries.get(what)?.()
    recoveries.delete(what)
  }
  witnesses.join({
    died,
    started: recovered,
    userDied: died,
    showed: (user, event) => {
      if (event.event === 'ready') recovered(user)
    },
  })

  const keepDown = (what: SimulatedServer | SimulatedUser): (() => void) => {
    down.set(what, (down.get(what) ?? 0) + 1)
    let over = false
    return () => {
      if (over) return
      over = true
      const left = (down.get(what) ?? 1) - 1
      if (left > 0) {
        down.set(what, left)
        return
      }
      down.delete(what)
      what.start()
    }
  }

  for (const server of servers) schedule.after(restarts.whole(0, SERVERS_START_MS), server.start)
  for (const user of users) schedule.after(restarts.whole(USERS_START_MS.from, USERS_START_MS.to), user.start)

  return {
    dice,
    schedule,
    place,
    network,
    witnesses,
    trouble,
    servers: honest,
    liar,
    overheard,
    users,
    delivered,
    said: (user, server, type) => attaching.get(`${user.name} ${server.name} ${type}`),
    knows: (user, other) => known.has(`${user.name} ${other.id}`),
    ambush(awaits, spring) {
      const name = Symbol('ambush')
      ambushes.set(name, { awaits, spring })
      return () => {
        ambushes.delete(name)
      }
    },
    keepDown,
    darken(what) {
      const up = keepDown(what)
      const machine: Machine = what.machine
      machine.dark = true
      what.kill()
      return () => {
        machine.dark = false
        up()
      }
    },
  }
}

/** Open connections between two machines that both hear each other. */
export const healthyBetween = (network: SimulatedNetwork, a: Machine, b: Machine): number =>
  network.connectionsOf(a).filter(({ ends, healthy }) => healthy && ends.some(({ machine }) => machine === b)).length

/** A server tells a person that they are attached. */
export const saysAttached = (text: string): boolean => text.includes('"msg_ref":"USER_HELLO"') && text.includes('"type":"ACK"')

/** Everything on the way from one server's people to another's. */
export const partsOf = (...machines: readonly Machine[]): readonly string[] =>
  machines.flatMap((machine, index) => {
    const next = machines[index + 1]
    return next === undefined || next === machine ? [machine.name] : [machine.name, between(machine, next)]
  })
