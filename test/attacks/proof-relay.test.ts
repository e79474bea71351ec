/** Attacks on proofs by somebody in the middle who dials both ends: each answers the other's challenge, and the link is the attacker's. */
import t from 'tap'
import { createIntruder, type Intrusion } from '../helpers/intruder.ts'
import { createMesh, idOf, linked, type Mesh, type MeshNode, startPair } from '../server/mesh.ts'
import type { HeardFrame } from '../server/user.ts'

const parsed = (text: string): HeardFrame => ({ ...(JSON.parse(text) as HeardFrame), text })
const linkings = async (mesh: Mesh, node: MeshNode): Promise<number> =>
  (await mesh.facts(node)).filter(({ fact }) => fact.type === 'link.linked').length
/** A node's announcement as anybody on the way saw it, with a new time: nothing of the envelope is signed. */
const announcementOf = (mesh: Mesh, node: MeshNode): string => {
  const seen = mesh.network.wire.map(({ text }) => parsed(text)).find(({ type, from }) => type === 'SERVER_ANNOUNCE' && from === node.id)
  return JSON.stringify({ ...seen, text: undefined, ts: Math.floor(mesh.clock.now()) })
}

t.test('two servers that both accepted a socket of the same stranger do not take it for a link between them', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const before = [await linkings(mesh, first), await linkings(mesh, second)]
  const events = [first.events.length, second.events.length]
  const mallory = await createIntruder(mesh, 3, idOf(3))
  const toBoth: Partial<Record<string, Intrusion>> = {}
  const relayTo = (node: MeshNode) => (frame: HeardFrame) => {
    // each speaks to the other, in its own name, over our two sockets
    if (['CHALLENGE', 'PROOF', 'HEARTBEAT'].includes(frame.type)) toBoth[node.id]?.send(frame.text)
  }
  toBoth[first.id] = await mallory.dial(first, relayTo(second))
  toBoth[second.id] = await mallory.dial(second, relayTo(first))
  toBoth[first.id]?.send(announcementOf(mesh, second))
  toBoth[second.id]?.send(announcementOf(mesh, first))
  await mesh.pass(20_000)
  t.ok(
    Object.values(toBoth).every(socket => socket?.heard.some(({ type }) => type === 'PROOF')),
    'both proved themselves to the other',
  )
  t.same([await linkings(mesh, first), await linkings(mesh, second)], before, 'yet neither linked')
  t.same([first.events.length, second.events.length], events)
  for (const socket of Object.values(toBoth)) {
    t.ok((socket?.ended.length ?? 0) > 0, 'the sockets of the one in the middle are closed')
    t.notOk(socket?.heard.some(({ type }) => type === 'HEARTBEAT'))
  }
  t.ok(linked(mesh, first, second) && linked(mesh, second, first))
})
