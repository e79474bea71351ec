/** What waits for somebody, beside the facts that say so: content that is written with a fact and really deleted with another. */

export interface Mail {
  readonly recipient: string
  /** The message's name; unique for its recipient. */
  readonly id: string
  /** A purge of this person deletes it too. */
  readonly sender: string
  /** As its owner writes it; the store does not look into it. */
  readonly content: string
}

/** What a fact does to the mail, in its own transaction. Putting what is there already, and removing what is not, change nothing. */
export type MailChange =
  | { readonly put: Mail }
  | { readonly remove: { readonly recipient: string; readonly ids: readonly string[] } }
  /** All that waits for one recipient. */
  | { readonly clear: string }

/** What is committed can be read. Rejects with `LogUnusable` when a page is damaged or the log was closed. */
export interface MailStore {
  /** Those of `ids` that are there, in the order of `ids`. */
  read(recipient: string, ids: readonly string[]): Promise<readonly Mail[]>
  /** How many there are in all, and the UTF-8 bytes of their content. */
  size(): Promise<{ readonly count: number; readonly bytes: number }>
}
