/** What has to be true of a data directory after whatever happened to its server: nothing acknowledged is lost, and it serves. */
import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import { beginAtBase } from '../../src/server/recovery.ts'
import { createNodeFold, type NodeView, viewOfNode } from '../../src/server/replay.ts'
import { nodeUpcasters } from '../../src/server/upcasters.ts'
import type { Verdict } from '../../src/store/log-reader.ts'
import type { RecordedFact } from '../../src/store/log.ts'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { attachFrameUser } from './frame-client-user.ts'
import type { Processes, ServerProcess } from './processes.ts'
import { recoverCopy } from './recovery-in-place.ts'
import type { StockKey } from './stock-crypto.ts'

export type Recorded = RecordedFact<Fact>
/** Something that a client or an operator was told, so that it has to be true: of a fact for ever, of the state until the next life. */
export interface Claim {
  readonly what: string
  readonly holds?: (fact: Recorded) => boolean
  readonly knows?: (view: NodeView) => boolean
}

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

export interface LogOnDisk {
  /** The facts after the base. */
  readonly facts: readonly Recorded[]
  /** Sequence of the base, 0 without one. */
  readonly base: number
  readonly verdict: Verdict
  readonly view: NodeView
}

/** Reads, verifies and folds a log without its server. */
export const readLog = async (data: string): Promise<LogOnDisk> => {
  const reader = openLogReader<Fact>(join(data, 'log.db'), { upcasters: nodeUpcasters })
  try {
    const fold = createNodeFold()
    const { seq: base } = await beginAtBase({ base: () => Promise.resolve(reader.base()) }, fold)
    const facts = await Array.fromAsync(reader.read(base + 1))
    for (const fact of facts) fold.host.apply(fact)
    return { verdict: reader.verify(sha256), facts, base, view: viewOfNode(fold, facts.at(-1)?.seq ?? base) }
  } finally {
    reader.close()
  }
}

/** True when a log was begun there: its first transaction may have been the one that was interrupted. */
export const hasLog = (data: string): boolean => {
  const file = join(data, 'log.db')
  if (!existsSync(file) || statSync(file).size === 0) return false
  try {
    openLogReader(file).close()
    return true
  } catch (error) {
    if (/is empty: nothing was ever recorded|was being made when its node was interrupted/.test((error as Error).message)) return false
    throw error
  }
}

/** Every fact, its number without a gap in log and stream, and every claim. */
export const holdsClaims = (t: Test, { facts, base, verdict, view }: LogOnDisk, claims: readonly Claim[]): void => {
  if (!verdict.ok) {
    t.fail(`row ${String(verdict.seq)} is damaged: ${verdict.why}`)
    return
  }
  const erased = new Set(verdict.erased.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, n) => from + n)))
  const numbers = Array.from({ length: verdict.seq - base }, (_, n) => base + n + 1).filter(seq => !erased.has(seq))
  t.same(
    facts.map(fact => fact.seq),
    numbers,
    'the chain is whole, and no number is missing',
  )
  const versions = new Map<string, number>()
  for (const { stream, version } of facts) {
    const before = versions.get(stream)
    if (version !== (before ?? 0) + 1 && (before !== undefined || base === 0)) t.fail(`${stream} jumps to ${String(version)}`)
    versions.set(stream, version)
  }
  const lost = claims
    .filter(({ holds, knows }) => (holds !== undefined && !facts.some(holds)) || (knows !== undefined && !knows(view)))
    .map(claim => claim.what)
  t.same(lost, [], 'all that was acknowledged is there')
}

const listedBy = (view: NodeView): readonly string[] => view.directory.map(user => user.user_id).sort()

export interface Serving {
  readonly claims: readonly Claim[]
  readonly keyOf: (n: number) => StockKey
}

/** Checks what lies there, starts a server on it, is served by it, stops it, and checks again. Takes keys 8 and 9. */
export const survives = async (t: Test, rig: Processes, data: string, { claims, keyOf }: Serving): Promise<void> => {
  let before: LogOnDisk | undefined
  if (hasLog(data)) {
    before = await readLog(data)
    holdsClaims(t, before, claims)
  } else t.same(claims, [], 'nothing was acknowledged, and there is no log')

  const server: ServerProcess = await rig.serve({ data })
  const epochs = before?.facts.map(fact => fact.epoch) ?? []
  t.ok(server.epoch > Math.max(0, ...epochs), `epoch ${String(server.epoch)} is a new one`)
  const kay = await attachFrameUser({ url: server.url, key: keyOf(8), name: 'kay', caps: ['proof', 'ack'] })
  const lee = await attachFrameUser({ url: server.url, key: keyOf(9), name: 'lee' })
  const listed = (await kay.list()).map(entry => String(entry.user_id))
  const expected = [...(before === undefined ? [] : listedBy(before.view)), kay.id, lee.id]
  t.same(listed.sort(), expected.sort(), 'the running server knows whom the fold of its log knows')
  kay.socket.send(kay.direct({ id: lee.id, keyText: lee.keyText }, 'alive'))
  const heard = await lee.socket.waitFor('USER_DELIVER')
  t.equal(lee.read(heard), 'alive', 'it serves')
  t.same(await server.stop(), { code: 0, signal: null })

  const after = await readLog(data)
  // the state of before ended with this life, its facts did not
  holdsClaims(
    t,
    after,
    claims.map(({ what, holds }) => ({ what, ...(holds === undefined ? {} : { holds }) })),
  )
  t.same(after.facts.slice(0, before?.facts.length ?? 0), before?.facts ?? [], 'what was there stands unchanged')
  const { view, said } = await recoverCopy(data, rig.place('recovered'))
  t.same(said, [])
  t.same(view, after.view, 'what the next start makes of snapshot and tail equals the fold of the log')
}
