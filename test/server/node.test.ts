/** Whole nodes over virtual time: joining, stopping, and the property that everything stands on: a node is the fold over its log. */
import fc from 'fast-check'
import t from 'tap'
import { createMesh, linked, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser, connectUser, type MeshUser } from './user.ts'

t.test('two nodes link through an introducer, say so once, and learn of their users', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  t.same(
    first.events.filter(({ event }) => event === 'linked'),
    [{ event: 'linked', server_id: second.id }],
  )
  t.same(
    second.events.filter(({ event }) => event === 'linked'),
    [{ event: 'linked', server_id: first.id }],
  )
  const user = await attachUser(mesh, first, 3)
  await mesh.quiet()
  t.match(mesh.view(second).directory, [{ user_id: user.id, claims: [{ server_id: first.id }] }])
  t.same([...first.complaints, ...second.complaints], [])
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('three nodes that join through the first end with a link between every two', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const second = await mesh.start(1, { introducers: [first] })
  const third = await mesh.start(2, { introducers: [first] })
  const nodes = [first, second, third]
  const meshed = () => nodes.every(node => nodes.every(other => node === other || linked(mesh, node, other)))
  await mesh.until(meshed, 10_000, 'a full mesh')
  const user = await attachUser(mesh, third, 4)
  await mesh.quiet()
  for (const node of nodes) {
    t.match(mesh.view(node).directory, [{ user_id: user.id, claims: [{ server_id: third.id }] }], node.name)
    await sameAsItsLog(t, mesh, node)
  }
})

t.test('a node that finds no introducer keeps asking and joins when one is there', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  mesh.crash(first)
  const second = await mesh.start(1, { introducers: [first] })
  await mesh.pass(30_000)
  t.equal(second.events.filter(({ event }) => event === 'degraded').length, 1, 'the same is told once')
  t.equal(mesh.view(second).machines['bootstrap']?.state, 'waiting')
  const again = await mesh.restart(first)
  await mesh.until(() => linked(mesh, second, again) && linked(mesh, again, second), 10_000, 'linked')
  await mesh.until(() => second.events.some(({ event }) => event === 'recovered'), 15_000, 'that it is over is told too')
  for (const node of [again, second]) await sameAsItsLog(t, mesh, node)
})

t.test('a clean stop ends the sessions, tells users and peers, and is the last fact', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 4)
  await mesh.quiet()
  const stopped = first.running.stop('SIGTERM')
  await mesh.pass(1_000)
  await stopped
  const facts = await mesh.facts({ ...first, log: (await import('../../src/store/memory-log.ts')).memoryLog({ disk: first.disk }) })
  t.match(
    facts.slice(-2).map(({ fact }) => fact),
    [
      { type: 'session.ended', user: user.id, why: 'stopping' },
      { type: 'node.stopped', why: 'SIGTERM' },
    ],
  )
  t.same(first.events.at(-1), { event: 'stopping' })
  t.match(user.ended, [{ code: 1001 }], 'the user hears a goodbye')
  t.ok(second.events.some(({ event }) => event === 'unlinked'))
  t.same(first.fatals, [])
})

for (const end of ['accepted', 'dialled'])
  t.test(`a clean stop removes its users everywhere, over a link that it ${end}`, async t => {
    const mesh = createMesh(t)
    const pair = await startPair(mesh)
    const [first, second] = end === 'accepted' ? pair : [pair[1], pair[0]]
    const witness = await attachUser(mesh, second, 3)
    const user = await attachUser(mesh, first, 4)
    await mesh.quiet()
    const stopped = first.running.stop('SIGTERM')
    await mesh.pass(1_000)
    await stopped
    t.same(
      mesh.view(second).directory.map(({ user_id }) => user_id),
      [witness.id],
      'the peer knows that the user has left',
    )
    t.ok(
      witness.heard.some(({ type, payload }) => type === 'USER_REMOVE' && payload['user_id'] === user.id),
      'and so do its users',
    )
  })

t.test('a node refuses a log that belongs to another server', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  mesh.crash(first)
  await t.rejects(mesh.restart({ ...first, id: '00000000-0000-4000-8000-000000000001' as typeof first.id }), /log belongs to the server/)
})

const knows = (mesh: Mesh, node: MeshNode, user: string) => mesh.view(node).directory.some(({ user_id }) => user_id === user)

type Step =
  | { readonly do: 'attach' | 'drop' | 'leave'; readonly user: number; readonly at: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'crash' | 'deafen'; readonly at: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('attach', 'drop', 'leave'), user: fc.constantFrom(3, 4), at: fc.nat(1) }),
  fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(250, 5_000, 31_000, 50_000) }),
  fc.record({ do: fc.constantFrom('crash', 'deafen'), at: fc.nat(1) }),
)

t.test('after any scenario every node equals the fold over its log, and the mesh heals', async t => {
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async steps => {
      runs += 1
      const mesh = createMesh(t)
      const nodes: MeshNode[] = [...(await startPair(mesh))]
      const users = new Map<number, MeshUser>()
      for (const taken of steps) await take(mesh, nodes, users, taken)
      for (const node of nodes) node.host.deaf = false
      await mesh.until(
        () => linked(mesh, nodes[0] as MeshNode, nodes[1] as MeshNode) && linked(mesh, nodes[1] as MeshNode, nodes[0] as MeshNode),
        70_000,
        'the mesh heals',
      )
      await mesh.pass(31_000)
      for (const node of nodes) await sameAsItsLog(t, mesh, node)
      for (const node of nodes)
        for (const { user_id, local } of mesh.view(node).directory)
          if (local === 'attached')
            for (const other of nodes) t.ok(knows(mesh, other, user_id), `${other.name} knows who is attached at ${node.name}`)
      t.same(
        nodes.flatMap(({ fatals }) => fatals),
        [],
      )
      for (const node of nodes) mesh.crash(node)
    }),
    { numRuns: 12, seed: 20_250_917 },
  )
  t.equal(runs, 12)
})

const take = async (mesh: Mesh, nodes: MeshNode[], users: Map<number, MeshUser>, taken: Step): Promise<void> => {
  switch (taken.do) {
    case 'attach': {
      const node = nodes[taken.at] as MeshNode
      if (!node.host.deaf) users.set(taken.user, await connectUser(mesh, node, taken.user))
      await mesh.pass(250)
      return
    }
    case 'drop':
    case 'leave':
      users.get(taken.user)?.[taken.do]()
      await mesh.quiet()
      return
    case 'pass':
      await mesh.pass(taken.ms)
      return
    case 'crash': {
      const node = nodes[taken.at] as MeshNode
      mesh.crash(node)
      nodes[taken.at] = await mesh.restart(node)
      return
    }
    case 'deafen':
      ;(nodes[taken.at] as MeshNode).host.deaf = true
  }
}
