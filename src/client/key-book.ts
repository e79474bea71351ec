/** Whose key is whose: pins the first keys seen of everybody, raises the alarm when they change, and asks the server for those that are missing. */
import { createRecent } from '../crypto/recent.ts'
import { createKeyTexts } from '../crypto/public-key.ts'
import type { Clock } from '../ports/clock.ts'
import type { Crypto, PublicKey } from '../ports/crypto.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { PublicKeyText, UserId } from '../protocol/ids.ts'
import { decideKeys, sameKeys } from './decisions.ts'
import type { ClientFact, UserKeys } from './facts.ts'
import type { Journal } from './journal.ts'
import type { Member, Roster } from './roster.ts'

/** Milliseconds to wait for the answer to a PUBKEY_REQUEST. */
const keyRequestMs = 5_000
/** Requests under way at once; further ones fail at once. */
const maxRequests = 256
const maxAlarms = 1_024
const maxLately = 8_192

export interface KnownKeys {
  readonly keys: UserKeys
  /** Verifies what they sign. */
  readonly verify: PublicKey
  /** Encrypts to them. */
  readonly encrypt: PublicKey
}

/** Why nothing can be encrypted to somebody: a sentence. */
export class NoKey extends Error {
  override readonly name = 'NoKey'
}

export interface KeyBook {
  /** A frame of our server says these are a user's keys; `caps` is undefined when it does not know what their program can. */
  announced(
    user: UserId,
    offered: { readonly pubkey: string; readonly encPubkey: string | undefined; readonly caps: readonly string[] | undefined },
  ): void
  /** The server does not know the user. */
  unknown(user: UserId): void
  /** The pinned keys, asking for them when none are; undefined when nobody knows. For verifying. */
  pinned(user: UserId): Promise<KnownKeys | undefined>
  /** Pinned keys and the capabilities to send by: those that the server tells, else those that were told last; rejects with `NoKey`. */
  recipient(user: UserId): Promise<KnownKeys & { readonly caps: readonly string[] }>
  /** Records the construction that a key used first. */
  learn(user: UserId, pubkey: PublicKeyText, construction: string): void
  /** Asks for what somebody waits for since before there was a connection to ask over. */
  attached(): void
  /** Requests without an answer end; a stock server that does not answer one is not asked again in this session. */
  detached(): void
}

export interface KeyBookOptions {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly journal: Journal
  readonly roster: Roster
  /** Whether the server never proved that it speaks more than v1.3: such a one may ignore what it is asked. */
  readonly stock: () => boolean
  /** Sends a PUBKEY_REQUEST. */
  readonly request: (user: UserId) => void
  readonly alarm: (user: UserId, changed: UserKeys) => void
  readonly refused: (user: UserId, error: ProtocolError) => void
}

interface Request {
  readonly answered: Promise<void>
  readonly settle: () => void
}

export const createKeyBook = ({ clock, crypto, journal, roster, stock, request, alarm, refused }: KeyBookOptions): KeyBook => {
  const imported = createRecent<PublicKeyText, Promise<PublicKey>>(1_024)
  const keyText = createKeyTexts(1_024)
  const requests = new Map<UserId, Request>()
  /** What was announced of people, whether or not they are listed: who is away can be written to. */
  const lately = createRecent<UserId, NonNullable<Member['announced']>>(maxLately)
  /** Told in this session; the fact alone is recorded once for ever. */
  const alarmed = createRecent<UserId, PublicKeyText>(maxAlarms)
  let unanswered = 0
  let everAnswered = false

  const importKey = (text: PublicKeyText): Promise<PublicKey> => {
    const known = imported.get(text)
    if (known !== undefined) return known
    const importing = crypto.importPublicKey(text)
    imported.set(text, importing)
    return importing
  }

  const ask = (user: UserId): Promise<void> => {
    const before = requests.get(user)
    if (before !== undefined) return before.answered
    // a stock server that ignores such requests costs the wait once
    if (requests.size >= maxRequests || (stock() && unanswered > 0 && !everAnswered)) return Promise.resolve()
    let settle = (): void => {}
    const answered = new Promise<void>(resolve => {
      const cancel = clock.after(keyRequestMs, () => {
        unanswered += 1
        settle()
      })
      settle = () => {
        cancel()
        requests.delete(user)
        resolve()
      }
    })
    requests.set(user, { answered, settle })
    request(user)
    return answered
  }

  const opened = async (keys: UserKeys): Promise<KnownKeys> => ({
    keys,
    verify: await importKey(keys.pubkey),
    encrypt: await importKey(keys.encPubkey ?? keys.pubkey),
  })

  const record = (user: UserId, facts: readonly ClientFact[]): void => {
    for (const fact of facts) journal.record(`user:${'user' in fact ? fact.user : user}`, fact)
  }

  const normalised = ({ pubkey, encPubkey }: { readonly pubkey: string; readonly encPubkey: string | undefined }): UserKeys => {
    const verify = keyText(pubkey)
    const encrypt = encPubkey === undefined || encPubkey === '' ? verify : keyText(encPubkey)
    return encrypt === verify ? { pubkey: verify } : { pubkey: verify, encPubkey: encrypt }
  }

  return {
    announced: (user, offered) => {
      let keys: UserKeys
      try {
        keys = normalised(offered)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        refused(user, error)
        requests.get(user)?.settle()
        return
      }
      record(user, decideKeys(journal.state, user, keys))
      const caps = offered.caps ?? lately.get(user)?.caps ?? (stock() ? [] : undefined)
      if (caps !== undefined) {
        roster.announced(user, { keys, caps })
        lately.set(user, { keys, caps })
      }
      const changed = journal.state.users.get(user)?.changed
      const known = changed === undefined ? undefined : (changed.encPubkey ?? changed.pubkey)
      if (changed !== undefined && alarmed.get(user) !== known) {
        alarmed.set(user, known ?? changed.pubkey)
        journal.release(() => {
          alarm(user, changed)
        })
      }
      everAnswered ||= requests.has(user)
      requests.get(user)?.settle()
    },
    unknown: user => {
      everAnswered ||= requests.has(user)
      requests.get(user)?.settle()
    },
    pinned: async user => {
      if (!journal.state.users.has(user)) await ask(user)
      const keys = journal.state.users.get(user)?.keys
      return keys === undefined ? undefined : await opened(keys)
    },
    recipient: async user => {
      const latest = (): Member['announced'] => {
        const member = roster.members.get(user)
        return member === undefined ? lately.get(user) : member.announced
      }
      if (latest() === undefined) await ask(user)
      const known = journal.state.users.get(user)
      const announced = latest()
      if (known === undefined) throw new NoKey('The server does not tell their key, so nothing can be encrypted to them.')
      if (known.changed !== undefined || (announced !== undefined && !sameKeys(announced.keys, known.keys)))
        throw new NoKey('Their key has changed. Compare it with them over another channel, then type /trust NAME.')
      // a server that falls silent takes no knowledge away: what is not known to be v1.3 must not go unkept
      const { caps } = announced ?? lately.get(user) ?? {}
      if (caps === undefined && !stock()) throw new NoKey('The server does not tell what their program understands; send it again later.')
      return { ...(await opened(known.keys)), caps: caps ?? [] }
    },
    learn: (user, pubkey, construction) => {
      if (journal.state.users.get(user)?.construction === undefined)
        journal.record(`user:${user}`, { type: 'construction.learned', user, pubkey, construction })
    },
    attached: () => {
      for (const user of requests.keys()) request(user)
    },
    detached: () => {
      for (const { settle } of [...requests.values()]) settle()
      unanswered = 0
      everAnswered = false
    },
  }
}
