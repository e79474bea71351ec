/** Users of a mesh who ask for receipts and give them, at the level of frames. */
import { signContent } from '../../src/crypto/content.ts'
import { toBase64Url } from '../../src/protocol/encoding.ts'
import { messageInput } from '../../src/protocol/message-id.ts'
import { testKey } from '../helpers/test-keys.ts'
import type { Mesh, MeshNode } from './mesh.ts'
import { attachUser, type MeshUser, type UserOptions, userId } from './user.ts'

export interface Message {
  readonly id: string
  readonly text: string
}

export interface Correspondent extends MeshUser {
  /** A message as it leaves, and its name; `n` makes it another one. */
  compose(to: string, n: number, more?: Readonly<Record<string, unknown>>): Promise<Message>
  /** Composes and sends. */
  write(to: string, n: number, more?: Readonly<Record<string, unknown>>): Promise<string>
  /** Names of the messages that came, in order. */
  got(): readonly string[]
  /** `state name` of each message that a receipt told of, in order. */
  told(): readonly string[]
  confirm(sender: string, refs: readonly string[], more?: Readonly<Record<string, unknown>>): Promise<void>
}

/** Attached with key number `n`. */
export const correspondent = async (mesh: Mesh, node: MeshNode, n: number, options: UserOptions = {}): Promise<Correspondent> => {
  const user = await attachUser(mesh, node, n, { caps: ['proof', 'ack', 'receipts'], ...options })
  const privateKey = await (await testKey(n)).privateKey(mesh.crypto)
  const idOf = (from: string, to: string, ts: number, ciphertext: string): string =>
    toBase64Url(mesh.crypto.sha256(messageInput(from, to, ts, ciphertext)))
  const compose: Correspondent['compose'] = async (to, number, more = {}) => {
    const ts = Math.floor(mesh.clock.now()) + number
    const ciphertext = toBase64Url(new TextEncoder().encode(`message ${number} of ${user.id}`))
    const sig = await signContent(mesh.crypto, privateKey, { kind: 'direct', from: user.id, to, times: [ts], ciphertext })
    const text = await user.sign('MSG_DIRECT', to, { ciphertext, content_sig: sig, receipt: true, ...more }, ts)
    return { id: idOf(user.id, to, ts, ciphertext), text }
  }
  return {
    ...user,
    compose,
    write: async (to, number, more) => {
      const { id, text } = await compose(to, number, more)
      user.raw(text)
      await mesh.quiet()
      return id
    },
    got: () =>
      user.heard.flatMap(({ type, ts, payload }) =>
        type === 'USER_DELIVER' ? [idOf(String(payload['sender']), user.id, ts, String(payload['ciphertext']))] : [],
      ),
    told: () =>
      user.heard.flatMap(({ type, payload }) =>
        type === 'RECEIPT' ? (payload['refs'] as string[]).map(ref => `${String(payload['state'])} ${ref}`) : [],
      ),
    confirm: async (sender, refs, more = {}) => {
      await user.send('RECEIPT', sender, { sender, recipient: user.id, refs, state: 'delivered', ...more })
      await mesh.quiet()
    },
  }
}

export const waiting = (node: MeshNode, n: number): number => node.fold.state.mailboxes.of.get(userId(n))?.waiting.size ?? 0

const namesOnDisk = (node: MeshNode): readonly string[] => [...node.disk.mail.values()].flatMap(box => [...box.keys()])
const isReceipt = (name: string): boolean => name.startsWith('receipt ')
/** Messages on a node's disk. */
export const letters = (node: MeshNode): number => namesOnDisk(node).filter(name => !isReceipt(name)).length
/** Receipts on a node's disk. */
export const keptReceipts = (node: MeshNode): number => namesOnDisk(node).filter(isReceipt).length

/** 100 ms in steps in which a word goes on by one server each. */
export const moment = async (mesh: Mesh): Promise<void> => {
  for (let step = 0; step < 4; step += 1) await mesh.pass(25)
}
