/** Files on their way through this server: one actor and one machine for each, with the counting beside it (SOCP §9.4). */
import { createRecent } from '../crypto/recent.ts'
import { homeOf } from '../domain/directory.ts'
import type { TransferEffects } from '../machines/transfer.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Address, FileId, ServerId, UserId } from '../protocol/ids.ts'
import { limits as wire } from '../protocol/limits.ts'
import { FILE_FRAME_BYTES } from './channel.ts'
import type { Node } from './node.ts'
import type { Parcel } from './parcel.ts'

type Route = (parcel: Parcel, failed: (error: unknown) => void) => boolean

/** `nobody`: none is there to take it, and the file has failed. `late`: it had failed before, of which its sender was told. */
export type Advanced = 'routed' | 'nobody' | 'late'

export interface Transfers {
  /** Takes the next frame of a file and routes it; throws a `ProtocolError` when it is out of place. */
  advance(parcel: Parcel, route: Route, failed: (error: unknown) => void): Advanced
  /** The same of a user of another server: what is wrong is no word about that server. Answers it, but once for each file. */
  fromServer(parcel: Parcel, route: Route): ProtocolError | undefined
  /** Bytes that wait on the way to a user: at their socket, or on the link to their server. */
  backlogOf(user: UserId): number
  start(): void
  readonly effects: {
    armExpiry(params: TransferEffects['armExpiry']): void
    disarmExpiry(params: TransferEffects['disarmExpiry']): void
    closeTransfer(params: TransferEffects['closeTransfer']): void
    abortTransfer(params: TransferEffects['abortTransfer']): void
  }
}

interface Progress {
  readonly address: Address
  readonly sender: UserId
  /** The server that brings it; undefined when its sender is here, or it began before this start. */
  readonly via: ServerId | undefined
  readonly size: number
  chunks: number
  /** Plaintext bytes that the chunks so far can hold at most. */
  bytes: number
  /** Monotonic milliseconds. */
  lastSeen: number
}

/** Ciphertext bytes of one OAEP block of RSA-4096, and the smallest plaintext that stock programs put into one. */
const BLOCK = { ciphertext: 512, leastPlaintext: 190 } as const
const WATCH_MS = 5_000
/** Of the files that may be on their way at once. */
const SHARE_OF_SERVER = 0.25
/** Of what a reader may leave unread before it is cut: beyond it a file goes no further, or anybody could have anybody cut. */
const MOST_UNREAD = 0.5
/** Files that failed or were refused, and of which more may be on its way: it is only counted. */
const KEPT_FAILED = 4_096
const OFFLINE = 'the recipient is not online'

/** Others' ids may hold a slash; escaped, the three parts stay apart. */
const transferAddress = (file: string, sender: string, recipient: string): Address =>
  `transfer:${[file, sender, recipient].map(encodeURIComponent).join('/')}`

