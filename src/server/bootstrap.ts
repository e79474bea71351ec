/** Joining the mesh: one introducer after the other is asked, and only what its pinned key signed is believed (SOCP §8.1). */
import { verifyPayload } from '../crypto/transport-signature.ts'
import { conflicts, decideMembership, holdersOf, isBanned } from '../domain/membership.ts'
import type { Voucher } from '../domain/facts.ts'
import type { BootstrapEffects } from '../machines/bootstrap.ts'
import type { Socket } from '../ports/network.ts'
import { toBase64Url } from '../protocol/encoding.ts'
import { tlsOf, urlOf } from '../protocol/address.ts'
import { type Frame, parseFrame } from '../protocol/envelope.ts'
import { type PublicKeyText, serverId, type ServerId } from '../protocol/ids.ts'
import { type KnownServer, welcomedServers } from '../protocol/voucher.ts'
import { mayDial } from './address-class.ts'
import type { Introducer as IntroducerEntry } from './config.ts'
import { SERVER_CAPS } from './introducer.ts'
import type { Node } from './node.ts'
import { frameText, signedEvent } from './signed-event.ts'

export interface Bootstrap {
  /** Asks the first introducer; nothing when there is none, then this server is its own. */
  start(): void
  readonly effects: {
    armRetry(params: BootstrapEffects['armRetry']): void
    disarmRetry(params: BootstrapEffects['disarmRetry']): void
  }
}

