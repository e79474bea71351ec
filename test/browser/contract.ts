/** What the test in Node and the page in the browser say to each other. */

/** Served as `/setup.json`. */
export interface PageSetup {
  /** PKCS#8 DER in base64url of two RSA-4096 keys. */
  readonly keys: readonly string[]
  /** A public key of nobody in the captured data. */
  readonly foreign: string
  /** Files of the captured data, served under `/vectors/`. */
  readonly vectors: readonly string[]
  /** Made by Node with the first key: a signature over `signed`, and the same text sealed for it. */
  readonly fromNode: Made
}

export interface Made {
  readonly signed: string
  readonly signature: string
  readonly sealed: string
}

/** One case that ran in the page. */
export interface PageCase {
  readonly suite: string
  readonly name: string
  readonly assertions: number
  readonly ms: number
  /** Undefined when it passed. */
  readonly error?: string
}

/** What the page says when it is through. */
export interface PageEnd {
  readonly secure: boolean
  /** The same kind of thing, made by the browser, for Node to check. */
  readonly fromBrowser: Made
}

/** Functions that the test puts into the page. */
export interface PageReports {
  readonly reportStart: (name: string) => Promise<void>
  readonly reportCase: (result: PageCase) => Promise<void>
  readonly reportEnd: (end: PageEnd | { readonly failure: string }) => Promise<void>
}
