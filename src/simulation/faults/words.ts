/** Words that nobody gave: receipts of messages that nobody has, from a home, from a server that lies, and from somebody on the way. */
import { type AnyFrame, encodeFrame, parseFrame } from '../../protocol/envelope.ts'
import { sealBlocks, signContent } from '../../crypto/content.ts'
import { messageInput } from '../../protocol/message-id.ts'
import { toBase64Url, utf8 } from '../../protocol/encoding.ts'
import type { Dice } from '../dice.ts'
import { WORLD_BEGAN } from '../clock.ts'
import { createLife } from '../life.ts'
import { listedAt } from '../paths.ts'
import type { SimulatedServer } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { World } from '../world.ts'
import type { Fault, Inject } from './fault.ts'
import { signedBy } from './lies.ts'
import { readerAndWriters, writtenToAway } from './mail.ts'

type State = 'delivered' | 'waiting' | 'full'

interface Word {
  readonly state: State
  /** Whose word it pretends to be. */
  readonly from: string
  /** Whose key signs it. */
  readonly by: SimulatedServer
}

/** A receipt of the message in this frame. */
const receiptOf = async (world: World, dice: Dice, { from: sender, to: recipient, ts, payload }: AnyFrame, word: Word): Promise<string> => {
  const { ciphertext } = payload as { readonly ciphertext: string }
  const refs = [toBase64Url(world.place.sha256(messageInput(sender, recipient, ts, ciphertext)))]
  const signed = await signedBy(word.by, world, dice, { sender, recipient, refs, state: word.state })
  return encodeFrame({ type: 'RECEIPT', from: word.from, to: sender, ts: ts + 1, ...signed })
}

/** Answers the next message that a person sends before anybody else can: `words` at that person's connection, or at the liar's link to their server. */
const answering =
  (words: (world: World, home: SimulatedServer, message: AnyFrame) => readonly Word[], where: 'person' | 'link' | 'between'): Inject =>
  (world, dice) => {
    const { liar, network } = world
    const cancel = world.ambush(
      text => text.includes('"type":"MSG_DIRECT"') && text.includes('"receipt":true'),
      (from, to, text) => {
        const message = parseFrame(text)
        const writer: SimulatedUser | undefined = world.users.find(({ machine }) => machine === from)
        const home = world.servers.find(({ machine }) => machine === to)
        if (writer === undefined || home === undefined) return
        const far = world.users.find(({ id }) => id === message.to)?.home
        const [speaker, hearer] = {
          person: [home.machine, from],
          link: [liar?.machine, home.machine],
          between: [far === home ? undefined : far?.machine, home.machine],
        }[where]
        if (hearer === undefined || speaker === undefined) return
        const way = network.connectionsOf(hearer).find(({ healthy, ends }) => healthy && ends.some(({ machine }) => machine === speaker))
        if (way === undefined) return
        for (const word of words(world, home, message))
          void receiptOf(world, dice, message, word).then(receipt => {
            way.inject(speaker, receipt)
          })
      },
    )
    // it changes nothing for anybody
    return { parts: [], details: {}, forMs: 30_000, heal: cancel }
  }

/** A reader's word is the reader's own, whoever passes it on. */
const homeReceipt = answering((_world, home, { to }) => [{ state: 'delivered', from: to, by: home }], 'person')

/** A server speaks of its own mailboxes only. */
const liarReceipt = answering(
  ({ liar }, home, { to }) =>
    liar === undefined
      ? []
      : [
          { state: 'waiting', from: liar.id, by: liar },
          { state: 'full', from: home.id, by: liar },
          { state: 'delivered', from: to, by: liar },
        ],
  'link',
)

/** Whoever can write into a connection has nobody's key. */
const strangerReceipt = answering(
  ({ liar }, home) =>
    liar === undefined
      ? []
      : [
          { state: 'waiting', from: home.id, by: liar },
          { state: 'full', from: home.id, by: liar },
        ],
  'person',
)

/** The same between two servers, as if it were that of the reader. */
const linkReceipt = answering(({ liar, users }, _home, { to }) => {
  const far = users.find(({ id }) => id === to)?.home
  return liar === undefined || far === undefined ? [] : [{ state: 'waiting', from: far.id, by: liar }]
}, 'between')

