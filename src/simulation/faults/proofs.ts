/** Somebody who is not that person: with a proof that was heard before, with one that they signed themselves, or by a server's word for it. */
import { signPayload } from '../../crypto/transport-signature.ts'
import { attachmentText } from '../../protocol/attachment.ts'
import { canonicalOf } from '../../protocol/canonical.ts'
import { type AnyFrame, encodeFrame, parseFrame } from '../../protocol/envelope.ts'
import { toBase64Url } from '../../protocol/encoding.ts'
import { limits } from '../../protocol/limits.ts'
import { WORLD_BEGAN } from '../clock.ts'
import type { Dice } from '../dice.ts'
import { createLife } from '../life.ts'
import type { World } from '../world.ts'
import type { Fault, Inject } from './fault.ts'
import { lie } from './lies.ts'

const NONCE_BYTES = 32
const DIAL_MS = 5_000
const FOR_MS = 8_000

const cryptoOf = ({ place }: World, dice: Dice) =>
  place.crypto(
    createLife(() => {}),
    dice.fork('signing'),
  )

/** Says a person's hello to their server once more, and answers the challenge with what it has. */
const parrot: Inject = (world, dice) => {
  const victim = dice.pick(world.users)
  const server = victim.home
  const said = (type: string): string | undefined => world.said(victim, server, type)
  const [hello, proof] = [said('USER_HELLO'), said('PROOF')]
  if (hello === undefined || proof === undefined) return undefined
  const replays = dice.chance(0.5)
  const machine = world.network.machine(`parrot ${world.schedule.now()}`, `10.3.${dice.whole(0, 255)}.${dice.whole(1, 254)}`)
  const life = createLife(() => {
    world.network.bury(machine)
  })
  const signed = async (challenge: AnyFrame): Promise<string> => {
    const frame = parseFrame(proof)
    const { nonce } = challenge.payload as { readonly nonce: string }
    const payloadText = canonicalOf({ ...(frame.payload as object), nonce, at: Math.round(WORLD_BEGAN + world.schedule.now()) })
    const crypto = cryptoOf(world, dice)
    const other = dice.pick(world.users.filter(user => user !== victim))
    const sig = await signPayload(crypto, await crypto.importPrivateKey(other.key.pkcs8), payloadText)
    return encodeFrame({ type: 'PROOF', from: victim.id, to: server.id, ts: frame.ts + 1, payloadText, sig })
  }
  const challenge = parseFrame(hello)
  const nonce = toBase64Url(dice.bytes(NONCE_BYTES))
  const url = `ws://${server.machine.address}:${server.port}`
  world.network
    .port(machine, life)
    .dial(url, { timeoutMs: DIAL_MS, maxBytes: limits.maxFrameBytes }, socket => ({
      message(text) {
        const frame = parseFrame(text)
        if (frame.type !== 'CHALLENGE') return
        if (replays) socket.send([proof])
        else
          void signed(frame).then(answer => {
            socket.send([answer])
          })
      },
      malformed() {},
      closed() {},
    }))
    .then(
      socket => {
        const { from, to, ts } = challenge
        socket.send([hello, encodeFrame({ type: 'CHALLENGE', from, to, ts: ts + 1, payloadText: canonicalOf({ nonce }) })])
      },
      () => {},
    )
  return {
    parts: [],
    details: { of: victim.name, at: server.name, replays },
    forMs: FOR_MS,
    heal: () => {
      life.die()
    },
  }
}

/** The liar says that somebody attached to it just now, and that they signed that. */
const lure = lie(async (liar, world, dice, frames) => {
  const victim = dice.pick(world.users)
  const crypto = cryptoOf(world, dice)
  const key = await crypto.importPrivateKey(liar.key.pkcs8)
  const at = Math.round(WORLD_BEGAN + world.schedule.now())
  const nonce = toBase64Url(dice.bytes(NONCE_BYTES))
  const sig = await signPayload(crypto, key, attachmentText({ user: victim.id, server: liar.id, nonce, at }))
  const extras = { seq: [9_999_999_999, Math.round(world.schedule.now())], caps: ['ack', 'bound', 'proof'], attached: { at, nonce, sig } }
  const payload = { user_id: victim.id, server_id: liar.id, meta: { display_name: victim.name, pubkey: victim.key.text, extras } }
  const payloadText = canonicalOf(payload)
  const ts = (frames.at(-1)?.ts ?? at) + 1
  return [
    encodeFrame({ type: 'USER_ADVERTISE', from: liar.id, to: '*', ts, payloadText, sig: await signPayload(crypto, key, payloadText) }),
  ]
})

export const proofFaults = {
  parrot: { what: "somebody says a person's hello again, with an old proof or one of their own", inject: parrot, people: 2 },
  lure: { what: "a server says that another's person has attached to it, and that they signed that", inject: lure, lies: true, people: 1 },
} as const satisfies Readonly<Record<string, Fault>>
