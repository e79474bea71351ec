/** How an operator's commands reach a running node: requests and answers over something that only its owner can open. */

/** One command on its way; what it answers and what it tells meanwhile are plain JSON. */
export interface ControlRequest {
  readonly command: string
  readonly params: Readonly<Record<string, unknown>>
  /** Tells whoever asked how far it is; nothing happens when they have gone. */
  readonly progress: (what: unknown) => void
}

export interface ControlListener {
  /** Takes no more requests, lets those at work answer, and hangs up. */
  close(): Promise<void>
}

/** Where requests come in. */
export interface ControlPort {
  /**
   * Calls `handle` for each request; what it answers or rejects with goes back as the result or as one sentence. Rejects with a
   * `ControlError` when nothing can listen there.
   */
  listen(handle: (request: ControlRequest) => Promise<unknown>): Promise<ControlListener>
}

/** The way to a node is not there, or broke, or the node refused. The message is a sentence for the operator. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  /** `absent`: no node listens; `refused`: it answered no; `broken`: the connection ended before the answer. */
  readonly kind: 'absent' | 'refused' | 'broken'
  constructor(kind: ControlError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}
