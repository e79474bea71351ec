/** Vouching: this server's word for joiners, other introducers' word for members, and what this server says of itself (SOCP §8.1). */
import { verifyPayload } from '../crypto/transport-signature.ts'
import { decideMembership, isBanned, type Vouched } from '../domain/membership.ts'
import type { Voucher } from '../domain/facts.ts'
import { DIGEST_CAP } from '../domain/standing.ts'
import { type ServerAddress, tlsOf } from '../protocol/address.ts'
import { canonicalOf } from '../protocol/canonical.ts'
import type { Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { type PublicKeyText, serverId, type ServerId } from '../protocol/ids.ts'
import { limits as wire } from '../protocol/limits.ts'
import { voucherText } from '../protocol/voucher.ts'
import { mayDial } from './may-dial.ts'
import type { Connection, ServerPeer } from './connection.ts'
import type { Node } from './node.ts'
import { inParts } from './parts.ts'
import { type Bucket, createBucket } from './rate.ts'
import { frameText, type SignedEvent, signedEvent } from './signed-event.ts'
import { verifyBy } from './verify.ts'

/** What this program can, as it says in hellos. */
export const SERVER_CAPS = ['proof', 'vouch', 'ping', 'members', 'receipts', 'receipt-ask', DIGEST_CAP] as const

export interface Introducer {
  /** Our SERVER_ANNOUNCE for one recipient; the same signed payload until our vouchers change. */
  announcement(to: string): Promise<string>
  /** Answers a join; remembers for a while whom it welcomed, and pins nobody before they have linked. */
  welcome(connection: Connection, frame: Frame<'SERVER_HELLO_JOIN'>): Promise<void>
  /** Who vouches for a server that is not pinned yet, and whose budget it comes from; undefined when nobody whom we believe does. */
  vouched(server: ServerId, pubkey: PublicKeyText, hello: Hello): Promise<Newcomer | undefined>
  /** A voucher that an introducer sends around. */
  vouch(frame: Frame<'SERVER_VOUCH'>, origin: ServerId): void
  /** Takes one of the newcomers that this introducer may bring in an hour; false when they are used up. */
  admitsOneMore(introducer: PublicKeyText): boolean
  /** A peer is linked: if it joined through us, the members hear of it. */
  linked(peer: ServerPeer): void
}

/** A server that may be pinned once it has proved itself. */
export interface Newcomer {
  readonly vouched: Vouched
  /** Key of the introducer that brings it; undefined when no budget applies. */
  readonly introducer: PublicKeyText | undefined
}

interface Hello {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly tls?: boolean | undefined
  readonly vouchers?: readonly { readonly [Key in keyof Voucher]: unknown }[] | undefined
}

/** Joiners remembered between their welcome and their link, and for how long. */
const WELCOMED = { most: 1_000, forMs: 600_000 } as const
const HOUR_S = 3_600

export const createIntroducer = (node: Node): Introducer => {
  const welcomed = new Map<ServerId, Vouched & { readonly at: number }>()
  const joins = createBucket(node.ports.clock, node.config.limits.joins)
  const unsignedJoins = createBucket(node.ports.clock, node.config.limits.unsignedJoins)
  const budgets = new Map<string, Bucket>()
  let announced: { readonly vouchers: number; readonly event: SignedEvent } | undefined

  /** Introducers whose word counts: those that the operator pinned, and ourselves. */
  const pinnedKeys = (): readonly PublicKeyText[] => {
    const banned = new Set(node.state.membership.bans.values().map(({ pubkey }) => pubkey))
    return [...node.introducers, node.self.pubkey].filter(key => !banned.has(key))
  }

  const withinBudget = (introducer: string): boolean => {
    const perHour = node.config.limits.newServersPerHour
    const bucket = budgets.get(introducer) ?? createBucket(node.ports.clock, { burst: perHour, perSecond: perHour / HOUR_S })
    budgets.set(introducer, bucket)
    return bucket.take()
  }

  /** The introducer's key that a voucher verifies under; undefined when none that we pinned does. */
  const voucherKey = async (voucher: Voucher): Promise<PublicKeyText | undefined> => {
    const known = node.state.membership.servers.get(voucher.by)?.pubkey ?? (voucher.by === node.self.id ? node.self.pubkey : undefined)
    const candidates = known === undefined ? pinnedKeys() : pinnedKeys().filter(key => key === known)
    for (const key of candidates) {
      if (await verifyPayload(node.ports.crypto, await node.keys.import(key), voucherText(voucher), voucher.sig)) return key
    }
    return undefined
  }

  const vouchFor = async (server: ServerId, { host, port, tls }: ServerAddress, pubkey: PublicKeyText): Promise<Voucher> => {
    const claim = { by: node.self.id, server_id: server, host, port, pubkey, ...tlsOf(tls) }
    return { ...claim, sig: await node.signer.sign(voucherText(claim), 'control') }
  }

  return {
    admitsOneMore: withinBudget,
    async announcement(to) {
      const { vouchers } = node.state
      if (announced?.vouchers !== vouchers.size) {
        const payload = {
          host: node.self.host,
          port: node.self.port,
          pubkey: node.self.pubkey,
          caps: SERVER_CAPS,
          ...tlsOf(node.self.tls),
          vouchers: [...vouchers.values()].slice(-wire.maxVouchers),
        }
        announced = { vouchers: vouchers.size, event: signedEvent(node.signer, payload, 'control') }
      }
      return frameText(announced.event, { type: 'SERVER_ANNOUNCE', from: node.self.id, to, ts: node.nextTs() })
    },
    async welcome(connection, frame) {
      const { payload } = frame
      if (!node.config.introduce) throw new ProtocolError('UNKNOWN_TYPE', 'no_introducer', 'This server is no introducer.')
      const key = await node.keys.import(payload.pubkey)
      if (isBanned(node.state.membership, frame.from as ServerId, key.text))
        throw new ProtocolError('BAD_KEY', 'banned', 'This server is banned here.')
      if (frame.sig !== undefined) await verifyBy(node, frame, key)
      else if (payload.caps?.includes('proof') === true) throw new ProtocolError('INVALID_SIG', 'unsigned')
      // after the signature, and apart from those without: neither forged nor unsigned joins use up the honest ones' turns
      if (!(frame.sig === undefined ? unsignedJoins : joins).take())
        throw new ProtocolError('TIMEOUT', 'too_many_joins', 'Too many servers join at once: try again in a minute.')
      if (key.text === node.self.pubkey) throw new ProtocolError('BAD_KEY', 'our_own_key')
      if (node.config.membership === 'listed' && !node.config.servers.some(({ pubkey }) => pubkey === key.text))
        throw new ProtocolError('BAD_KEY', 'not_listed', 'This mesh takes listed servers only.')
      const asked = serverId.safeParse(frame.from)
      const holder = asked.success ? (node.state.membership.servers.get(asked.data)?.pubkey ?? welcomed.get(asked.data)?.pubkey) : undefined
      const taken = !asked.success || asked.data === node.self.id || (holder !== undefined && holder !== key.text)
      const member = asked.success ? node.state.membership.servers.get(asked.data) : undefined
      if (member !== undefined && member.pubkey !== key.text && frame.sig !== undefined) node.otherKeys.note(member, key)
      const assigned = taken ? (node.ports.random.uuid() as ServerId) : asked.data
      const at = { host: payload.host, port: payload.port, ...tlsOf(payload.tls) }
      const pubkey = key.text
      const voucher = await vouchFor(assigned, at, pubkey)
      welcomed.delete(assigned)
      welcomed.set(assigned, { server: assigned, pubkey, ...at, vouchedBy: node.self.id, at: node.ports.clock.monotonic() })
      if (welcomed.size > WELCOMED.most) welcomed.delete(welcomed.keys().next().value as ServerId)
      const listed = [
        { server_id: node.self.id, host: node.self.host, port: node.self.port, pubkey: node.self.pubkey, ...tlsOf(node.self.tls) },
        ...[...node.state.membership.servers.values()]
          .filter(member => member.linked && member.id !== assigned && node.links.isLinked(member.id))
          .map(member => ({ server_id: member.id, host: member.host, port: member.port, pubkey: member.pubkey, ...tlsOf(member.tls) })),
      ]
      const [servers] = inParts(listed, MAX_LISTED, entry => canonicalOf(entry).length + 1)
      const answer = {
        assigned_id: assigned,
        servers,
        clients: [],
        for: assigned,
        voucher,
        ...(payload.nonce === undefined ? {} : { nonce: payload.nonce }),
      }
      const event = signedEvent(node.signer, answer, 'control')
      const text = await frameText(event, { type: 'SERVER_WELCOME', from: node.self.id, to: frame.from, ts: node.nextTs() })
      node.runtime.release(() => {
        connection.channel.send('control', text)
      })
      node.log('info', 'welcomed a joiner', { server: assigned, ...at })
    },
    async vouched(server, pubkey, hello) {
      const listed = node.config.servers.find(entry => entry.server_id === server)
      if (listed !== undefined) {
        const key = await node.keys.import(listed.pubkey)
        const vouched: Vouched = { server, pubkey, host: listed.host, port: listed.port, ...tlsOf(listed.tls), vouchedBy: 'operator' }
        return key.text === pubkey ? { vouched, introducer: undefined } : undefined
      }
      if (node.config.membership === 'listed') return undefined
      const joined = welcomed.get(server)
      if (joined?.pubkey === pubkey && node.ports.clock.monotonic() - joined.at < WELCOMED.forMs) {
        const { host, port, tls, vouchedBy } = joined
        return { vouched: { server, pubkey, host, port, ...tlsOf(tls), vouchedBy }, introducer: undefined }
      }
      for (const voucher of (hello.vouchers ?? []) as readonly Voucher[]) {
        if (voucher.server_id !== server || voucher.pubkey !== pubkey) continue
        const introducer = await voucherKey(voucher)
        if (introducer === undefined) continue
        // the address that they announce now is newer than the one they joined with, and signed by the same key
        const vouched: Vouched = {
          server,
          pubkey,
          host: hello.host ?? voucher.host,
          port: hello.port ?? voucher.port,
          ...tlsOf(hello.host === undefined ? voucher.tls : hello.tls),
          vouchedBy: voucher.by,
        }
        return { vouched, introducer }
      }
      return undefined
    },
    vouch(frame, origin) {
      const voucher = frame.payload.voucher as unknown as Voucher
      const member = node.state.membership.servers.get(origin)
      if (voucher.by !== origin || member === undefined || !pinnedKeys().includes(member.pubkey))
        throw new ProtocolError('BAD_KEY', 'not_introducer')
      if (voucher.server_id === node.self.id || node.config.membership === 'listed') return
      if (!mayDial(node.self, voucher.host, voucher.port)) throw new ProtocolError('BAD_KEY', 'address_class')
      void node.keys
        .import(voucher.pubkey)
        .then(async key => {
          if (node.state.membership.servers.has(voucher.server_id)) return
          if ((await voucherKey(voucher)) === undefined || !withinBudget(member.pubkey)) return
          const vouched: Vouched = {
            server: voucher.server_id,
            pubkey: key.text,
            host: voucher.host,
            port: voucher.port,
            ...tlsOf(voucher.tls),
            vouchedBy: origin,
          }
          const { facts } = decideMembership(vouched, node.state.membership, node.config.limits)
          for (const fact of facts) node.runtime.record(`server:${voucher.server_id}`, fact)
          // they dial us as well: give them the first word
          if (facts.length > 0)
            node.timers.arm(`meet ${voucher.server_id}`, MEET_MS, () => {
              node.links.manage(voucher.server_id)
            })
        })
        .catch((error: unknown) => {
          node.log('warn', 'a voucher was not taken', { by: origin, error: String(error) })
        })
    },
    linked(peer) {
      const joined = welcomed.get(peer.id)
      if (joined?.pubkey !== peer.key.text) return
      welcomed.delete(peer.id)
      void vouchFor(peer.id, joined, joined.pubkey)
        .then(voucher => {
          const event = signedEvent(node.signer, { voucher }, 'control')
          for (const member of node.state.membership.servers.values()) {
            const machine = node.runtime.machine(`link:${member.id}`)
            if (member.id === peer.id || !(machine?.context['caps'] as readonly string[] | undefined)?.includes('vouch')) continue
            node.links.send(
              member.id,
              'control',
              frameText(event, { type: 'SERVER_VOUCH', from: node.self.id, to: member.id, ts: node.nextTs() }),
            )
          }
        })
        .catch((error: unknown) => {
          node.log('warn', 'a newcomer could not be vouched for', { server: peer.id, error: String(error) })
        })
    },
  }
}

/** Servers listed in one welcome at most: 64 KiB hold about 70 of 860 bytes. */
const MAX_LISTED = 60
const MEET_MS = 2_000
