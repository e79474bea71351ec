/** Randomness as the node sees it, so that a simulation can give it a seed. */
export interface Random {
  /** `length` bytes, unpredictable in the real port. */
  bytes(length: number): Uint8Array
  /** A lower-case UUID v4 (RFC 9562 §5.4). */
  uuid(): string
  /** A number in [0, 1) for jitter; never for secrets. */
  fraction(): number
}
