/** The texts that a node signs about its own log; each begins with what it is, so that no signature can pass for another. */
import { canonicalOf } from '../protocol/canonical.ts'
import type { Checkpoint } from './durable-log.ts'

type Unsigned<T> = Omit<T, 'sig'>

/** Canonical JSON of a checkpoint without its signature. */
export const checkpointText = ({ seq, chain, stateHash, at }: Unsigned<Checkpoint>): string =>
  canonicalOf({ statement: 'socp-checkpoint', seq, chain, stateHash, at })

/** What a base vouches for: `stateHash` and `modelsHash` are SHA-256 of the texts as they are stored, hexadecimal. */
export interface BaseStatement extends Unsigned<Checkpoint> {
  readonly schema: number
  readonly modelsHash: string
}

/** Canonical JSON of a base without its signature and texts. */
export const baseText = ({ seq, chain, schema, stateHash, modelsHash, at }: BaseStatement): string =>
  canonicalOf({ statement: 'socp-base', seq, chain, schema, stateHash, modelsHash, at })
