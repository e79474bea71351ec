/** Finds out what differs between a peer's users and what is known of them here, at the price of the difference. */
import {
  compareParts,
  createDigestTree,
  type DigestEntry,
  type DigestTree,
  digestTreeInTurns,
  tellParts,
} from '../domain/presence-digest.ts'
import type { PresenceSeq } from '../domain/facts.ts'
import { compareSeq } from '../domain/presence-order.ts'
import { toBase64Url, utf8 } from '../protocol/encoding.ts'
import type { Frame } from '../protocol/envelope.ts'
import type { Address, Base64Url, ServerId, UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { Node } from './node.ts'
import { type Bucket, createBucket } from './rate.ts'
import { frameText, signedEvent } from './signed-event.ts'
import { listedAt, tellWhere } from './whereabouts.ts'

export interface PresenceSync {
  /** Compares with a peer that can, now and again after a while; one that is under way begins anew. */
  compare(server: ServerId): void
  /** The peer says that much has changed there. */
  nudged(server: ServerId): void
  /** A peer asks about the users of this server. */
  asked(frame: Frame<'PRESENCE_ASK'>, origin: ServerId): void
  /** A peer answers about its own users. */
  told(frame: Frame<'PRESENCE_TELL'>, origin: ServerId): void
  /** The peer has just listed this event as one that still counts. */
  isAwaited(server: ServerId, user: UserId, seq: PresenceSeq | undefined): boolean
  /** The link is gone. */
  stop(server: ServerId): void
  /** The server is no member any more. */
  forget(server: ServerId): void
}

/** One comparison. Only one question is on its way at a time, which bounds what a peer is asked, and what it makes us record. */
interface Comparison {
  nonce: string
  mine: DigestTree
  readonly prefixes: string[]
  readonly want: DigestEntry[]
  readonly awaited: Map<UserId, PresenceSeq>
  /** How much differed, in this pass and in the one before. */
  differences: number
  /** Of the pass before, and how many there were. */
  readonly before: number
  readonly passes: number
  /** Something changed there meanwhile. */
  again: boolean
}

/** Milliseconds that a peer has for an answer, and between comparisons at most this much earlier or later, as a part. */
const ANSWER_MS = 10_000
const JITTER = 0.25
/** Questions that a peer may ask, and that we ask of it: a first comparison of many users takes hundreds, and each costs a signature. */
const QUESTIONS = { burst: 300, perSecond: 20 }
/** One comparison asks about so many parts at most, and passes over the tree so often: a peer may invent differences without end. */
const MAX_PREFIXES = 65_536
const MAX_PASSES = 8

export const createPresenceSync = (node: Node): PresenceSync => {
  const running = new Map<ServerId, Comparison>()
  const questions = new Map<ServerId, Bucket>()
  const asking = new Map<ServerId, Bucket>()
  const bucketOf = (buckets: Map<ServerId, Bucket>, server: ServerId): Bucket => {
    const bucket = buckets.get(server) ?? createBucket(node.ports.clock, QUESTIONS)
    buckets.set(server, bucket)
    return bucket
  }
  const sha256 = (bytes: Uint8Array): Uint8Array => node.ports.crypto.sha256(bytes)
  const timer = (server: ServerId): string => `compare ${server}`
  let own: { readonly seq: PresenceSeq; readonly tree: Promise<DigestTree> } | undefined
  const nobody = createDigestTree([], sha256)

  const entriesOf = (server: ServerId): readonly DigestEntry[] =>
    [...node.state.directory.users.values()].flatMap(({ id, claims }) => {
      const seq = claims.find(claim => claim.server === server)?.seq
      return seq === undefined ? [] : [[id, seq] as const]
    })
  /** Takes several turns of the loop: ten thousand users are 50 ms of work. */
  const treeOf = async (server: ServerId): Promise<DigestTree> => {
    const making = digestTreeInTurns(entriesOf(server), sha256)
    for (;;) {
      const { done, value } = making.next()
      if (done === true) return value
      await new Promise<void>(resolve => {
        node.ports.clock.endOfTick(resolve)
      })
    }
  }
  /** Every change of our own users has a sequence, so the tree holds for as long as the last one does. */
  const ownTree = (): NonNullable<typeof own> => {
    const seq = node.state.directory.lastSeq
    if (own === undefined || compareSeq(own.seq, seq) !== 0) own = { seq, tree: treeOf(node.self.id) }
    return own
  }

  const send = (server: ServerId, type: 'PRESENCE_ASK' | 'PRESENCE_TELL', payload: object): void => {
    const event = signedEvent(node.signer, payload, 'presence')
    // the live state is ahead of the log, and what is told of it has to be safe
    node.runtime.release(() => {
      node.links.send(server, 'traffic', frameText(event, { type, from: node.self.id, to: server, ts: node.nextTs() }))
    })
  }

  const later = (server: ServerId, ms: number): void => {
    node.timers.arm(timer(server), ms, () => {
      if (node.links.isLinked(server)) begin(server)
    })
  }

  const ask = (server: ServerId, payload: object): void => {
    const wait = bucketOf(asking, server).borrow()
    later(server, wait + ANSWER_MS)
    if (wait === 0) send(server, 'PRESENCE_ASK', payload)
    else
      node.timers.arm(`ask ${server}`, wait, () => {
        send(server, 'PRESENCE_ASK', payload)
      })
  }

  const broken = (error: unknown): void => {
    node.log('error', 'presence could not be compared', { error: String(error) })
  }

  const begin = (server: ServerId, before = 0, passes = 1): void => {
    const nonce = toBase64Url(node.ports.random.bytes(32))
    const comparison: Comparison = {
      ...{ nonce, mine: nobody, prefixes: [], want: [], awaited: new Map(), differences: 0 },
      ...{ before, passes, again: false },
    }
    running.set(server, comparison)
    treeOf(server).then(mine => {
      if (running.get(server) !== comparison || node.stopped) return
      comparison.mine = mine
      ask(server, { nonce, root: mine.digest('') })
    }, broken)
  }

  /** The next question, or from the beginning when there is none left. */
  const goOn = (server: ServerId, comparison: Comparison): void => {
    const prefixes = comparison.prefixes.splice(0, limits.maxDigestPrefixes)
    const want = comparison.want.splice(0, limits.maxWanted)
    if (prefixes.length === 0 && want.length === 0) {
      // what differs as before is what we cannot take, as a user under another key: nothing more will come of asking
      if (comparison.differences === comparison.before || comparison.passes >= MAX_PASSES) finish(server, comparison)
      else begin(server, comparison.differences, comparison.passes + 1)
      return
    }
    for (const [user, seq] of want) comparison.awaited.set(user, seq)
    comparison.nonce = toBase64Url(node.ports.random.bytes(32))
    ask(server, { nonce: comparison.nonce, prefixes, want: want.map(([user]) => user) })
  }

  const finish = (server: ServerId, { again }: Comparison): void => {
    running.delete(server)
    if (again) {
      begin(server)
      return
    }
    later(server, node.config.timing.compareMs * (1 + JITTER * (2 * node.ports.random.fraction() - 1)))
    const address: Address = `link:${server}`
    if (node.runtime.isSetAside(address) || node.runtime.machine(address)?.state !== 'linked') return
    if (!node.state.directory.standings.has(server)) return
    node.runtime.record(address, { type: 'link.synced', server })
    // claims of a server that was gone did not count until now
    for (const { id, local, claims } of node.state.directory.users.values())
      if (local !== undefined && claims.some(claim => claim.server === server)) node.gossip.settleClaims(id)
  }

  const drop = (server: ServerId, listed: readonly UserId[], seq: PresenceSeq, sig: string): void => {
    // some may have left by a frame of their own since the comparison began
    const held = (user: UserId) => node.state.directory.users.get(user)?.claims.find(claim => claim.server === server)?.seq
    const gone = listed.filter(user => {
      const known = held(user)
      return known !== undefined && compareSeq(known, seq) <= 0
    })
    if (gone.length === 0) return
    const digest: Base64Url = toBase64Url(sha256(utf8(sig)).subarray(0, 16))
    const seen = gone.filter(user => listedAt(node, user) === server)
    for (const user of gone) node.runtime.record(`user:${user}`, { type: 'user.removed', user, server, seq, digest })
    node.gossip.tellGone(server, gone)
    for (const user of seen) tellWhere(node, user)
  }

  const stop = (server: ServerId): void => {
    running.delete(server)
    for (const name of [timer(server), `ask ${server}`, `answer ${server}`]) node.timers.cancel(name)
  }

  return {
    compare(server) {
      begin(server)
    },
    nudged(server) {
      const comparison = running.get(server)
      if (comparison !== undefined) comparison.again = true
      else if (node.links.isLinked(server)) begin(server)
    },
    asked({ payload: { nonce, root, prefixes = [], want = [] } }, origin) {
      const answer = async (): Promise<void> => {
        const { seq, tree: making } = ownTree()
        const tree = await making
        if (node.stopped) return
        // before the answer, which says that they have all been sent
        for (const user of want) node.gossip.announceTo(origin, user)
        const same = root !== undefined && root === tree.digest('')
        send(origin, 'PRESENCE_TELL', {
          nonce,
          ...(same
            ? { seq, same }
            : tellParts(tree, seq, root === undefined ? prefixes : ['', ...prefixes].slice(0, limits.maxDigestPrefixes))),
        })
      }
      const wait = bucketOf(questions, origin).borrow()
      const run = (): void => {
        answer().catch(broken)
      }
      if (wait === 0) run()
      else node.timers.arm(`answer ${origin}`, wait, run)
    },
    told({ payload, sig = '' }, origin) {
      const comparison = running.get(origin)
      if (comparison?.nonce !== payload.nonce) return
      if (payload.same === true) {
        finish(origin, comparison)
        return
      }
      const { prefixes, want, gone } = compareParts(comparison.mine, payload)
      if (comparison.prefixes.length + prefixes.length > MAX_PREFIXES || comparison.want.length > node.config.limits.usersPerServer) {
        node.count('refused', 'endless_digest')
        stop(origin)
        return
      }
      comparison.prefixes.push(...prefixes)
      comparison.want.push(...want)
      comparison.differences += want.length + gone.length
      drop(origin, gone, payload.seq, sig)
      node.runtime.release(() => {
        if (running.get(origin) === comparison) goOn(origin, comparison)
      })
    },
    isAwaited(server, user, seq) {
      const awaited = running.get(server)?.awaited
      const wanted = awaited?.get(user)
      if (seq === undefined || wanted === undefined || compareSeq(seq, wanted) !== 0) return false
      awaited?.delete(user)
      return true
    },
    stop,
    forget(server) {
      stop(server)
      questions.delete(server)
      asking.delete(server)
    },
  }
}
