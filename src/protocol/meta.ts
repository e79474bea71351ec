/** What a user says about themselves (SOCP §15.1); routing and cryptography never depend on it. */
export interface UserMeta {
  readonly display_name?: string
  readonly pronouns?: string
  readonly age?: number
  readonly avatar_url?: string
}
