/** Where an operator's programs ask how a node is: plain HTTP on a port of its own, read only. A node in a simulation has none. */

export interface HttpRequest {
  /** Upper case, as it came. */
  readonly method: string
  /** Without query. */
  readonly path: string
}

export interface HttpAnswer {
  readonly status: number
  /** `content-type`. */
  readonly type: string
  readonly body: string
}

export interface HttpListener {
  readonly host: string
  readonly port: number
  /** Takes no more requests and cuts what is still open. */
  close(): Promise<void>
}

export interface HttpPort {
  /** Calls `answer` for each request; a rejection becomes a 500 without a word. Rejects with an `HttpError` when nothing can listen there. */
  listen(
    at: { readonly host: string; readonly port: number },
    answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>,
  ): Promise<HttpListener>
}

/** Nothing can listen there. The message is a sentence for the operator. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
}
