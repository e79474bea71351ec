/** Joining the mesh: one introducer after the other is asked, and only what its pinned key signed is believed (SOCP §8.1). */
import { verifyPayload } from '../crypto/transport-signature.ts'
import { conflicts, decideMembership, isBanned } from '../domain/membership.ts'
import type { Voucher } from '../domain/facts.ts'
import type { BootstrapEffects } from '../machines/bootstrap.ts'
import type { Socket } from '../ports/network.ts'
import { toBase64Url } from '../protocol/encoding.ts'
import { tlsOf, urlOf } from '../protocol/address.ts'
import { type Frame, parseFrame } from '../protocol/envelope.ts'
import { type PublicKeyText, serverId, type ServerId } from '../protocol/ids.ts'
import { type KnownServer, welcomedServers } from '../protocol/voucher.ts'
import { mayDial } from './may-dial.ts'
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
  /** Introducer → why it did not let us in, as people were told. */
  const told = new Map<string, string>()

  const ask = (attempt: number): void => {
    const introducers = node.config.bootstrap_servers
    const entry = introducers[attempt % introducers.length]
    if (entry === undefined || node.stopping || node.runtime.isSetAside('bootstrap')) return
    const name = `${entry.host}:${entry.port}`
    node.runtime.record('bootstrap', { type: 'bootstrap.asked', introducer: name, attempt })
    node.runtime.release(() => {
      void join(entry, name).then(
        introducer => {
          node.log('info', 'joined the mesh', { introducer })
          if (told.size > 0) node.tell({ event: 'recovered', why: `joined the mesh through ${name}` })
          told.clear()
        },
        (error: unknown) => {
          const why = error instanceof Error ? error.message : String(error)
          // it is asked again and again, and people are told when the answer is another
          const known = told.get(name) === why
          told.set(name, why)
          node.log(known ? 'debug' : 'info', 'an introducer did not let us in', { introducer: name, why })
          if (!known) node.tell({ event: 'degraded', why: `introducer ${name} did not let us in, it is asked again: ${why}` })
          if (!node.stopping) node.runtime.record('bootstrap', { type: 'bootstrap.failed', introducer: name, why })
        },
      )
    })
  }

  const next = (): number => Number(node.runtime.machine('bootstrap')?.context['next'] ?? 0)

  /** Introducers that we are not linked to. */
  const unmet = (): readonly IntroducerEntry[] => {
    // all members may have one list, with themselves on it
    const linked = new Set<string>([node.self.pubkey])
    for (const { id, pubkey } of node.state.membership.servers.values()) if (node.links.isLinked(id)) linked.add(pubkey)
    return node.config.bootstrap_servers.filter((_, index) => !linked.has(node.introducers[index] ?? ''))
  }

  /**
   * Whoever joined through one introducer while another was away is a stranger to that one, and to all who trust it alone: the others
   * are asked as well, until we have met them.
   */
  const meet = (turn: number, waitMs: number): void => {
    node.timers.arm('meet introducers', waitMs * (1 + 0.25 * node.ports.random.fraction()), () => {
      const missing = node.runtime.machine('bootstrap')?.state === 'joined' ? unmet() : []
      const entry = missing[turn % Math.max(1, missing.length)]
      meet(turn + 1, entry === undefined ? MEET_MS.first : Math.min(2 * waitMs, MEET_MS.most))
      if (entry === undefined || node.stopping) return
      const name = `${entry.host}:${entry.port}`
      void join(entry, name).catch((error: unknown) => {
        node.log('debug', 'an introducer was not met', { introducer: name, why: error instanceof Error ? error.message : String(error) })
      })
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
      meet(0, MEET_MS.first)
    },
    effects: {
      armRetry({ at, next: after }) {
        const wait = Math.max(0, at - node.ports.clock.now())
        node.timers.arm('bootstrap', wait * (1 + 0.25 * node.ports.random.fraction()), () => {
          ask(after)
        })
      },
      disarmRetry() {
        node.timers.cancel('bootstrap')
      },
    },
  }
}

const MAX_WELCOME_BYTES = 65_536
/** Milliseconds between looks for introducers that were not met. */
const MEET_MS = { first: 5_000, most: 60_000 } as const
