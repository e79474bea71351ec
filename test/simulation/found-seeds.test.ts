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
  ['what came in while a person left was shown as a mistake of the program', [69].map(seed => ({ seed, ...crowd }))],
]

for (const [what, worlds] of found)
  t.test(what, async t => {
    for (const world of worlds) t.same((await simulate(world, ground)).violations, [], `seed ${world.seed}`)
  })

t.test('a link that went deaf won over every new one that its other end dialled, and each of those counted as a sign of life', async t => {
  /** `server peer` → how often the link came up. */
  const linked = new Map<string, number>()
  const { violations } = await simulate(
    { seed: 3, servers: 4, users: 0, timeMs: 60_000, faults: ['half_open'] },
    ground,
    ({ witnesses }) => {
      witnesses.join({
        recorded(server, facts) {
          for (const { fact } of facts)
            if (fact.type === 'link.linked')
              linked.set(`${server.name} ${fact.server}`, (linked.get(`${server.name} ${fact.server}`) ?? 0) + 1)
        },
      })
    },
  )
  t.same(violations, [])
  // since pings find a dead socket at both ends at once, both dial, and each of the two sockets counts
  t.ok(Math.max(...linked.values()) <= 10, 'five connections went deaf, and no link came up more than twice for each', {
    linked: [...linked.values()],
  })
})