/** Somebody is away, and what waits for them was shown to them, by the word of one who has nothing to do with it. */
const liarRead: Inject = (world, dice) => {
  const { liar, network, schedule } = world
  const found = readerAndWriters(world, dice)
  if (liar === undefined || found === undefined) return undefined
  const [reader, writers] = found
  const writer = dice.pick(writers)
  const lie = async (server: SimulatedServer, refs: readonly string[]): Promise<void> => {
    const way = network
      .connectionsOf(liar.machine)
      .find(({ healthy, ends }) => healthy && ends.some(({ machine }) => machine === server.machine))
    const ts = Math.round(WORLD_BEGAN + schedule.now())
    const signed = await signedBy(liar, world, dice, { sender: writer.id, recipient: reader.id, refs, state: 'delivered' })
    way?.inject(liar.machine, encodeFrame({ type: 'RECEIPT', from: reader.id, to: writer.id, ts, ...signed }))
  }
  const back = writtenToAway(world, dice, reader, writer)
  schedule.after(5_000, () => {
    for (const server of world.servers) {
      const waiting = server.fold.state.mailboxes.of.get(reader.id)?.waiting
      if (waiting !== undefined) void lie(server, [...waiting.keys()])
    }
  })
  return {
    parts: [reader.name],
    details: { to: reader.name, from: writer.name },
    forMs: dice.whole(7_000, 15_000),
    heal: back,
  }
}

/** A text that nobody wrote, as if it had waited at the liar for one of another's people. */
const forgedMail: Inject = (world, dice) => {
  const { liar, network } = world
  // for who is away no server speaks
  const absent = world.users.filter(({ id }) => world.servers.every(server => listedAt(server, id) === undefined))
  const [sender, reader] = [dice.pick(absent.length > 0 ? absent : world.users), dice.pick(world.users)]
  const way =
    liar &&
    network.connectionsOf(liar.machine).find(({ healthy, ends }) => healthy && ends.some(({ machine }) => machine === reader.home.machine))
  if (liar === undefined || way === undefined || sender === reader) return undefined
  const send = async (): Promise<void> => {
    const crypto = world.place.crypto(
      createLife(() => {}),
      dice.fork('mail'),
    )
    const ts = Math.round(WORLD_BEGAN + world.schedule.now())
    const ciphertext = await sealBlocks(crypto, await crypto.importPublicKey(reader.key.text), utf8(`forged ${ts}`))
    const key = await crypto.importPrivateKey(liar.key.pkcs8)
    const content_sig = await signContent(crypto, key, { kind: 'direct', from: sender.id, to: reader.id, times: [ts], ciphertext })
    const payload = { user_id: reader.id, sender: sender.id, sender_pub: sender.key.text, ciphertext, content_sig, receipt: true }
    way.inject(
      liar.machine,
      encodeFrame({ type: 'SERVER_DELIVER', from: liar.id, to: reader.home.id, ts, ...(await signedBy(liar, world, dice, payload)) }),
    )
  }
  void send()
  return { parts: [liar.name], details: { as: sender.name, to: reader.name }, forMs: 0 }
}

export const wordFaults = {
  forged_mail: {
    what: "a server delivers to another's person what it wrote itself as somebody's",
    inject: forgedMail,
    lies: true,
    people: 2,
  },
  home_receipt: { what: 'a server tells one of its people that a message was read, which it was not', inject: homeReceipt, people: 2 },
  liar_receipt: { what: "a server says that it, or another's person, has a message", inject: liarReceipt, lies: true, people: 2 },
  liar_read: { what: "a server says that another's person was shown what waits for them", inject: liarRead, lies: true, people: 2 },
  link_receipt: {
    what: "somebody between two servers says in one's name that a message waits there",
    inject: linkReceipt,
    lies: true,
    people: 2,
  },
  stranger_receipt: {
    what: "somebody on the way says in a server's name what became of a message",
    inject: strangerReceipt,
    lies: true,
    people: 2,
  },
} as const satisfies Readonly<Record<string, Fault>>
