/** Receipts: readers' words are passed on unchanged towards the sender, servers' words about their own mailboxes are made and told here. */
import { homeOf } from '../domain/directory.ts'
import { lastHomeOf } from '../domain/homes.ts'
import { createRecent } from '../crypto/recent.ts'
import { encodeFrame, type Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import { limits as wire } from '../protocol/limits.ts'
import type { ServerPeer } from './connection.ts'
import { createKeptReceipts } from './kept-receipts.ts'
import type { Node } from './node.ts'
import { frameText, signedEvent } from './signed-event.ts'
import { verifyBy } from './verify.ts'

type Receipt = Frame<'RECEIPT'>
/** What a server says of a message. */
export type ServerWord = 'waiting' | 'full' | 'passed' | 'unknown'

export interface Receipts {
  /** A receipt of a reader who is attached here, verified. */
  fromReader(frame: Receipt): void
  /** Takes a receipt from a link; rejects with a `ProtocolError` when it is not what it says. */
  fromServer(peer: ServerPeer, frame: Receipt, text: string): Promise<void>
  /** Tells whoever handed a message in what this server did with it; a copy is told again, but not at every turn. */
  tell(state: ServerWord, message: { readonly id: string; readonly sender: UserId; readonly recipient: UserId }, to?: ServerId): void
  /** A sender who is attached here asks what became of messages that had waited. */
  askedBy(sender: UserId, frame: Frame<'RECEIPT_ASK'>): void
  /** A server asks for a sender of its own. Throws a `ProtocolError` when it is not. */
  askedFor(frame: Frame<'RECEIPT_ASK'>, origin: ServerId): void
  /** Deletes receipts that were kept for too long. */
  expire(): void
  /** Answers a copy of a message whose reader has answered; false when that is not known here any more. */
  answered(message: { readonly id: string; readonly sender: UserId; readonly recipient: UserId }, via: ServerId | undefined): boolean
}

/** Readers' receipts that are kept to answer copies with, by reader and message: what somebody says of others' messages answers nothing. */
const KEPT = 8_192
/** Words of ours that are gathered before they are signed: one signature for up to 64 messages. */
const GATHER_MS = 20
/** A copy is not answered again within this time: each answer costs a signature. */
const AGAIN_MS = 2_000

export const createReceipts = (node: Node): Receipts => {
  const kept = createRecent<string, string>(KEPT)
  const told = createRecent<string, number>(KEPT)
  const disk = createKeptReceipts(node)
  const gathering = new Map<string, Set<string>>()

  /** To the sender here, or to a server: the one that handed the message in, or the home of its sender. */
  const pass = (sender: UserId, via: ServerId | undefined, text: string | Promise<string>): void => {
    const connection = node.sessions.connectionOf(sender)
    if (via === undefined && connection !== undefined) {
      connection.channel.send('traffic', text)
      return
    }
    const home = via ?? homeOf(node.state.directory, sender, node.links.isLinked)
    if (home !== undefined && home !== 'local') node.links.send(home, 'traffic', text)
  }

  const sayNow = (state: ServerWord, sender: UserId, recipient: UserId, to: ServerId | undefined, refs: readonly string[]): void => {
    const event = signedEvent(node.signer, { sender, recipient, refs, state }, 'message')
    pass(sender, to, frameText(event, { type: 'RECEIPT', from: node.self.id, to: sender, ts: node.nextTs() }))
  }

  /**
   * Receipts that came while their sender was away; a sender who gets one again knows it. Of what is neither read nor waits here they are told
   * so: their reader was elsewhere then, or a mailbox is lost.
   */
  const answer = (sender: UserId, { recipient, refs }: Frame<'RECEIPT_ASK'>['payload'], via: ServerId | undefined): void => {
    if (lastHomeOf(node.state, recipient, node.links.isLinked) === 'local') {
      const read = disk.about(recipient)
      for (const id of refs) if (!read.has(id) && !node.delivery.has(recipient, id)) self.tell('unknown', { id, sender, recipient }, via)
    }
    disk
      .find(recipient, sender, refs)
      .then(texts => {
        for (const text of texts) pass(sender, via, text)
      })
      .catch((error: unknown) => {
        node.log('error', 'a receipt that was kept could not be read', { reader: recipient, error: String(error) })
      })
  }

  const self: Receipts = {
    fromReader({ type, from, to, ts, payload, payloadText, sig }) {
      const text = encodeFrame({ type, from, to, ts, payloadText, ...(sig !== undefined && { sig }) })
      const { sender, recipient, refs, state } = payload
      for (const ref of refs) kept.set(`${recipient} ${ref}`, text)
      const { via, waited } = node.delivery.settle(recipient, refs, state === 'delivered' ? 'delivered' : 'refused')
      disk.keep(recipient, sender, waited, text)
      node.runtime.release(() => {
        pass(sender, undefined, text)
        for (const server of via) node.links.send(server, 'traffic', text)
      })
    },
    async fromServer(peer, frame, text) {
      const { sender, recipient, refs, state } = frame.payload
      if (state === 'delivered' || state === 'refused') {
        const pinned = node.state.directory.pins.get(recipient)
        if (pinned === undefined || frame.from !== recipient) throw new ProtocolError('INVALID_SIG', 'not_the_reader')
        await verifyBy(node, frame, await node.keys.import(pinned.pubkey))
        for (const ref of refs) kept.set(`${recipient} ${ref}`, text)
        disk.keep(recipient, sender, node.delivery.settle(recipient, refs, state).waited, text)
        // never from link to link: two servers that each think that the other has the sender would pass it on for ever
        const connection = node.sessions.connectionOf(sender)
        node.runtime.release(() => {
          connection?.channel.send('traffic', text)
        })
        return
      }
      const { directory, homes } = node.state
      const isHome =
        directory.users.get(recipient)?.claims.some(({ server }) => server === peer.id) ?? homes.get(recipient)?.server === peer.id
      if (frame.from !== peer.id || !isHome || state === 'passed') throw new ProtocolError('INVALID_SIG', 'not_home')
      await verifyBy(node, frame, peer.key)
      if (state === 'waiting') node.delivery.settle(recipient, refs, 'moved')
      if (node.sessions.connectionOf(sender) !== undefined) for (const id of refs) self.tell(state, { id, sender, recipient })
    },
    askedBy(sender, { payload }) {
      const { recipient, refs } = payload
      const home = lastHomeOf(node.state, recipient, node.links.isLinked)
      if (home === 'local') answer(sender, payload, undefined)
      if (home === undefined || home === 'local' || !node.links.capsOf(home).includes('receipt-ask')) return
      const event = signedEvent(node.signer, { sender, recipient, refs }, 'message')
      node.links.send(home, 'traffic', frameText(event, { type: 'RECEIPT_ASK', from: node.self.id, to: home, ts: node.nextTs() }))
    },
    askedFor({ payload }, origin) {
      const { sender } = payload
      const isTheirs = sender !== undefined && node.state.directory.users.get(sender)?.claims.some(({ server }) => server === origin)
      if (isTheirs !== true) throw new ProtocolError('INVALID_SIG', 'not_home')
      answer(sender, payload, origin)
    },
    expire: disk.expire,
    tell(state, { id, sender, recipient }, to) {
      const now = node.ports.clock.monotonic()
      if (now - (told.get(`${state} ${id}`) ?? -Infinity) < AGAIN_MS) return
      told.set(`${state} ${id}`, now)
      const key = JSON.stringify([state, sender, recipient, to ?? null])
      const refs = gathering.get(key)
      if (refs !== undefined) {
        refs.add(id)
        if (refs.size < wire.maxRefs) return
        gathering.delete(key)
        sayNow(state, sender, recipient, to, [...refs])
        return
      }
      const first = new Set([id])
      gathering.set(key, first)
      node.ports.clock.after(GATHER_MS, () => {
        if (gathering.get(key) !== first || node.stopped) return
        gathering.delete(key)
        sayNow(state, sender, recipient, to, [...first])
      })
    },
    answered({ id, sender, recipient }, via) {
      const text = kept.get(`${recipient} ${id}`)
      if (text === undefined) return false
      node.runtime.release(() => {
        pass(sender, via, text)
      })
      return true
    },
  }
  return self
}
