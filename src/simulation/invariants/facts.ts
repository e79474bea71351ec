/** Facts: what leaves a server was recorded before, what is believed was said, and the log folds to what lives. */
import type { Fact, PresenceSeq } from '../../domain/facts.ts'
import { snapshotOfNode } from '../../domain/node-snapshot.ts'
import { compareSeq } from '../../domain/presence-order.ts'
import type { ServerId, UserId } from '../../protocol/ids.ts'
import { createNodeFold, type NodeFold } from '../../server/replay.ts'
import type { RecordedFact } from '../../store/log.ts'
import type { Judge } from '../judge.ts'
import type { SimulatedServer } from '../server.ts'
import type { Witness } from '../witness.ts'
import type { World } from '../world.ts'

const CHECK_MS = 10_000
/** A live state is ahead of the log by the facts of this tick: looked at again so often, so many milliseconds apart. */
const AGAIN = { times: 20, ms: 7 } as const

interface PresenceFrame {
  readonly type: string
  readonly from: string
  readonly payload: {
    readonly user_id: string
    readonly seq?: PresenceSeq
    readonly meta?: { readonly extras?: { readonly seq?: PresenceSeq } }
  }
}

const textOf = ({ state, host }: NodeFold): string => JSON.stringify([snapshotOfNode(state), host.snapshot()])

const differing = (a: string, b: string): string => {
  let at = 0
  while (at < a.length && a[at] === b[at]) at += 1
  return `live …${a.slice(Math.max(0, at - 80), at + 80)}… log …${b.slice(Math.max(0, at - 80), at + 80)}…`
}

