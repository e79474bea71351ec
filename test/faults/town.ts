/** A mesh of real processes behind the fault proxy: servers, programs with people in them, and somebody at each server who asks for its list. */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { createDice, type Dice } from '../../src/simulation/dice.ts'
import { startGuardian } from '../helpers/guardian.ts'
import { writeIdentity } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'
import { testKey } from '../helpers/test-keys.ts'
import { type Child, startChild } from './child.ts'
import { type Happening, historyReader, historyWriter, type Line, type ListedPlace, machineMs } from './history.ts'
import type { PeopleOrder, PeopleWord } from './people-program.ts'
import { type Person, type Saying, startPerson } from './person.ts'
import { settableClock } from './ports.ts'
import { type FaultProxy, startFaultProxy } from './proxy.ts'
import type { ServerOrder, ServerWord } from './server-program.ts'

export interface TownOptions {
  readonly seed: number
  readonly servers: number
  readonly people: number
  /** Processes in which the people live. */
  readonly programs: number
  /** A folder of its own, for the data of all programs. */
  readonly folder: string
  /** The history's file, elsewhere. */
  readonly history: string
}

/** A process that can be hurt; nothing happens to one that is not in the state for it. */
export interface Program {
  readonly name: string
  /** The people who live in it; none in a server. */
  readonly people: readonly string[]
  readonly state: 'running' | 'stopped' | 'dead'
  /** Milliseconds by which its clock is wrong. */
  readonly offsetMs: number
  start(): void
  kill(): Promise<void>
  stop(): void
  proceed(): void
  /** Stays, also for the programs that are started later. */
  setClock(offsetMs: number): void
  end(): Promise<void>
}

