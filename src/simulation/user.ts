/** A person of a simulated world: the whole client library on simulated ports, and what they want to say. */
import { createClient, type Client } from '../client/client.ts'
import type { ClientFact } from '../client/facts.ts'
import type { PublicKeyText, UserId } from '../protocol/ids.ts'
import type { Quartz } from './clock.ts'
import type { Dice } from './dice.ts'
import { createDisk, openDisk, type Disk } from './disk.ts'
import { createFiles } from './files.ts'
import type { Life } from './life.ts'
import type { Machine } from './network.ts'
import { enliven, portsFor, type Place } from './place.ts'
import type { SimulatedServer } from './server.ts'
import type { ClientEvent } from '../client/events.ts'

export interface SimulatedUser {
  readonly name: string
  readonly id: UserId
  readonly key: { readonly pkcs8: Uint8Array; readonly text: PublicKeyText }
  readonly machine: Machine
  readonly disk: Disk
  readonly quartz: Quartz
  /** The servers that this person named; their program dials the first, and learns of others. */
  readonly named: readonly [SimulatedServer, ...SimulatedServer[]]
  /** The server that took this person last. */
  home: SimulatedServer
  /** How many texts they wrote. */
  written: number
  readonly life: Life | undefined
  readonly client: Client | undefined
  start(): void
  kill(): void
  /** Says goodbye, and ends the program. */
  leave(): void
}

export interface UserOptions {
  readonly name: string
  readonly address: string
  readonly named: SimulatedUser['named']
  /** One of its own when left out. */
  readonly id?: UserId
}

const urlOf = ({ machine, port }: SimulatedServer): string => `ws://${machine.address}:${port}`

export const createUser = (place: Place, dice: Dice, { name, address, named, id = dice.uuid() as UserId }: UserOptions): SimulatedUser => {
  const { schedule, network, makeKey, witnesses } = place
  const key = makeKey()
  let incarnations = 0

  const gaveUp = (life: Life, error: unknown): void => {
    if (!life.alive) return
    witnesses.showed(user, { event: 'error', code: 'FATAL', detail: error instanceof Error ? error.message : String(error) })
    life.die()
  }

  const live = async (life: Life, own: Dice): Promise<void> => {
    const ports = portsFor(place, user.machine, user.quartz, life, own)
    const log = await openDisk<ClientFact>({
      name,
      disk: user.disk,
      schedule,
      life,
      clock: ports.clock,
      random: own.fork('salts'),
      sha256: place.sha256,
      committed: facts => {
        witnesses.userRecorded(user, facts)
      },
    })
    const client = await createClient({
      ports,
      identity: { userId: user.id, privateKey: await ports.crypto.importPrivateKey(key.pkcs8) },
      name,
      serverUrl: urlOf(named[0]),
      otherUrls: named.slice(1).map(urlOf),
      log,
      files: createFiles(life),
      fatal: error => {
        gaveUp(life, error)
      },
    })
    if (!life.alive) return
    client.events$.subscribe((event: ClientEvent) => {
      if (life.alive) witnesses.showed(user, event)
    })
    user.client = client
    client.connect()
  }

  const user: { -readonly [Part in keyof SimulatedUser]: SimulatedUser[Part] } = {
    name,
    id,
    key,
    machine: network.machine(name, address),
    disk: createDisk(),
    quartz: { asleepMs: 0, offsetMs: dice.whole(-5_000, 5_000), rate: 1 + (dice.fraction() - 0.5) / 5_000 },
    named,
    home: named[0],
    written: 0,
    life: undefined,
    client: undefined,
    start() {
      if (user.life !== undefined || user.machine.dark) return
      incarnations += 1
      const life = enliven(place, user, () => {
        user.client = undefined
        witnesses.userDied(user)
      })
      witnesses.userStarted(user)
      live(life, dice.fork(`life ${incarnations}`)).catch((error: unknown) => {
        gaveUp(life, error)
      })
    },
    kill() {
      user.life?.die()
    },
    leave() {
      const { life, client } = user
      if (life === undefined || client === undefined) return
      // it is gone for everybody when its program has ended
      void client.close().then(() => {
        life.die()
      })
    },
  }
  return user
}
