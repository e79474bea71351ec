/** A home that lies to its own people: it has all that they receive, and its word is what they see. */
import { sealBlocks, signContent } from '../../crypto/content.ts'
import { type AnyFrame, encodeFrame, parseFrame } from '../../protocol/envelope.ts'
import { utf8 } from '../../protocol/encoding.ts'
import type { Dice } from '../dice.ts'
import { createLife } from '../life.ts'
import type { SimulatedUser } from '../user.ts'
import type { Delivery, World } from '../world.ts'
import type { Fault, Inject } from './fault.ts'
import { encode, signedBy } from './lies.ts'

/** Sends in the name of a person's server; nothing when there is no way to them. */
const hand = ({ network }: World, { machine, home }: SimulatedUser, texts: readonly string[]): void => {
  const connection = network
    .connectionsOf(machine)
    .find(({ healthy, ends }) => healthy && ends.some(({ machine: other }) => other === home.machine))
  for (const text of texts) connection?.inject(home.machine, text)
}

type Deceive = (world: World, dice: Dice, delivery: Delivery, frame: AnyFrame) => Promise<readonly string[]>

const cryptoOf = ({ place }: World, dice: Dice) =>
  place.crypto(
    createLife(() => {}),
    dice.fork('content'),
  )

/** What was delivered once more, and as if it were of another time. */
const again: Deceive = (_world, _dice, { text }, frame) => Promise.resolve([text, encode(frame, { ts: frame.ts + 1 })])

/** A text of its own as somebody's, sealed to the one who reads it and signed by the server alone. */
const invent: Deceive = async (world, dice, { to }, frame) => {
  const crypto = cryptoOf(world, dice)
  const sender = dice.pick(world.users)
  const ciphertext = await sealBlocks(crypto, await crypto.importPublicKey(to.key.text), utf8(`invented ${world.schedule.now()}`))
  const { home } = to
  const fields = { kind: 'direct', from: sender.id, to: to.id, times: [frame.ts], ciphertext } as const
  const content_sig = await signContent(crypto, await crypto.importPrivateKey(home.key.pkcs8), fields)
  const payload = { ...(frame.payload as object), ciphertext, content_sig, sender: sender.id, sender_pub: sender.key.text }
  return [encodeFrame({ type: 'USER_DELIVER', from: home.id, to: to.id, ts: frame.ts, ...(await signedBy(home, world, dice, payload)) })]
}

/** A ciphertext that one person wrote, signed by another who is in league with the server. */
const steal: Deceive = async (world, dice, { to }, frame) => {
  const { ciphertext, sender } = frame.payload as { readonly ciphertext?: string; readonly sender?: string }
  const accomplice = dice.pick(world.users)
  if (ciphertext === undefined || accomplice.id === sender || accomplice === to) return []
  const crypto = cryptoOf(world, dice)
  const { home } = to
  const fields = { kind: 'direct', from: accomplice.id, to: to.id, times: [frame.ts], ciphertext } as const
  const content_sig = await signContent(crypto, await crypto.importPrivateKey(accomplice.key.pkcs8), fields)
  const payload = { ...(frame.payload as object), content_sig, sender: accomplice.id, sender_pub: accomplice.key.text }
  return [encodeFrame({ type: 'USER_DELIVER', from: home.id, to: to.id, ts: frame.ts, ...(await signedBy(home, world, dice, payload)) })]
}

const deceive =
  (make: Deceive): Inject =>
  (world, dice) => {
    if (world.delivered.length === 0) return undefined
    const delivery = dice.pick(world.delivered)
    const { to, text } = delivery
    void make(world, dice, delivery, parseFrame(text)).then(texts => {
      hand(world, to, texts)
    })
    // it changes nothing for anybody
    return { parts: [], details: { on: to.name }, forMs: 0 }
  }

/** Another key for somebody: the one who is told so is alarmed, writes to them no more, and starts the program again after a while. */
const anotherKey: Inject = (world, dice) => {
  const user = dice.pick(world.users)
  // whose key was never seen is believed at first sight
  const others = world.users.filter(other => other !== user && world.knows(user, other))
  if (others.length === 0) return undefined
  const about = dice.pick(others)
  const { home } = user
  const meta = { display_name: about.name, pubkey: home.key.text, extras: { caps: ['ack', 'bound', 'proof'] } }
  const payload = { user_id: about.id, server_id: home.id, meta }
  const ts = (world.delivered.length === 0 ? 0 : parseFrame(world.delivered.at(-1)?.text ?? '').ts) + 1
  void signedBy(home, world, dice, payload).then(signed => {
    hand(world, user, [encodeFrame({ type: 'USER_ADVERTISE', from: home.id, to: user.id, ts, ...signed })])
  })
  return {
    parts: [user.name],
    details: { on: user.name, about: about.name },
    forMs: dice.whole(2_000, 15_000),
    heal: () => {
      user.kill()
    },
  }
}

export const homeFaults = {
  home_again: { what: 'a server delivers once more what it delivered, also under another time', inject: deceive(again) },
  home_invents: { what: "a server delivers a text of its own as somebody's", inject: deceive(invent) },
  home_steals: { what: "a server delivers what one person wrote as another's, who helps it", inject: deceive(steal) },
  home_key: { what: 'a server tells one of its people another key for somebody', inject: anotherKey, people: 2 },
} as const satisfies Readonly<Record<string, Fault>>