export interface Town {
  readonly dice: Dice
  readonly proxy: FaultProxy
  readonly servers: readonly Program[]
  /** How many of them, the first ones, introduce. */
  readonly introducers: number
  readonly programs: readonly Program[]
  /** Name → id of everybody who writes. */
  readonly people: ReadonlyMap<string, string>
  /** Person → the server at which they attached last. */
  readonly homes: ReadonlyMap<string, string>
  readonly tell: (happening: Happening) => void
  readonly lines: readonly Line[]
  /** Whoever hears of each line from now on; the answer ends it. */
  listen(hear: (line: Line) => void): () => void
  /** Has somebody say something to somebody, where their program can hear of it. */
  say(from: string, saying: Omit<Saying, 'n'>): boolean
  /** Asks all servers that run who is there; all answers of one look have one `asked`. */
  look(): Promise<ReadonlyMap<string, readonly ListedPlace[]>>
  /** Waits, and takes in what is written meanwhile. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

/** RSA keys that exist: servers have the first ones for themselves, people share the rest. A message names and binds their ids, which differ. */
const KEYS = 10
const TICK_MS = 25
/** How long servers and people may take to end in order. */
const END_MS = 10_000

export const startTown = async (options: TownOptions): Promise<Town> => {
  const { seed, folder, history } = options
  const dice = createDice(seed)
  const ids = dice.fork('ids')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const guardian = startGuardian()
  const tell = historyWriter(history)
  const listeners = new Set<(line: Line) => void>()
  const reader = historyReader(history, line => {
    for (const hear of listeners) hear(line)
  })
  const count = <T>(how: number, make: (index: number) => T): readonly T[] => Array.from({ length: how }, (_, index) => make(index))
  const serverNames = count(options.servers, index => `s${String(index + 1)}`)
  const observers = serverNames.map(name => `o${name}`)
  const names = count(options.people, index => `u${String(index + 1)}`)
  const people = new Map(names.map(name => [name, ids.uuid()]))
  const random = createDice(randomBytes(4).readUInt32LE())
  const proxy = await startFaultProxy(serverNames, [...serverNames, ...observers, ...names], () => random.fraction())
  const keyText = (n: number): Promise<string> => testKey(n).then(({ publicText }) => publicText)
  const introducers = Math.max(2, Math.min(3, options.servers - 2))
  const list = await Promise.all(
    serverNames.slice(0, introducers).map(async (name, n) => ({ host: '127.0.0.1', port: proxy.port(name), pubkey: await keyText(n) })),
  )
  tell({ what: 'begun', seed, servers: serverNames, people: Object.fromEntries(people) })

  const createProgram = <Word extends object>(
    name: string,
    inhabitants: readonly string[],
    launch: (offsetMs: number) => Child<Word>,
    words: { readonly clock: (offsetMs: number) => Word; readonly end: Word },
  ): Program => {
    let child: Child<Word> | undefined
    let stopped = false
    let ending = false
    let offset = 0
    const told = (what: 'started' | 'killed' | 'stopped' | 'continued'): void => {
      tell({ what, process: name, people: inhabitants })
    }
    const self: Program = {
      name,
      people: inhabitants,
      get state() {
        return child?.running !== true ? 'dead' : stopped ? 'stopped' : 'running'
      },
      get offsetMs() {
        return offset
      },
      start() {
        if (child?.running === true) return
        told('started')
        const started = launch(offset)
        child = started
        stopped = false
        ending = false
        void started.exited.then(() => {
          if (!ending) tell({ what: 'note', who: name, text: 'ended by itself' })
          if (started.stderr() !== '') tell({ what: 'note', who: name, text: 'stderr', more: started.stderr() })
        })
      },
      async kill() {
        if (child?.running !== true) return
        ending = true
        const killed = child.kill()
        told('killed')
        await killed
      },
      stop() {
        if (self.state !== 'running') return
        stopped = true
        child?.stop()
        told('stopped')
      },
      proceed() {
        if (self.state !== 'stopped') return
        stopped = false
        child?.proceed()
        told('continued')
      },
      setClock(offsetMs) {
        offset = offsetMs
        child?.send(words.clock(offsetMs))
      },
      async end() {
        self.proceed()
        ending = true
        child?.send(words.end)
        const late = later(END_MS, undefined, { ref: false }).then(() => child?.kill())
        await Promise.race([child?.exited, late])
      },
    }
    return self
  }

  const keys = await Promise.all(serverNames.map((_, n) => stockKey(n)))
  const servers = serverNames.map((name, n) => {
    const data = join(folder, name)
    const key = keys[n]
    if (key === undefined) throw new Error(`no key for ${name}`)
    writeIdentity(data, ids.uuid(), key)
    const order = { history, name, data, advertise: `127.0.0.1:${String(proxy.port(name))}`, host: proxy.hostFor(name), introducers: list }
    return createProgram<ServerWord>(
      name,
      [],
      offsetMs => {
        proxy.lead(name, undefined)
        return startChild('server-program.ts', { ...order, offsetMs } satisfies ServerOrder, guardian)
      },
      { clock: offsetMs => ({ do: 'clock', offsetMs }), end: { do: 'end' } },
    )
  })
  const urlOf = (server: string): string => `ws://127.0.0.1:${String(proxy.port(server))}`
  const serverAt = new Map(serverNames.map(name => [urlOf(name), name]))
  const homes = new Map<string, string>()
  listeners.add(line => {
    if (line.what === 'serving') proxy.lead(line.server, line.port)
    if (line.what === 'attached' && people.has(line.user)) homes.set(line.user, serverAt.get(line.at) ?? '')
  })

  const homeOf = (index: number): string => serverNames[index % serverNames.length] ?? ''
  const words = new Map<string, (word: PeopleWord) => void>()
  const programs = count(options.programs, index => {
    const name = `p${String(index + 1)}`
    const inhabitants = names.filter((_, at) => at % options.programs === index)
    const order: Omit<PeopleOrder, 'offsetMs'> = {
      history,
      name,
      people: inhabitants.map(person => {
        const at = names.indexOf(person)
        return {
          name: person,
          id: people.get(person) ?? '',
          data: join(folder, person),
          // those of one process are at many servers
          url: urlOf(homeOf(Math.floor(at / options.programs) + at)),
          moves: true,
          host: proxy.hostFor(person),
          key: options.servers + (at % (KEYS - options.servers)),
        }
      }),
    }
    let child: Child<PeopleWord> | undefined
    for (const person of inhabitants)
      words.set(person, word => {
        child?.send(word)
      })
    return createProgram<PeopleWord>(
      name,
      inhabitants,
      offsetMs => (child = startChild('people-program.ts', { ...order, offsetMs } satisfies PeopleOrder, guardian)),
      { clock: offsetMs => ({ do: 'clock', offsetMs }), end: { do: 'end' } },
    )
  })

  const crypto = nodeCrypto()
  const watching = new Map<string, Person>()
  const observe = async (server: string, index: number): Promise<void> => {
    const name = observers[index] ?? ''
    const privateKey = await (await testKey(KEYS - 1 - (index % (KEYS - options.servers)))).privateKey(crypto)
    const options_ = { name, id: ids.uuid(), data: join(folder, name), url: urlOf(server), moves: false, host: proxy.hostFor(name) }
    watching.set(server, await startPerson(options_, { clock: settableClock(0), crypto, privateKey, tell }))
  }
  for (const [index, server] of serverNames.entries()) await observe(server, index)

  const counts = new Map<string, number>()
  const ticking = setInterval(() => {
    reader.read()
  }, TICK_MS)
  ticking.unref()

  return {
    dice,
    proxy,
    servers,
    introducers,
    programs,
    people,
    homes,
    tell,
    lines: reader.lines,
    listen(hear) {
      listeners.add(hear)
      return () => {
        listeners.delete(hear)
      }
    },
    say(from, { to, probe }) {
      const program = programs.find(({ people: inhabitants }) => inhabitants.includes(from))
      const id = people.get(to)
      if (program?.state !== 'running' || id === undefined) return false
      const n = (counts.get(from) ?? 0) + 1
      counts.set(from, n)
      words.get(from)?.({ do: 'say', who: from, to: id, n, ...(probe !== undefined && { probe }) })
      return true
    },
    async look() {
      const asked = machineMs()
      const answers = new Map<string, readonly ListedPlace[]>()
      await Promise.all(
        [...watching].map(async ([server, person]) => {
          if (servers.find(({ name }) => name === server)?.state !== 'running') return
          const users = await person.list()
          if (users === undefined) return
          answers.set(server, users)
          tell({ what: 'listed', server, asked, users })
        }),
      )
      return answers
    },
    async pass(ms) {
      await later(ms)
      reader.read()
    },
    close: async () => {
      tell({ what: 'ended' })
      await Promise.all(programs.map(program => program.end()))
      await Promise.all([...watching.values()].map(person => person.close()))
      await Promise.all(servers.map(server => server.end()))
      clearInterval(ticking)
      reader.read()
      await proxy.close()
    },
  }
}
