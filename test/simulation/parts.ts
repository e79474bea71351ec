/** Machines, lives and sockets of a simulated network, without programs on them. */
import type { NetworkError, Socket } from '../../src/ports/network.ts'
import { createDice } from '../../src/simulation/dice.ts'
import { createLife } from '../../src/simulation/life.ts'
import { createNetwork, type Machine } from '../../src/simulation/network.ts'
import { createSchedule } from '../../src/simulation/schedule.ts'
import { ground } from './ground.ts'

export interface Heard {
  readonly texts: string[]
  closed: number | undefined
}

/** Two machines, `near` and `far`; a program at `far` listens. */
export const createWire = async (seed = 1) => {
  const schedule = createSchedule(ground.loop)
  const network = createNetwork(schedule, createDice(seed), { sent: () => {}, arrived: () => {} })
  const near = network.machine('near', '10.0.0.1')
  const far = network.machine('far', '10.0.0.2')
  const lives = new Map<Machine, ReturnType<typeof createLife>>()
  for (const machine of [near, far]) {
    const life = createLife(() => {
      network.bury(machine)
    })
    lives.set(machine, life)
  }
  const lifeOf = (machine: Machine) => lives.get(machine) as ReturnType<typeof createLife>
  const handler = (heard: Heard) => ({
    message: (text: string) => void heard.texts.push(text),
    malformed: () => {},
    closed: (code: number) => {
      heard.closed = code
    },
  })
  const accepted: { readonly socket: Socket; readonly heard: Heard }[] = []
  await network.port(far, lifeOf(far)).listen({ host: far.address, port: 9_000, maxBytes: 1_000, maxSockets: 10 }, socket => {
    const heard: Heard = { texts: [], closed: undefined }
    accepted.push({ socket, heard })
    return handler(heard)
  })
  return {
    schedule,
    network,
    near,
    far,
    lifeOf,
    accepted,
    /** Dials, and lets time pass until that has come to something. */
    async dial(timeoutMs = 5_000) {
      const heard: Heard = { texts: [], closed: undefined }
      let socket: Socket | undefined
      let failed: NetworkError | undefined
      network
        .port(near, lifeOf(near))
        .dial(`ws://${far.address}:9000`, { timeoutMs, maxBytes: 1_000 }, opened => {
          socket = opened
          return handler(heard)
        })
        .catch((error: unknown) => {
          failed = error as NetworkError
        })
      await schedule.run(schedule.now() + 5_000)
      return { socket: socket as Socket, heard, failed }
    },
    /** Lets time pass. */
    pass: (ms: number) => schedule.run(schedule.now() + ms),
  }
}
