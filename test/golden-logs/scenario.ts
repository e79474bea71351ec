/** A few minutes in the life of one node, for its golden log: nearly everything that can be recorded is, by whole nodes on virtual time. */
import type { Test } from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import type { RecordedFact } from '../../src/store/log.ts'
import { memoryLog } from '../../src/store/memory-log.ts'
import { testKey } from '../helpers/test-keys.ts'
import { correspondent, moment } from '../server/delivery-rig.ts'
import { createMesh, linked, type Mesh, type MeshNode } from '../server/mesh.ts'
import { attachUser, type MeshUser, userId } from '../server/user.ts'

const file = (n: number): string => `20000000-0000-4000-8000-00000000000${n}`

const offer = (from: MeshUser, to: MeshUser, n: number): Promise<void> =>
  from.send('FILE_START', to.id, { file_id: file(n), name: 'notes.txt', size: 12, sha256: 'a'.repeat(64), mode: 'dm' })

const met = (mesh: Mesh, one: MeshNode, other: MeshNode) => () => linked(mesh, one, other) && linked(mesh, other, one)

/** Messages to somebody who is away: two are read and one waits; of the receipts the newest is kept. */
const correspondence = async (mesh: Mesh, node: MeshNode, other: MeshNode): Promise<void> => {
  const eve = await correspondent(mesh, node, 8, { name: 'eve' })
  const fay = await correspondent(mesh, other, 9, { name: 'fay' })
  const away = async (user: MeshUser): Promise<void> => {
    user.leave()
    await mesh.pass(1_000)
  }
  await away(eve)
  const ids = [await fay.write(eve.id, 1), await fay.write(eve.id, 2)]
  await moment(mesh)
  const back = await correspondent(mesh, node, 8, { name: 'eve' })
  await mesh.until(() => back.got().length === 2, 5_000, 'both came')
  for (const id of ids) await back.confirm(fay.id, [id])
  await moment(mesh)
  await away(back)
  await fay.write(eve.id, 3)
  await moment(mesh)
}

/** An operator at work: a server is banned, let in again, trusted with another key, and banned for good; a user's key is let go. */
const operate = async (node: MeshNode, peer: MeshNode, user: string): Promise<void> => {
  await node.ask('peers.ban', { server: peer.id, why: 'floods us' })
  await node.ask('peers.unban', { server: peer.id })
  await node.ask('peers.trust', { server: peer.id, pubkey: (await testKey(7)).publicText })
  await node.ask('peers.ban', { server: peer.id, why: 'and again' })
  await node.ask('users.unpin', { user })
}

/** Every fact that the first of two nodes recorded, in two lives of it. */
export const goldenScenario = async (t: Test): Promise<readonly RecordedFact<Fact>[]> => {
  const mesh = createMesh(t)
  // newcomers that never link are forgotten within the scenario
  const config = { timing: { newcomerMs: 120_000 }, limits: { receiptsKept: 1 } }
  let second = await mesh.start(1, { config })
  // a member that is gone before anybody notices: the first pins it, never links with it, and forgets it
  const lost = await mesh.start(2, { config, introducers: [second] })
  await mesh.until(met(mesh, second, lost), 10_000, 'the lost one was there')
  lost.host.deaf = true
  second.host.deaf = true
  let first = await mesh.start(0, { config, introducers: [second] })
  await mesh.pass(10_000)
  second.host.deaf = false
  await mesh.until(met(mesh, first, second), 20_000, 'linked')

  // here and elsewhere: presence, messages, files that arrive and files that do not
  const ann = await attachUser(mesh, first, 3, { name: 'ann' })
  const ben = await attachUser(mesh, second, 4, { name: 'ben' })
  const cleo = await attachUser(mesh, first, 5, { name: 'cleo', proof: false })
  await mesh.quiet()
  await offer(ann, ben, 1)
  await ann.send('FILE_CHUNK', ben.id, { file_id: file(1), index: 0, ciphertext: 'A'.repeat(684) })
  await ann.send('FILE_END', ben.id, { file_id: file(1) })
  await mesh.quiet()
  await offer(cleo, ann, 2)
  await mesh.quiet()
  await mesh.pass(240_000)
  ben.leave()
  await mesh.quiet()
  mesh.crash(lost)
  const found = await mesh.restart(lost)
  await mesh.until(() => met(mesh, first, found)() && met(mesh, second, found)(), 70_000, 'the lost one is back')

  // the peer stops, and falls silent when it is back; meanwhile somebody takes an id there that another key took here
  const stops = second.running.stop('SIGTERM')
  await mesh.pass(5_000)
  await stops
  const dan = userId(6)
  await attachUser(mesh, first, 6, { id: dan, name: 'dan' })
  await offer(ann, cleo, 3)
  await mesh.quiet()
  first.host.deaf = true
  second = await mesh.restart(second)
  await attachUser(mesh, second, 7, { id: dan, name: 'dan' })
  await mesh.pass(10_000)
  first.host.deaf = false
  await mesh.until(met(mesh, first, second), 70_000, 'linked again')
  second.host.deaf = true
  await mesh.pass(60_000)
  second.host.deaf = false
  await mesh.until(met(mesh, first, second), 70_000, 'and again')
  cleo.drop()
  await mesh.pass(40_000)

  // killed while a user is here and a file is on its way; the peer stops in order and comes back elsewhere
  await offer(ann, ann, 4)
  await mesh.quiet()
  const stopping = second.running.stop('SIGTERM')
  await mesh.pass(5_000)
  await stopping
  mesh.crash(first)
  const moved = { server_id: second.id, host: '127.0.0.1', port: 9_101, pubkey: second.pubkey }
  first = await mesh.restart(first, { config: { ...config, servers: [moved] } })
  const annAgain = await attachUser(mesh, first, 3, { name: 'ann' })
  await mesh.pass(40_000)
  second = await mesh.restart(second, { config: { ...config, port: 9_101 }, introducers: [first] })
  await mesh.until(met(mesh, first, second), 70_000, 'the peer is back')
  await attachUser(mesh, { ...second, port: 9_101 }, 4, { name: 'ben' })
  await mesh.pass(130_000)
  await correspondence(mesh, first, { ...second, port: 9_101 })
  await operate(first, lost, dan)
  annAgain.leave()
  await mesh.quiet()
  const stopped = first.running.stop('SIGTERM')
  await mesh.pass(5_000)
  await stopped
  return Array.fromAsync(memoryLog<Fact>({ disk: first.disk }).read(1))
}
