/** Worlds in which mistakes were found, each with a sentence on what it was: they hold now. */
import t from 'tap'
import { faultNames } from '../../src/simulation/faults/faults.ts'
import { simulate, type SimulationOptions } from '../../src/simulation/simulation.ts'
import { ground } from './ground.ts'

const crowd = { servers: 3, users: 12, timeMs: 60_000, faults: faultNames.filter(name => name !== 'half_open') } as const

const found: readonly (readonly [what: string, worlds: readonly SimulationOptions[]])[] = [
  [
    'presence was told from the live state, before the fact that it stood for was durable',
    [1, 8].map(seed => ({ seed, servers: 3, users: 12, timeMs: 180_000, faults: ['mass', 'disk_slow', 'cut', 'user_kill'] })),
  ],
  [
    'a key that a client asked for while it had no connection was never asked for, and messages were shown as unverified',
    [82].map(seed => ({ seed, ...crowd })),
  ],
  [
    'whoever attached while a server was given up did not see all of its people when it was back',
    [178].map(seed => ({ seed, servers: 3, users: 12, timeMs: 60_000 })),
  ],
  [
    'an acknowledgement that was read when the connection was gone ended the keeping of a message, and a list was asked for without one',
    [6, 19].map(seed => ({ seed, servers: 3, users: 12, timeMs: 60_000, faults: ['ambush'] })),
  ],
  [
    'letters that came by way of another server were never answered again, and mail was deleted when its new home was lost',
    [102, 213].map(seed => ({ seed, servers: 3, users: 12, timeMs: 60_000 })),
  ],
  ['what came in while a person left was shown as a mistake of the program', [69].map(seed => ({ seed, ...crowd }))],
  [
    'a server that stood still when it was first dialled was taken for one of v1.3, and what it was given was lost',
    [3_976_922_344, 3_976_922_348].map(seed => ({ seed, servers: 3, users: 12, timeMs: 60_000 })),
  ],
  [
    'who left one server, and was still claimed by a silent one, was shown as surely there',
    [3].map(seed => ({ seed, servers: 3, users: 12, timeMs: 60_000, faults: ['letters', 'outage'] })),
  ],
]

for (const [what, worlds] of found)
  t.test(what, async t => {
    for (const world of worlds) t.same((await simulate(world, ground)).violations, [], `seed ${world.seed}`)
  })

t.test('a link that went deaf won over every new one that its other end dialled, and each of those counted as a sign of life', async t => {
  /** Two servers → how often each saw their link come up, and how often a connection between them went deaf. */
  const cameUp = new Map<string, number>()
  const deaf = new Map<string, number>()
  const more = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
  const { violations } = await simulate(
    { seed: 3, servers: 4, users: 0, timeMs: 60_000, faults: ['half_open'] },
    ground,
    ({ witnesses, servers }) => {
      const nameOf = new Map(servers.map(({ id, name }) => [id, name]))
      witnesses.join({
        recorded(server, facts) {
          for (const { fact } of facts) if (fact.type === 'link.linked') more(cameUp, `${server.name} ${nameOf.get(fact.server) ?? ''}`)
        },
        fault(_name, _what, { between }) {
          const [a = '', b = ''] = between as readonly string[]
          for (const name of [`${a} ${b}`, `${b} ${a}`]) more(deaf, name)
        },
      })
    },
  )
  t.same(violations, [])
  t.ok(deaf.size > 0)
  // both ends dial at once, so that each time one may see two
  for (const [name, times] of cameUp) t.ok(times <= 2 * (1 + (deaf.get(name) ?? 0)), name, { times, deaf: deaf.get(name) })
})
