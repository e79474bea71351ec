/** Two real servers with an admitted liar, an admitted listener and three users at frame level: the stage of the attacks. */
import type { Test } from 'tap'
import { attachFrameUser } from './frame-client-user.ts'
import type { FrameUser } from './frame-client-user.ts'
import { newId } from './frame-client.ts'
import type { FrameSocket, Heard } from './frame-client.ts'
import type { Processes, ServerProcess } from './processes.ts'
import { directContent, seal, signText } from './stock-crypto.ts'
import type { StockKey } from './stock-crypto.ts'
import { startStockPair } from './stock-pair.ts'
import { startStockServer } from './stock-server.ts'
import type { StockServer } from './stock-server.ts'

export interface StockMesh {
  readonly rig: Processes
  readonly keyOf: (n: number) => StockKey
  readonly home: ServerProcess
  readonly away: ServerProcess
  /** An admitted server that will lie; its sockets to both servers, renewed by `readmitEvil` when they were closed on it. */
  readonly evil: StockServer
  readonly evilAtHome: () => FrameSocket
  readonly evilAtAway: () => FrameSocket
  /** Says it on both links, as a stock server does: whose link is up is believed on that link only. */
  /** The next sequence of evil's presence: it orders its events as our own servers do, so that none is refused as old. */
  readonly evilSeq: () => readonly [number, number]
  /** An honest advertisement by evil of a user of its own. */
  readonly evilAdvertises: (user: string, name?: string) => string
  readonly evilTells: (text: string) => void
  readonly readmitEvil: () => Promise<void>
  /** An admitted server that listens. */
  readonly witness: StockServer
  readonly witnessTells: (text: string) => void
  /** Stock users: alice and mallory at home, bob away. */
  readonly alice: FrameUser
  readonly bob: FrameUser
  readonly mallory: FrameUser
  readonly alicesAdvertisement: Heard
  readonly bobsAdvertisement: Heard
  /** An honest message from one user to another: whatever was sent before it on this path has been handled. */
  readonly barrier: (from?: FrameUser, to?: FrameUser) => Promise<void>
  /** An honest user of evil's comes and goes: what evil sent before on its links has been handled and gossiped. */
  readonly gossipBarrier: () => Promise<void>
  /** The server at which `seer` sees this user. */
  readonly homeOf: (seer: FrameUser, user: string) => Promise<unknown>
  readonly everybodyIsWhereTheyWere: (t: Test) => Promise<void>
}

export const isAbout =
  (type: string, user: string) =>
  (frame: Heard): boolean =>
    frame.type === type && frame.payload.user_id === user
export const recipient = (user: FrameUser): { id: string; keyText: string } => ({ id: user.id, keyText: user.keyText })
/** How many messages this user got so far. */
export const delivered = (user: FrameUser): number => user.socket.heard.filter(frame => frame.type === 'USER_DELIVER').length

/** What a direct message's payload holds, signed by `key` in `from`'s name. */
export const messagePayload = (from: FrameUser, to: FrameUser, text: string, ts: number, key = from.key): Record<string, unknown> => {
  const ciphertext = seal(to.keyText, text)
  return { ciphertext, sender_pub: key.text, content_sig: signText(key, directContent(ciphertext, from.id, to.id, ts)) }
}

/** Starts it; everything ends with the test. */
export const startStockMesh = async (t: Test): Promise<StockMesh> => {
  const { rig, home, away, keyOf } = await startStockPair(t)
  const evil = await startStockServer({ key: keyOf(2) })
  const witness = await startStockServer({ key: keyOf(3) })
  t.teardown(() => Promise.all([evil.close(), witness.close()]))
  const admit = async (guest: StockServer): Promise<FrameSocket> => {
    const { socket } = await guest.join(home.url)
    socket.send(guest.announcement())
    for (const server of [home, away]) await server.waitFor('linked', event => event.server_id === guest.id)
    return socket
  }
  let evilAtHome = await admit(evil)
  let evilAtAway = await evil.link(away.url)
  const witnessAtHome = await admit(witness)
  const witnessAtAway = await witness.link(away.url)

  const alice = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'alice' })
  const bob = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'bob' })
  const mallory = await attachFrameUser({ url: home.url, key: keyOf(6), name: 'mallory' })
  t.teardown(() => {
    for (const user of [alice, bob, mallory]) user.socket.webSocket.terminate()
  })
  const alicesAdvertisement = await witness.waitFor(isAbout('USER_ADVERTISE', alice.id))
  const bobsAdvertisement = await witness.waitFor(isAbout('USER_ADVERTISE', bob.id))
  await alice.socket.waitFor(isAbout('USER_ADVERTISE', bob.id))

  let barriers = 0
  let events = 0
  const evilSeq = (): readonly [number, number] => {
    events += 1
    return [1, events]
  }
  const evilAdvertises = (user: string, name = 'honest'): string => {
    const meta = { pubkey: keyOf(7).text, display_name: name, extras: { seq: evilSeq() } }
    return evil.signed('USER_ADVERTISE', '*', { user_id: user, server_id: evil.id, meta })
  }
  const evilTells = (text: string): void => {
    evilAtHome.send(text)
    evilAtAway.send(text)
  }
  const homeOf = async (seer: FrameUser, user: string): Promise<unknown> =>
    (await seer.list()).find(entry => entry.user_id === user)?.server_id
  return {
    rig,
    keyOf,
    home,
    away,
    evil,
    evilAtHome: () => evilAtHome,
    evilAtAway: () => evilAtAway,
    evilSeq,
    evilAdvertises,
    evilTells,
    readmitEvil: async () => {
      evilAtHome = await admit(evil)
      evilAtAway = await evil.link(away.url)
    },
    witness,
    witnessTells: text => {
      witnessAtHome.send(text)
      witnessAtAway.send(text)
    },
    alice,
    bob,
    mallory,
    alicesAdvertisement,
    bobsAdvertisement,
    barrier: async (from = alice, to = bob) => {
      barriers += 1
      const text = `barrier ${String(barriers)}`
      from.socket.send(from.direct(recipient(to), text))
      await to.socket.waitFor(frame => frame.type === 'USER_DELIVER' && to.read(frame) === text, { what: text })
    },
    gossipBarrier: async () => {
      const user = newId()
      evilTells(evilAdvertises(user, 'barrier'))
      await witness.waitFor(isAbout('USER_ADVERTISE', user), { what: 'the gossip barrier at the witness' })
      for (const seer of [alice, bob]) {
        await seer.socket.waitFor(isAbout('USER_ADVERTISE', user), { what: `the gossip barrier at ${seer.name}` })
      }
      evilTells(evil.signed('USER_REMOVE', '*', { user_id: user, server_id: evil.id, seq: evilSeq() }))
      for (const seer of [alice, bob]) await seer.socket.waitFor(isAbout('USER_REMOVE', user), { what: `the removal at ${seer.name}` })
    },
    homeOf,
    everybodyIsWhereTheyWere: async t => {
      for (const seer of [alice, bob]) {
        t.equal(await homeOf(seer, alice.id), home.id, `${seer.name} sees alice at home`)
        t.equal(await homeOf(seer, bob.id), away.id, `${seer.name} sees bob away`)
      }
    },
  }
}