export const facts = (world: World, judge: Judge): Witness => {
  const { schedule } = world
  const servers = [...world.servers, ...(world.liar === undefined ? [] : [world.liar])]
  /** The fold of what is durable. */
  const shadows = new Map<SimulatedServer, NodeFold>(servers.map(server => [server, createNodeFold()]))
  /** Of the last fact, Unix milliseconds. */
  const lastAt = new Map<SimulatedServer, number>()
  const byId = new Map<ServerId, SimulatedServer>(servers.map(server => [server.id, server]))
  /** `server seq` → what the server recorded under that sequence. */
  const said = new Map<string, string>()
  /** `server origin user` → the sequence that was believed last. */
  const newest = new Map<string, PresenceSeq>()
  const nameOf = (server: ServerId, seq: PresenceSeq): string => `${server} ${seq.join('.')}`

  /** `server user` → what the server recorded about them, in order. */
  const sayings = new Map<string, { readonly seq: PresenceSeq; readonly is: 'there' | 'gone' }[]>()
  const note = (server: ServerId, user: string, seq: PresenceSeq, is: 'there' | 'gone'): void => {
    said.set(nameOf(server, seq), `${user} is ${is}`)
    const about = `${server} ${user}`
    const before = sayings.get(about)
    if (before === undefined) sayings.set(about, [{ seq, is }])
    else before.push({ seq, is })
  }
  /** A list as of a sequence says of everybody who is not on it that they are gone. */
  const wasGone = (server: ServerId, user: string, seq: PresenceSeq): boolean =>
    sayings.get(`${server} ${user}`)?.findLast(({ seq: then }) => compareSeq(then, seq) <= 0)?.is !== 'there'

  const own = (server: SimulatedServer, fact: Fact): void => {
    if (fact.type === 'session.attached') note(server.id, fact.user, fact.seq, 'there')
    else if (fact.type === 'session.ended') note(server.id, fact.user, fact.seq, 'gone')
    else if (fact.type === 'stream.dropped' && fact.removal !== undefined)
      note(server.id, fact.stream.slice(fact.stream.indexOf(':') + 1), fact.removal, 'gone')
  }
  /** The server does not list this person as its own, or only since later. */
  const isUnlisted = (origin: SimulatedServer, user: UserId, seq: PresenceSeq): boolean => {
    const claims = shadows.get(origin)?.state.directory.users.get(user)?.claims ?? []
    return claims.every(claim => claim.server !== origin.id || (claim.seq !== undefined && compareSeq(claim.seq, seq) > 0))
  }
  const believed = (server: SimulatedServer, { fact }: RecordedFact<Fact>): void => {
    if (server.liar || (fact.type !== 'user.advertised' && fact.type !== 'user.removed')) return
    const origin = byId.get(fact.server)
    const about = `${server.name} ${fact.server} ${fact.user}`
    const before = newest.get(about) ?? [0, 0]
    const now = fact.seq ?? [0, 0]
    const claims = shadows.get(server)?.state.directory.users.get(fact.user)?.claims ?? []
    // whoever was unlisted while their server was away is listed again by the same word
    const least = fact.type === 'user.advertised' && claims.every(claim => claim.server !== fact.server) ? 0 : 1
    judge.check(
      'newest',
      Math.sign(compareSeq(now, before)) >= least,
      () => `${server.name} believed ${now.join('.')} of ${fact.user} after ${before.join('.')}`,
    )
    newest.set(about, now)
    if (origin?.liar === true) return
    const claim = `${fact.user} is ${fact.type === 'user.removed' ? 'gone' : 'there'}`
    const there = fact.seq === undefined ? undefined : said.get(nameOf(fact.server, fact.seq))
    // a comparison of lists says of whoever is on none of them that they are gone, without an event of its own
    if (fact.type === 'user.removed' && there === undefined && origin !== undefined && isUnlisted(origin, fact.user, now)) return
    judge.check(
      'authentic',
      there === claim || (fact.type === 'user.removed' && there !== undefined && wasGone(fact.server, fact.user, now)),
      () =>
        `${server.name} believed of ${origin?.name ?? fact.server} that ${claim} (${fact.seq?.join('.') ?? 'no sequence'}), which had said "${there ?? 'nothing'}"`,
    )
  }
  const compare = (server: SimulatedServer, left: number): void => {
    const shadow = shadows.get(server)
    if (server.running === undefined || server.life?.paused !== false || shadow === undefined) return
    const [live, log] = [textOf(server.fold), textOf(shadow)]
    if (left === 0 && server.disk.pending > 0) return
    if (live === log || left === 0) judge.check('replayable', live === log, () => `${server.name}: ${differing(live, log)}`)
    else
      schedule.after(AGAIN.ms, () => {
        compare(server, left - 1)
      })
  }
  /** Presence that a server says of its own people. */
  const announced = (server: SimulatedServer, text: string): void => {
    if (server.liar || !/"type":"USER_(ADVERTISE|REMOVE)"/.test(text)) return
    const { type, from, payload } = JSON.parse(text) as PresenceFrame
    const seq = payload.seq ?? payload.meta?.extras?.seq
    if (from !== server.id || seq === undefined) return
    const claim = `${payload.user_id} is ${type === 'USER_REMOVE' ? 'gone' : 'there'}`
    judge.check(
      'recorded_first',
      said.get(nameOf(server.id, seq)) === claim,
      () => `${server.name} says that ${claim} (${seq.join('.')}), which its log does not know`,
    )
  }
  const watch = (): void => {
    schedule.after(CHECK_MS, () => {
      for (const server of servers) compare(server, AGAIN.times)
      watch()
    })
  }
  watch()

  return {
    recorded(server, recorded) {
      for (const fact of recorded) {
        const before = lastAt.get(server) ?? 0
        judge.check(
          'replayable',
          fact.at >= before,
          () => `${server.name} recorded ${fact.fact.type} ${before - fact.at} ms before what stands before it`,
        )
        lastAt.set(server, fact.at)
        own(server, fact.fact)
        believed(server, fact)
        shadows.get(server)?.host.apply(fact)
      }
    },
    started(server) {
      compare(server, AGAIN.times)
    },
    frameSent(from, to, text) {
      const sender = servers.find(({ machine }) => machine === from)
      if (sender !== undefined) announced(sender, text)
      if (!text.includes('"msg_ref":"USER_HELLO"') || !text.includes('"type":"ACK"')) return
      const user = world.users.find(({ machine }) => machine === to)
      const shadow = sender && shadows.get(sender)
      if (user === undefined || shadow === undefined || sender?.liar === true) return
      judge.check(
        'recorded_first',
        shadow.state.directory.users.get(user.id)?.local === 'attached',
        () => `${from.name} told ${user.name} that they are attached, which its log does not know`,
      )
    },
  }
}
