/** The tables that SOCP §15 wants of a server, as rows that come from facts; the store writes them with the facts. */
import type { Fact } from '../domain/facts.ts'
import type { PublicKeyText, UserId } from '../protocol/ids.ts'
import type { UserMeta } from '../protocol/meta.ts'
import type { Projections, RowChange } from '../store/projections.ts'

const PUBLIC = 'public'

/** The keys that SOCP §15.1 names; what stands under none of them goes into `extras`. */
const metaText = (meta: UserMeta, caps: readonly string[], encPubkey: PublicKeyText | undefined): string => {
  const { display_name = null, pronouns = null, age = null, avatar_url = null } = meta
  return JSON.stringify({
    display_name,
    pronouns,
    age,
    avatar_url,
    extras: { caps, ...(encPubkey !== undefined && { enc_pubkey: encPubkey }) },
  })
}

/** A user as they were announced; everyone is a member of the public channel, and stays one when offline. */
const known = (
  at: number,
  {
    user,
    pubkey,
    encPubkey,
    meta,
    caps,
  }: {
    readonly user: UserId
    readonly pubkey?: PublicKeyText
    readonly encPubkey?: PublicKeyText
    readonly meta: UserMeta
    readonly caps: readonly string[]
  },
): readonly RowChange[] => [
  { put: 'users', row: { user_id: user, pubkey: pubkey ?? null, meta: metaText(meta, caps, encPubkey) } },
  { put: 'group_members', row: { group_id: PUBLIC, member_id: user, role: 'member', added_at: at } },
]

/** Changes with anything below, so that the tables are made anew. */
const VERSION = '2'

/**
 * users: `privkey_store` and `pake_password` are null until there are accounts; `version` counts the changes of a user. A key is pinned
 * until an operator releases it, so the first one stays. Times are Unix milliseconds.
 */
export const readModels: Projections<Fact> = {
  version: VERSION,
  tables: {
    users: {
      columns: {
        user_id: { type: 'TEXT', merge: 'first' },
        pubkey: { type: 'TEXT', merge: 'pinned' },
        privkey_store: { type: 'TEXT', merge: 'keep' },
        pake_password: { type: 'TEXT', merge: 'keep' },
        meta: { type: 'TEXT', merge: 'replace' },
        version: { type: 'INTEGER', merge: 'count' },
      },
      key: ['user_id'],
    },
    groups: {
      columns: {
        group_id: { type: 'TEXT', merge: 'first' },
        creator_id: { type: 'TEXT', merge: 'first' },
        created_at: { type: 'INTEGER', merge: 'first' },
        meta: { type: 'TEXT', merge: 'replace' },
        version: { type: 'INTEGER', merge: 'count' },
      },
      key: ['group_id'],
    },
    group_members: {
      columns: {
        group_id: { type: 'TEXT', merge: 'first' },
        member_id: { type: 'TEXT', merge: 'first' },
        role: { type: 'TEXT', merge: 'first' },
        wrapped_key: { type: 'TEXT', merge: 'keep' },
        added_at: { type: 'INTEGER', merge: 'first' },
      },
      key: ['group_id', 'member_id'],
    },
  },
  initial: {
    groups: [{ group_id: PUBLIC, creator_id: 'system', created_at: 0, meta: '{}', version: 1 }],
  },
  project: {
    'session.attached': ({ at, fact }) => known(at, fact),
    'user.advertised': ({ at, fact }) => known(at, fact),
    'user.unpinned': ({ fact }) => [{ remove: 'users', where: { user_id: fact.user } }],
  },
  erase: subject => [
    { remove: 'users', where: { user_id: subject } },
    { remove: 'group_members', where: { member_id: subject } },
  ],
}
