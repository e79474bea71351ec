/** A server whose owner lies: an honest program whose machine sends more than the program knows of, under its own key only. */
import { signPayload } from '../../crypto/transport-signature.ts'
import { canonicalOf } from '../../protocol/canonical.ts'
import { type AnyFrame, encodeFrame, parseFrame } from '../../protocol/envelope.ts'
import type { FrameType } from '../../protocol/frames.ts'
import type { Base64Url } from '../../protocol/ids.ts'
import type { Connection } from '../connection.ts'
import type { Dice } from '../dice.ts'
import { createLife } from '../life.ts'
import type { SimulatedServer } from '../server.ts'
import { createUser, type SimulatedUser } from '../user.ts'
import type { World } from '../world.ts'
import type { Fault, Inject } from './fault.ts'

const linksOf = (world: World, server: SimulatedServer): readonly Connection[] =>
  world.network
    .connectionsOf(server.machine)
    .filter(
      ({ healthy, ends }) =>
        healthy && ends.every(({ machine }) => machine === server.machine || world.servers.some(other => other.machine === machine)),
    )

/** Has the liar send what `make` makes of the frames that it heard; nothing when it has no link, or heard nothing. */
export const lie =
  (make: (liar: SimulatedServer, world: World, dice: Dice, frames: readonly AnyFrame[]) => Promise<readonly string[]>): Inject =>
  (world, dice) => {
    const { liar, overheard } = world
    const links = liar === undefined ? [] : linksOf(world, liar)
    if (liar === undefined || links.length === 0 || overheard.length === 0) return undefined
    const first = dice.pick(links)
    const told = links.filter(link => link === first || dice.chance(0.5))
    const frames = overheard.map(text => parseFrame(text))
    void make(liar, world, dice, frames).then(texts => {
      for (const link of told) for (const text of texts) link.inject(liar.machine, text)
    })
    const to = told.flatMap(({ ends }) => ends.flatMap(({ machine }) => (machine === liar.machine ? [] : [machine.name])))
    return { parts: [liar.name], details: { to }, forMs: 0 }
  }

export const encode = (frame: AnyFrame, changes: Partial<Parameters<typeof encodeFrame>[0]> = {}): string => {
  const { type, from, to, ts, payloadText, sig } = frame
  return encodeFrame({ type, from, to, ts, payloadText, ...(sig !== undefined && { sig }), ...changes })
}

const nowOf = ({ quartz }: SimulatedServer, frames: readonly AnyFrame[]): number =>
  (frames.at(-1)?.ts ?? 0) + Math.abs(quartz.offsetMs % 7) + 1
/** A payload and the signature of a server over it. */
export const signedBy = async (
  server: SimulatedServer,
  world: World,
  dice: Dice,
  payload: unknown,
): Promise<{ readonly payloadText: string; readonly sig: Base64Url }> => {
  const crypto = world.place.crypto(
    createLife(() => {}),
    dice.fork('signing'),
  )
  const payloadText = canonicalOf(payload)
  return { payloadText, sig: await signPayload(crypto, await crypto.importPrivateKey(server.key.pkcs8), payloadText) }
}

/** Types between which a payload could mean something else. */
const disguises: readonly FrameType[] = ['USER_ADVERTISE', 'USER_REMOVE', 'SERVER_DELIVER', 'HEARTBEAT', 'SERVER_ANNOUNCE']

/** What others signed, again: byte for byte, later, to somebody else, or as another type; in any order. */
const replay = lie((liar, world, dice, frames) => {
  const now = nowOf(liar, frames)
  const to = dice.pick([...world.servers.map(({ id }) => id as string), '*'])
  return Promise.resolve(
    Array.from({ length: dice.whole(1, 12) }, () => {
      const frame = dice.pick(frames)
      return dice.pick([
        () => encode(frame),
        () => encode(frame, { ts: now }),
        () => encode(frame, { ts: now, to }),
        () => encode(frame, { ts: now, type: dice.pick(disguises) }),
      ])()
    }),
  )
})

/** Presence of others, all that it heard, latest first: what is old comes after what is new. */
const reorder = lie((_liar, _world, _dice, frames) =>
  Promise.resolve(
    frames
      .filter(({ type }) => type === 'USER_ADVERTISE' || type === 'USER_REMOVE')
      .reverse()
      .map(frame => encode(frame, { ts: frame.ts + 1 })),
  ),
)