export const createBootstrap = (node: Node): Bootstrap => {
  /** A retry is armed. */
  let waits = false

  /** The first introducer from this one on with which there is no link; ourselves aside, for all members may have one list. */
  const unlinked = (from: number): number | undefined => {
    const { length } = node.config.bootstrap_servers
    for (let attempt = from; attempt < from + length; attempt += 1) {
      const key = node.introducers[attempt % length]
      if (key === undefined || key === node.self.pubkey) continue
      if (!holdersOf(node.state.membership, key).some(({ id }) => node.links.isLinked(id))) return attempt
    }
    return undefined
  }

  const ask = (from: number): void => {
    const attempt = unlinked(from)
    if (attempt === undefined) return
    const entry = node.config.bootstrap_servers[attempt % node.config.bootstrap_servers.length]
    if (entry === undefined || node.stopping || node.runtime.isSetAside('bootstrap')) return
    const name = `${entry.host}:${entry.port}`
    node.runtime.record('bootstrap', { type: 'bootstrap.asked', introducer: name, attempt })
    node.runtime.release(() => {
      void join(entry, name).then(
        introducer => {
          node.log('info', 'joined the mesh', { introducer })
        },
        (error: unknown) => {
          const why = error instanceof Error ? error.message : String(error)
          node.log('warn', 'an introducer did not let us in', { introducer: name, why })
          node.tell({ event: 'degraded', why: `introducer ${name}: ${why}` })
          if (!node.stopping) node.runtime.record('bootstrap', { type: 'bootstrap.failed', introducer: name, why })
        },
      )
    })
  }

  const next = (): number => Number(node.runtime.machine('bootstrap')?.context['next'] ?? 0)

  /** Each introducer knows members that the others may not: one that is not linked, or no more, is asked again. */
  const watch = (linkedAt: number): void => {
    node.timers.arm('introducers', WATCH_MS, () => {
      const now = node.ports.clock.monotonic()
      const rests = node.runtime.machine('bootstrap')?.state !== 'asking' && !waits
      const apart = rests && unlinked(next()) !== undefined
      const over = apart && now - linkedAt >= node.config.timing.apartMs
      watch(apart && !over ? linkedAt : now)
      if (over) ask(next())
    })
  }

  const join = async (entry: IntroducerEntry, name: string): Promise<ServerId> => {
    const nonce = toBase64Url(node.ports.random.bytes(32))
    const url = urlOf({ host: entry.host, port: entry.port, ...tlsOf(entry.tls) })
    const payload = {
      host: node.self.host,
      port: node.self.port,
      pubkey: node.self.pubkey,
      caps: SERVER_CAPS,
      nonce,
      ...tlsOf(node.self.tls),
    }
    const hello = await frameText(signedEvent(node.signer, payload, 'control'), {
      type: 'SERVER_HELLO_JOIN',
      from: node.self.id,
      to: name,
      ts: node.nextTs(),
    })
    let socket: Socket | undefined
    try {
      const frame = await new Promise<Frame<'SERVER_WELCOME'>>((resolve, reject) => {
        const late = node.ports.clock.after(node.config.timing.dialMs + node.config.timing.helloMs, () => {
          reject(new Error('it did not answer in time'))
        })
        const options = { timeoutMs: node.config.timing.dialMs, maxBytes: MAX_WELCOME_BYTES }
        node.ports.network
          .dial(url, options, () => ({
            message(text) {
              try {
                const answer = parseFrame(text)
                if (answer.type === 'SERVER_WELCOME') resolve(answer)
                else if (answer.type === 'ERROR') reject(new Error(`it refused: ${answer.payload.code} ${answer.payload.detail ?? ''}`))
              } catch (error) {
                reject(new Error(`its answer is no frame: ${String(error)}`, { cause: error }))
              }
            },
            malformed: why => {
              reject(new Error(`its answer was ${why}`))
            },
            closed: (code, why) => {
              late()
              reject(new Error(`it hung up (${why || String(code)})`))
            },
          }))
          .then(opened => {
            socket = opened
            opened.send([hello])
          }, reject)
      })
      return await accept(entry, frame, nonce)
    } finally {
      socket?.close(1000, 'joined')
    }
  }

  /** Checks a welcome and takes in the members that it lists; rejects with a sentence when it is not to be believed. */
  const accept = async (entry: IntroducerEntry, frame: Frame<'SERVER_WELCOME'>, nonce: string): Promise<ServerId> => {
    const key = await node.keys.import(entry.pubkey)
    if (frame.sig === undefined || !(await verifyPayload(node.ports.crypto, key, frame.payloadText, frame.sig)))
      throw new Error('its welcome is not signed by the key that is pinned for it')
    const { payload } = frame
    const introducer = serverId.parse(frame.from)
    const pinned = node.state.membership.servers.get(introducer)
    if (isBanned(node.state.membership, introducer, key.text)) throw new Error('the operator has banned it')
    if (pinned !== undefined && pinned.pubkey !== key.text) throw new Error('it goes by the id of another server')
    // `to` and `ts` are not signed: without the echo an old welcome to somebody else could be sent again
    if (payload.nonce === undefined ? pinned?.proven === true : payload.nonce !== nonce) throw new Error('its welcome answers another join')
    if (payload.for !== undefined && payload.for !== node.self.id) throw new Error('its welcome is meant for another server')
    if (payload.assigned_id !== node.self.id) throw new Error(`it says that our id ${node.self.id} belongs to another server`)
    const listed = welcomedServers(payload)
    const itself: KnownServer = { server_id: introducer, host: entry.host, port: entry.port, pubkey: key.text, ...tlsOf(entry.tls) }
    const members = [itself, ...listed.filter(({ server_id }) => server_id !== introducer)]
    for (const member of members) await takeIn(member, introducer, key.text)
    const voucher = payload.voucher as unknown as Voucher | undefined
    node.runtime.record('bootstrap', { type: 'bootstrap.joined', introducer, ...(voucher === undefined ? {} : { voucher }) })
    node.runtime.release(() => {
      for (const { server_id } of members) if (node.state.membership.servers.has(server_id)) node.links.manage(server_id)
    })
    return introducer
  }

  const takeIn = async (
    { server_id: server, host, port, pubkey, tls }: KnownServer,
    vouchedBy: ServerId,
    introducer: PublicKeyText,
  ): Promise<void> => {
    if (server === node.self.id) return
    try {
      if (!mayDial(node.self, host, port)) throw new Error(`${host}:${port} is not of the class of address that we are reached on`)
      const key = await node.keys.import(pubkey)
      const { facts, conflict } = decideMembership(
        { server, pubkey: key.text, host, port, ...tlsOf(tls), vouchedBy },
        node.state.membership,
        node.config.limits,
      )
      if (conflict !== undefined) throw new Error(conflicts[conflict])
      if (key.text === node.self.pubkey) throw new Error('it is listed under our own key')
      if (node.hearsay.isDisputed(server, key.text)) throw new Error('members of the mesh know it by another key')
      // a member that was met says itself where it is; where that fails, this may be where it has moved to
      node.links.hint(server, { host, port, ...tlsOf(tls) })
      const isNew = facts.some(fact => fact.type === 'server.pinned') && server !== vouchedBy
      if (isNew && !node.introducer.admitsOneMore(introducer)) throw new Error('its introducer has brought enough for this hour')
      for (const fact of facts) node.runtime.record(`server:${server}`, fact)
    } catch (error) {
      node.count('refused', 'listed_member')
      node.log('warn', 'a listed member was left out', { server, why: error instanceof Error ? error.message : String(error) })
    }
  }

  return {
    start() {
      if (node.config.bootstrap_servers.length === 0) return
      ask(next())
      watch(node.ports.clock.monotonic())
    },
    effects: {
      armRetry({ at, next: after }) {
        const wait = Math.max(0, at - node.ports.clock.now())
        waits = true
        node.timers.arm('bootstrap', wait * (1 + 0.25 * node.ports.random.fraction()), () => {
          waits = false
          ask(after)
        })
      },
      disarmRetry() {
        waits = false
        node.timers.cancel('bootstrap')
      },
    },
  }
}

const MAX_WELCOME_BYTES = 65_536
/** How often is looked whether all introducers are linked. */
const WATCH_MS = 5_000
