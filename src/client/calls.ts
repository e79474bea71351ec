/** What a person can ask of a client: each call ends in one event that answers it, with the caller's `ref`. */
import type { UserId } from '../protocol/ids.ts'
import type { ClientEvent, ListedUser } from './events.ts'
import { decideServerTrust, decideTrust } from './decisions.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { Listing } from './listing.ts'
import { byName, resolveName, type Resolution } from './names.ts'
import type { Member, Roster } from './roster.ts'
import { cleanLine } from './sanitise.ts'
import type { Progress, SendFile } from './transfers/sending.ts'
import type { Progress as WritingProgress, Writing } from './writing.ts'

/** `ref` comes back in the events that answer a call. */
export interface CallOptions {
  readonly ref?: string
}

export interface Calls {
  /** Asks the server who is online; answered by `users`. False when there is no connection. */
  list(options?: CallOptions): Promise<boolean>
  /** Sends to one person by name or id; answered by `sent`, or by `error` when the name means nobody or several. True when accepted. */
  tell(to: string, text: string, options?: CallOptions): Promise<boolean>
  /** Sends to everybody online; answered by one `sent` with `to` = `public`. */
  all(text: string, options?: CallOptions): Promise<boolean>
  /** Sends a file; answered like `tell`. */
  sendFile(to: string, path: string, options?: CallOptions & { readonly progress?: Progress }): Promise<boolean>
  /** Takes the changed keys of a person for theirs, or without a name the changed key of the server. Answered by `trusted` or `error`. */
  trust(name: string | undefined, options?: CallOptions): boolean
  /** Attaches again after another program with this key has taken over; `error` when it is attached. False then. */
  resume(options?: CallOptions): boolean
  /** Who is online, sorted by name. */
  users(): readonly ListedUser[]
  /** The name of somebody who is or was online; the id of anybody else. */
  nameOf(user: UserId): string
  resolve(name: string): Resolution<Member>
}

export interface CallsOptions {
  readonly userId: UserId
  readonly name: string
  /** The address at which another server or key answers than before. */
  readonly changedServer: () => string | undefined
  readonly journal: Journal
  readonly roster: Roster
  readonly listing: Listing
  readonly writing: Writing
  readonly sendFile: SendFile
  readonly emit: (event: ClientEvent) => void
  readonly attached: () => Attachment | undefined
  /** Whether messages are kept for people who are away. */
  readonly keeps: () => boolean
  /** Dials again after a refusal that a person has dealt with. */
  readonly retry: () => void
}

/** Candidates that an ambiguous name lists. */
const maxCandidates = 10

