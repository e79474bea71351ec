/** Other names for our frames that stock programs use, and the form in which each of them wants its answer. */
import type { FrameType } from './frames.ts'

export interface Alias {
  readonly type: FrameType
  /** Takes the alias only when the payload says so. */
  readonly when?: (payload: Readonly<Record<string, unknown>>) => boolean
}

/** Name on the wire → frame. The name stays on the frame as `alias`, so that the answer comes in its form. */
export const aliases = {
  MSG_PRIVATE: { type: 'MSG_DIRECT' },
  USER_START: { type: 'FILE_START' },
  USER_CHUNK: { type: 'FILE_CHUNK' },
  USER_END: { type: 'FILE_END' },
  CMD_LIST: { type: 'LIST_REQUEST' },
  USER_LIST_REQ: { type: 'LIST_REQUEST' },
  CTRL_LIST: { type: 'LIST_REQUEST' },
  GET_ONLINE_USERS: { type: 'LIST_REQUEST' },
  CLIENT_CMD: { type: 'LIST_REQUEST', when: payload => payload['cmd'] === '/list' },
  CTRL_GET_PUB: { type: 'PUBKEY_REQUEST' },
} as const satisfies Readonly<Record<string, Alias>>

export type AliasName = keyof typeof aliases

/** The alias of that name, if there is one. */
export const aliasOf = (name: string): Alias | undefined => (Object.hasOwn(aliases, name) ? aliases[name as AliasName] : undefined)

/** A user as a list shows them. */
export interface ListedUser {
  readonly user_id: string
  readonly display_name: string
  readonly server_id: string
  /** `suspect`: their server is silent; `recovered`: known from a log only. To those who understand it. */
  readonly presence: 'online' | 'away' | 'suspect' | 'recovered'
}

/** An answer under the name that its asker expects; `payload` still has to be made canonical and signed. */
export interface Answer {
  readonly type: string
  readonly payload: Readonly<Record<string, unknown>>
}

type ListForm = (users: readonly ListedUser[], more: boolean) => Answer

const ids = (users: readonly ListedUser[]): readonly string[] => users.map(user => user.user_id)
const userList: ListForm = users => ({ type: 'USER_LIST', payload: { users: ids(users) } })

const ownListForm: ListForm = (users, more) => ({ type: 'LIST_RESPONSE', payload: { users, more } })

/**
 * How each name for a list wants it. CTRL_LIST and CLIENT_CMD were captured; the answers to the other three were not,
 * so they get the form that occurs most.
 */
const listForms = {
  CTRL_LIST: users => ({ type: 'CTRL_LIST_RESP', payload: { online: ids(users) } }),
  CLIENT_CMD: userList,
  CMD_LIST: userList,
  USER_LIST_REQ: userList,
  GET_ONLINE_USERS: userList,
} as const satisfies Readonly<Record<string, ListForm>>

/** Answers a LIST_REQUEST in the form of the name that it came under; `users` is one part, `more` says that another follows. */
export const listAnswer = (alias: string | undefined, users: readonly ListedUser[], more: boolean): Answer =>
  alias !== undefined && Object.hasOwn(listForms, alias)
    ? listForms[alias as keyof typeof listForms](users, more)
    : ownListForm(users, more)

export interface KnownKey {
  readonly user_id: string
  readonly pubkey: string
  readonly enc_pubkey?: string
  readonly caps?: readonly string[]
}

/** Answers a PUBKEY_REQUEST for a user who is known, in the form of the name that it came under. */
export const pubkeyAnswer = (alias: string | undefined, key: KnownKey, requestId: string | undefined): Answer =>
  alias === 'CTRL_GET_PUB'
    ? {
        type: 'CTRL_PUBKEY',
        payload: { ok: true, user_id: key.user_id, pubkey: key.pubkey, ...(requestId !== undefined && { req_id: requestId }) },
      }
    : { type: 'PUBKEY_RESPONSE', payload: { ...key } }

/** The same for a user whom nobody knows; undefined where that is an ERROR as ever. */
export const pubkeyMissing = (alias: string | undefined, requestId: string | undefined): Answer | undefined =>
  alias === 'CTRL_GET_PUB'
    ? { type: 'CTRL_PUBKEY', payload: { ok: false, error: 'USER_NOT_FOUND', ...(requestId !== undefined && { req_id: requestId }) } }
    : undefined