export const createTransfers = (node: Node): Transfers => {
  const progress = new Map<Address, Progress>()
  const perUser = new Map<UserId, number>()
  /** Chunks to a user that no channel has yet. */
  const uncommitted = new Map<UserId, number>()
  const gaveUp = createRecent<Address, true>(KEPT_FAILED)

  const addressOf = ({ payload, sender, recipient }: Parcel): Address => transferAddress(String(payload['file_id']), sender, recipient)
  const addressOfOffer = ({ offer: { file, sender, recipient } }: TransferEffects['closeTransfer']): Address =>
    transferAddress(file, sender, recipient)

  const track = (address: Address, sender: UserId, size: number, via?: ServerId): Progress => {
    const entry: Progress = { address, sender, via, size, chunks: 0, bytes: 0, lastSeen: node.ports.clock.monotonic() }
    progress.set(address, entry)
    perUser.set(sender, (perUser.get(sender) ?? 0) + 1)
    node.supervisor.spawn({
      address,
      group: 'transfers',
      mailbox: { messages: node.config.limits.mailbox },
      receive: message => {
        ;(message as () => void)()
      },
      restarted: error => {
        node.log('error', 'a bug ended a transfer', { address, error: String(error) })
        fail(address, 'internal error')
      },
    })
    return entry
  }
  const broughtBy = (server: ServerId): number => progress.values().reduce((count, { via }) => count + Number(via === server), 0)
  const untrack = (address: Address): void => {
    const entry = progress.get(address)
    if (entry === undefined) return
    progress.delete(address)
    const left = (perUser.get(entry.sender) ?? 1) - 1
    if (left === 0) perUser.delete(entry.sender)
    else perUser.set(entry.sender, left)
    node.supervisor.stop(address, 'over')
  }
  const fileOf = (address: Address): FileId => decodeURIComponent(address.slice('transfer:'.length, address.indexOf('/'))) as FileId
  const fail = (address: Address, why: string): void => {
    if (node.runtime.machine(address) !== undefined) node.runtime.record(address, { type: 'transfer.failed', file: fileOf(address), why })
  }

  const offer = (parcel: Parcel, address: Address): void => {
    const { limits } = node.config
    const size = Number(parcel.payload['size'])
    if (node.runtime.machine(address) !== undefined) throw new ProtocolError('NAME_IN_USE', 'file_id', 'This file id is in use.')
    if (size > limits.fileBytes) throw new ProtocolError('TIMEOUT', 'file_too_large', `Files have at most ${limits.fileBytes} bytes here.`)
    // whose files they are is its own word, so no server takes the room of all the others
    const full = parcel.via !== undefined && broughtBy(parcel.via) >= Math.ceil(limits.transfers * SHARE_OF_SERVER)
    if (full || progress.size >= limits.transfers || (perUser.get(parcel.sender) ?? 0) >= limits.transfersPerUser)
      throw new ProtocolError('TIMEOUT', 'too_many_transfers', 'Too many files are on their way: wait until one is through.')
    node.runtime.record(address, {
      type: 'transfer.offered',
      file: parcel.payload['file_id'] as FileId,
      sender: parcel.sender,
      recipient: parcel.recipient,
      size,
      mode: parcel.payload['mode'] === 'public' ? 'public' : 'dm',
    })
    track(address, parcel.sender, size, parcel.via)
  }

  const backlogOf = (user: UserId): number => {
    const home = homeOf(node.state.directory, user, node.links.isLinked)
    if (home === undefined) return 0
    const sent = (home === 'local' ? node.sessions.connectionOf(user)?.channel.backlog : node.links.backlog(home)) ?? 0
    return sent + (uncommitted.get(user) ?? 0) * FILE_FRAME_BYTES
  }

  /** Counts a chunk until it is handed to its way, which is after the commit of what it rests on. */
  const countUncommitted = (user: UserId): void => {
    uncommitted.set(user, (uncommitted.get(user) ?? 0) + 1)
    node.runtime.release(() => {
      const left = (uncommitted.get(user) ?? 1) - 1
      if (left === 0) uncommitted.delete(user)
      else uncommitted.set(user, left)
    })
  }

  const chunk = (parcel: Parcel, entry: Progress): void => {
    const { address } = entry
    if (backlogOf(parcel.recipient) > node.config.limits.outgoingBytes * MOST_UNREAD) {
      fail(address, 'its reader takes it in too slowly')
      throw new ProtocolError('TIMEOUT', 'slow_way', 'Its reader takes it in too slowly.')
    }
    if (node.runtime.machine(address)?.state !== 'active') node.runtime.record(address, { type: 'transfer.began', file: fileOf(address) })
    const ciphertext = (String(parcel.payload['ciphertext']).length * 3) / 4
    const blocks = Math.max(1, Math.floor(ciphertext / BLOCK.ciphertext))
    entry.chunks += 1
    entry.bytes += blocks * BLOCK.leastPlaintext
    entry.lastSeen = node.ports.clock.monotonic()
    if (entry.bytes > entry.size + wire.maxBlocksPerChunk * wire.blockBytes) {
      fail(address, 'more came than was offered')
      throw new ProtocolError('TIMEOUT', 'file_overrun', 'More came than was offered.')
    }
  }

  const advance: Transfers['advance'] = (parcel, route, failed) => {
    const address = addressOf(parcel)
    if (parcel.inner === 'FILE_START') offer(parcel, address)
    const entry = progress.get(address)
    if (entry === undefined && gaveUp.get(address) !== undefined) {
      node.count('refused', 'file_failed')
      return 'late'
    }
    if (entry === undefined) throw new ProtocolError('UNKNOWN_TYPE', 'no_transfer', 'This file was not offered, or is over.')
    if (parcel.inner === 'FILE_CHUNK') chunk(parcel, entry)
    if (parcel.inner === 'FILE_END') node.runtime.record(address, { type: 'transfer.ended', file: fileOf(address), chunks: entry.chunks })
    if (route(parcel, failed)) {
      if (parcel.inner === 'FILE_CHUNK') countUncommitted(parcel.recipient)
      return 'routed'
    }
    fail(address, OFFLINE)
    node.count('refused', 'offline')
    return 'nobody'
  }

  return {
    advance,
    backlogOf,
    fromServer(parcel, route) {
      try {
        if (advance(parcel, route, () => {}) !== 'nobody') return undefined
        return new ProtocolError('USER_NOT_FOUND', 'offline', `${parcel.recipient} is not online at ${node.self.id}.`)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        node.count('refused', error.reason)
        const address = addressOf(parcel)
        const told = parcel.inner !== 'FILE_START' && gaveUp.get(address) !== undefined
        gaveUp.set(address, true)
        return told ? undefined : error
      }
    },
    start() {
      node.timers.every(WATCH_MS, () => {
        const now = node.ports.clock.monotonic()
        for (const { address, lastSeen } of [...progress.values()])
          if (now - lastSeen > node.config.timing.stallMs) fail(address, 'stalled')
      })
    },
    effects: {
      armExpiry({ offer: { file, sender, recipient, size }, at }) {
        const address = transferAddress(file, sender, recipient)
        // after a restart the counting begins anew; the hash of the whole is the recipient's to check
        if (!progress.has(address)) track(address, sender, size)
        node.timers.arm(address, at - node.ports.clock.now(), () => {
          fail(address, 'nothing came')
        })
      },
      disarmExpiry(params) {
        node.timers.cancel(addressOfOffer(params))
      },
      closeTransfer(params) {
        untrack(addressOfOffer(params))
      },
      abortTransfer(params) {
        const { offer, why } = params
        const address = addressOfOffer(params)
        gaveUp.set(address, true)
        untrack(address)
        // whoever offered it to nobody is answered by the router
        const connection = why === OFFLINE ? undefined : node.sessions.connectionOf(offer.sender)
        if (connection !== undefined) node.refusals.tell(connection, offer.sender, 'TIMEOUT', `The file was given up: ${why}.`, offer.file)
      },
    },
  }
}