export const createCalls = (options: CallsOptions): Calls => {
  const { userId, name, changedServer, journal, roster, listing, writing, sendFile, emit, attached, keeps, retry } = options
  const others = (): readonly Member[] => [...roster.members.values()].filter(member => member.id !== userId)
  const fail = (code: string, detail: string, ref: string | undefined): false => {
    emit({ event: 'error', code, detail, ...(ref !== undefined && { ref }) })
    return false
  }
  /** Somebody who was here and left, or whom we know from before by their id. */
  const away = (typed: string): Pick<Member, 'id'> | undefined => {
    const known = journal.state.users.get(typed as UserId)
    if (known?.contact === true && typed !== userId) return { id: typed as UserId }
    const departed = [...roster.departed]
      .filter(([id]) => id !== userId && !roster.members.has(id))
      .map(([id, called]) => ({ id, name: called }))
    const resolution = resolveName(typed, departed)
    return 'found' in resolution ? resolution.found : undefined
  }
  const find = (typed: string, ref: string | undefined): Pick<Member, 'id'> | undefined => {
    const resolution = resolveName(typed, others())
    if ('found' in resolution) return resolution.found
    if ('unknown' in resolution) {
      const absent = keeps() ? away(typed) : undefined
      if (absent !== undefined) return absent
      const self = 'found' in resolveName(typed, [{ id: userId, name }])
      if (self) fail('USER_NOT_FOUND', `${name} is you.`, ref)
      else if (attached() === undefined)
        fail('OFFLINE', `There is no connection to the server, and nobody is known here who is called "${cleanLine(typed, 80)}".`, ref)
      else fail('USER_NOT_FOUND', `Nobody online is called "${cleanLine(typed, 80)}". /list shows who is.`, ref)
      return undefined
    }
    const listed = resolution.ambiguous.slice(0, maxCandidates).map(person => `${person.id} (on ${person.server})`)
    const more = resolution.ambiguous.length > maxCandidates ? ` and ${resolution.ambiguous.length - maxCandidates} more` : ''
    fail(
      'AMBIGUOUS_NAME',
      `${resolution.ambiguous.length} people are called "${cleanLine(typed, 80)}"; use the id: ${listed.join(', ')}${more}.`,
      ref,
    )
    return undefined
  }
  const progressOf =
    (to: string, ref: string | undefined): WritingProgress =>
    (id, status, why) => {
      emit({ event: 'sent', id, ref: ref ?? null, to, status, ...(why !== undefined && { why }) })
    }
  const users = (): readonly ListedUser[] =>
    [...roster.members.values()]
      .sort(byName)
      .map(({ id, name: called, server, presence }) => ({ user_id: id, name: called, server_id: server, presence }))

  return {
    list: async ({ ref } = {}) => {
      if (attached() === undefined) return fail('OFFLINE', 'There is no connection to the server; ask again when it is back.', ref)
      // a stock server without a list still tells who comes and goes
      await listing.refresh()
      emit({ event: 'users', users: users(), ...(ref !== undefined && { ref }) })
      return true
    },
    tell: async (to, text, { ref } = {}) => {
      await listing.settled()
      const member = find(to, ref)
      return member === undefined ? false : await writing.direct(member.id, text, progressOf(member.id, ref))
    },
    all: async (text, { ref } = {}) => {
      await listing.settled()
      const members = others().map(member => member.id)
      return await writing.toAll(members, text, progressOf('public', ref))
    },
    sendFile: async (to, path, { ref, progress = () => {} } = {}) => {
      await listing.settled()
      const member = find(to, ref)
      if (member === undefined) return false
      // files wait for nobody
      if (!roster.members.has(member.id))
        return fail('USER_NOT_FOUND', `${roster.nameOf(member.id)} is not online, and a file does not wait.`, ref)
      const outcome = await sendFile(member.id, path, progress)
      if ('unreadable' in outcome) return fail('FILE_UNREADABLE', outcome.unreadable, ref)
      const { id, name: file, why } = outcome
      const status = why === undefined ? 'sent' : 'failed'
      emit({ event: 'sent', id, ref: ref ?? null, to: member.id, file, status, ...(why !== undefined && { why }) })
      return why === undefined
    },
    resume: ({ ref } = {}) => {
      if (attached() !== undefined) return fail('CONNECTED', 'You are connected already.', ref)
      retry()
      return true
    },
    trust: (typed, { ref } = {}) => {
      const refs = ref === undefined ? {} : { ref }
      if (typed === undefined) {
        const url = changedServer()
        const changed = url === undefined ? undefined : journal.state.servers.get(url)?.changed
        if (url === undefined || changed === undefined) return fail('NOTHING_TO_TRUST', 'The key of the server has not changed.', ref)
        for (const fact of decideServerTrust(journal.state, url)) journal.record(`server:${changed.server}`, fact)
        journal.release(() => {
          emit({ event: 'trusted', kind: 'server_key', user_id: changed.server, name: changed.server, ...refs })
          retry()
        })
        return true
      }
      const id = journal.state.users.has(typed as UserId) ? (typed as UserId) : find(typed, ref)?.id
      if (id === undefined) return false
      const facts = decideTrust(journal.state, id)
      if (facts.length === 0) return fail('NOTHING_TO_TRUST', `The key of ${roster.nameOf(id)} has not changed.`, ref)
      for (const fact of facts) journal.record(`user:${id}`, fact)
      journal.release(() => {
        emit({ event: 'trusted', kind: 'user_key', user_id: id, name: roster.nameOf(id), ...refs })
      })
      return true
    },
    users,
    nameOf: roster.nameOf,
    resolve: typed => resolveName(typed, others()),
  }
}