/** What their home would say of a person, newer than anything that it said: an advertisement and a removal alike. */
const aboutPerson = (victim: SimulatedUser, called: string, count: number) => {
  const seq = [9_999_999_999, count]
  return { user_id: victim.id, server_id: victim.home.id, seq, meta: { display_name: called, pubkey: victim.key.text, extras: { seq } } }
}

/** In an honest server's name, without its signature. */
const forge = lie(async (liar, world, dice, frames) => {
  const now = nowOf(liar, frames)
  const victim = dice.pick(world.users)
  const payload = aboutPerson(victim, 'forged', 1)
  const own = await signedBy(liar, world, dice, payload)
  const type = dice.pick(['USER_REMOVE', 'USER_ADVERTISE'] as const)
  const other = frames.findLast(({ from, sig }) => from === victim.home.id && sig !== undefined)
  return [
    encodeFrame({ type, from: victim.home.id, to: '*', ts: now, ...own }),
    ...(other?.sig === undefined
      ? []
      : [encodeFrame({ type, from: victim.home.id, to: '*', ts: now + 1, payloadText: own.payloadText, sig: other.sig })]),
  ]
})

/** In its own name, about another server's person. */
const misattribute = lie(async (liar, world, dice, frames) => {
  const victim = dice.pick(world.users)
  const payload = aboutPerson(victim, 'misattributed', dice.whole(2, 99))
  const type = dice.pick(['USER_REMOVE', 'USER_ADVERTISE'] as const)
  return [encodeFrame({ type, from: liar.id, to: '*', ts: nowOf(liar, frames), ...(await signedBy(liar, world, dice, payload)) })]
})

/** It says that somebody else's person is its own, with another key. */
const claim = lie(async (liar, world, dice, frames) => {
  // whom a server has never heard of, it cannot tell from somebody else
  const known = world.users.filter(({ id, key }) =>
    world.servers.every(({ fold }) => fold.state.directory.pins.get(id)?.pubkey === key.text),
  )
  if (known.length === 0) return []
  const victim = dice.pick(known)
  const counter = world.schedule.now()
  const meta = { display_name: victim.name, pubkey: liar.key.text, extras: { seq: [9_999_999_999, Math.round(counter)] } }
  const payload = { user_id: victim.id, server_id: liar.id, meta }
  return [
    encodeFrame({
      type: 'USER_ADVERTISE',
      from: liar.id,
      to: '*',
      ts: nowOf(liar, frames),
      ...(await signedBy(liar, world, dice, payload)),
    }),
  ]
})

/** A great many frames at once, of which none means anything. */
const flood = lie((_liar, _world, dice, frames) => {
  const frame = dice.pick(frames)
  return Promise.resolve(Array.from({ length: dice.whole(100, 3_000) }, (_, index) => encode(frame, { ts: frame.ts + index })))
})

/** Somebody with a person's id and another key tries to be them, at their server or at another. */
const impostor: Inject = (world, dice) => {
  const victim = dice.pick(world.users)
  const home = dice.pick(world.servers)
  // whom a server has never heard of, it cannot tell from somebody else
  if (home.fold.state.directory.pins.get(victim.id)?.pubkey !== victim.key.text) return undefined
  const name = `impostor ${world.schedule.now()}`
  const address = `10.2.${dice.whole(0, 255)}.${dice.whole(1, 254)}`
  const person = createUser(world.place, dice, { name, address, named: [home], id: victim.id })
  // nobody cares for this program when it dies
  world.keepDown(person)
  person.start()
  return {
    parts: [name],
    details: { of: victim.name, at: person.home.name },
    forMs: dice.whole(1_000, 10_000),
    heal: () => {
      person.kill()
    },
  }
}

export const liesFaults = {
  replay: { what: 'a server sends again what others signed, also changed', inject: replay, lies: true },
  reorder: { what: 'a server sends the presence that it heard again, the oldest last', inject: reorder, lies: true },
  forge: { what: "a server sends in another's name", inject: forge, lies: true, people: 1 },
  misattribute: { what: "a server speaks in its own name about another's people", inject: misattribute, lies: true, people: 1 },
  claim: { what: "a server claims another's people with another key", inject: claim, lies: true, people: 1 },
  flood: { what: 'a server sends more than anybody can read', inject: flood, lies: true },
  impostor: { what: "somebody tries to attach under a person's id with another key", inject: impostor, people: 1 },
} as const satisfies Readonly<Record<string, Fault>>
