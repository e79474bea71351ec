/** What is done with files: large ones for slow readers, and homes that change those that they deliver or invent others. */
import { sealBlocks, signContent } from '../../crypto/content.ts'
import { encodeFrame, parseFrame } from '../../protocol/envelope.ts'
import type { FileId } from '../../protocol/ids.ts'
import type { FrameType } from '../../protocol/frames.ts'
import { WORLD_BEGAN } from '../clock.ts'
import type { Dice } from '../dice.ts'
import { contentOf } from '../files.ts'
import { createLife } from '../life.ts'
import { offer } from '../load.ts'
import type { SimulatedUser } from '../user.ts'
import type { World } from '../world.ts'
import type { Fault, Inject } from './fault.ts'
import { signedBy } from './lies.ts'

/** Two who are attached, of whom the first knows the second. */
const pairOf = ({ users, knows }: World, dice: Dice): readonly [SimulatedUser, SimulatedUser] | undefined => {
  const sender = dice.pick(users)
  const readers = users.filter(user => user !== sender && user.client?.attached === true && knows(sender, user))
  return sender.client?.attached !== true || readers.length === 0 ? undefined : [sender, dice.pick(readers)]
}

/** So many chunks that a sender who does not wait is far ahead: a reader needs longer for each than its sender. */
const LARGE_BYTES = { from: 500_000, to: 600_000 } as const

const large: Inject = (world, dice) => {
  const pair = pairOf(world, dice)
  if (pair === undefined) return undefined
  const [sender, reader] = pair
  offer(world, sender, reader, dice.whole(LARGE_BYTES.from, LARGE_BYTES.to))
  // nothing is wrong with that
  return { parts: [], details: { from: sender.name, to: reader.name }, forMs: 0 }
}

const FEW_BYTES = 300

/** A home puts a chunk of its own before the first of a file, or offers a whole one as somebody's. */
const tampers: Inject = (world, dice) => {
  const pair = pairOf(world, dice)
  if (pair === undefined) return undefined
  const [sender, reader] = pair
  const { home } = reader
  const crypto = world.place.crypto(
    createLife(() => {}),
    dice.fork('content'),
  )
  const ts = Math.round(WORLD_BEGAN + world.schedule.now())
  const say = async (type: FrameType, payload: Readonly<Record<string, unknown>>): Promise<void> => {
    const signed = await signedBy(home, world, dice, { ...payload, sender: sender.id })
    world.network
      .connectionsOf(reader.machine)
      .find(({ healthy, ends }) => healthy && ends.some(({ machine }) => machine === home.machine))
      ?.inject(home.machine, encodeFrame({ type, from: home.id, to: reader.id, ts, ...signed }))
  }
  const chunk = async (file_id: FileId, size: number): Promise<void> => {
    const ciphertext = await sealBlocks(crypto, await crypto.importPublicKey(reader.key.text), contentOf('another file', size))
    await say('FILE_CHUNK', { file_id, index: 0, ciphertext })
  }
  const invent = async (): Promise<void> => {
    const file_id = dice.uuid() as FileId
    const sha256 = Buffer.from(world.place.sha256(contentOf('another file', FEW_BYTES))).toString('hex')
    const offered = { name: 'another file', size: FEW_BYTES, sha256, mode: 'dm' }
    const key = await crypto.importPrivateKey(home.key.pkcs8)
    const content_sig = await signContent(crypto, key, {
      kind: 'offer',
      from: sender.id,
      to: reader.id,
      times: [ts],
      fileId: file_id,
      offer: offered,
    })
    await say('FILE_START', { file_id, ...offered, sender_pub: sender.key.text, content_sig })
    await chunk(file_id, FEW_BYTES)
    await say('FILE_END', { file_id })
  }
  if (dice.chance(0.5)) {
    void invent()
    return { parts: [], details: { to: reader.name, as: sender.name }, forMs: 0 }
  }
  const cancel = world.ambush(
    text => text.includes('"type":"FILE_START"') && text.includes(`"from":"${home.id}"`) && text.includes(reader.id),
    (_from, _to, text) => {
      const { file_id, size } = parseFrame(text).payload as { readonly file_id: FileId; readonly size: number }
      void chunk(file_id, size)
    },
  )
  offer(world, sender, reader, FEW_BYTES)
  // the file does not fit its hash, and is thrown away
  return { parts: [reader.name], details: { to: reader.name, of: sender.name }, forMs: 10_000, heal: cancel }
}

export const fileFaults = {
  large_file: { what: 'a person sends a large file, which its reader needs a while for', inject: large, people: 2 },
  home_file: { what: "a server changes a file that it delivers, or delivers one of its own as somebody's", inject: tampers, people: 2 },
} as const satisfies Readonly<Record<string, Fault>>
