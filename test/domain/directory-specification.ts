/** Given facts, when a presence frame comes, then facts: the directory as its tests see it. */
import { claimOf, type Directory, emptyDirectory, evolveDirectory, homeOf, restartDirectory } from '../../src/domain/directory.ts'
import { decidePresence } from '../../src/domain/presence-decision.ts'
import type { PresenceFact, PresenceSeq, SessionFact } from '../../src/domain/facts.ts'
import type { Base64Url, PublicKeyText, ServerId, UserId } from '../../src/protocol/ids.ts'

export const self = 'self' as ServerId
export const [s1, s2, s3] = ['s1', 's2', 's3'] as [ServerId, ServerId, ServerId]
export const [alice, bob, carol] = ['alice', 'bob', 'carol'] as [UserId, UserId, UserId]
export const keyOf = (name: string): PublicKeyText => `key of ${name}` as PublicKeyText

type Advertised = Extract<PresenceFact, { type: 'user.advertised' }>
type Removed = Extract<PresenceFact, { type: 'user.removed' }>
interface Details {
  readonly seq?: PresenceSeq
  readonly key?: string | undefined
  readonly enc?: string
  readonly digest?: string
}

const digestOf = (what: string, user: UserId, server: ServerId, { seq, digest }: Details): Base64Url =>
  (digest ?? `${what} ${user} ${server} ${seq?.join('.') ?? ''}`) as Base64Url

/** `user` at `server`; under the key of their name unless `key` says otherwise, without one when it is undefined. */
export const advertised = (user: UserId, server: ServerId, details: Details = {}): Advertised => {
  const key = 'key' in details ? details.key : user
  return {
    type: 'user.advertised',
    user,
    server,
    ...(key === undefined ? {} : { pubkey: keyOf(key) }),
    ...(details.enc === undefined ? {} : { encPubkey: keyOf(details.enc) }),
    meta: { display_name: `${user} at ${server}` },
    caps: [],
    ...(details.seq === undefined ? {} : { seq: details.seq }),
    digest: digestOf('ad', user, server, details),
  }
}
export const removed = (user: UserId, server: ServerId, details: Details = {}): Removed => ({
  type: 'user.removed',
  user,
  server,
  ...(details.seq === undefined ? {} : { seq: details.seq }),
  digest: digestOf('rm', user, server, details),
})
export const attached = (user: UserId, counter: number, details: { readonly proven?: boolean } = {}): SessionFact => ({
  type: 'session.attached',
  user,
  pubkey: keyOf(user),
  meta: {},
  caps: [],
  proven: details.proven ?? true,
  seq: [1, counter],
})
export const detached = (user: UserId): SessionFact => ({ type: 'session.detached', user, why: 'closed' })
export const ended = (user: UserId, counter: number): SessionFact => ({ type: 'session.ended', user, why: 'left', seq: [1, counter] })

interface Arrival {
  readonly direct?: boolean
  readonly originLinked?: boolean
  readonly awaited?: boolean
  readonly usersPerServer?: number
  readonly pins?: number
}

export interface GivenDirectory {
  readonly directory: Directory
  /** What a verified frame changes; nothing is folded. By default it came over its origin's own link. */
  when(fact: Advertised | Removed, arrival?: Arrival): { readonly facts: readonly PresenceFact[]; readonly why?: string }
  /** Decides and folds; answers whether it was news. */
  take(fact: Advertised | Removed, arrival?: Arrival): boolean
  fold(...facts: readonly (SessionFact | PresenceFact)[]): GivenDirectory
  /** Where a user is, while the servers named are linked. */
  home(user: UserId, ...linked: readonly ServerId[]): ServerId | 'local' | undefined
  /** Whose word about a user counts. */
  claimant(user: UserId, ...linked: readonly ServerId[]): ServerId | undefined
}

export const given = (...facts: readonly (SessionFact | PresenceFact)[]): GivenDirectory => {
  const directory = emptyDirectory()
  restartDirectory(directory, self, 1)
  const among = (linked: readonly ServerId[]) => (server: ServerId) => linked.includes(server)
  const specification: GivenDirectory = {
    directory,
    when: (fact, { direct = true, originLinked = true, awaited = false, usersPerServer = 100, pins = 100 } = {}) =>
      decidePresence({ fact, direct, originLinked, awaited, limits: { usersPerServer, pins } }, directory),
    take(fact, arrival) {
      const { facts: decided } = specification.when(fact, arrival)
      specification.fold(...decided)
      return decided.length > 0
    },
    fold(...more) {
      for (const fact of more) evolveDirectory(directory, fact)
      return specification
    },
    home: (user, ...linked) => homeOf(directory, user, among(linked)),
    claimant: (user, ...linked) => {
      const entry = directory.users.get(user)
      return entry === undefined ? undefined : claimOf(directory, entry, among(linked))?.server
    },
  }
  return specification.fold(...facts)
}
