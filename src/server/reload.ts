/** A new configuration for a running node: what can change at run time changes, what cannot keeps its value and is named. */
import type { NodeConfig } from './config.ts'
import { introducerKeys, pinListed } from './listed-servers.ts'
import type { Node } from './node.ts'

/** Settings that are looked at once, when the node starts. */
const FIXED: ReadonlySet<string> = new Set([
  ...['host', 'port', 'advertise', 'reach', 'http.host', 'http.port', 'tls.ca', 'tls.verify_peers'],
  ...['limits.signatures', 'limits.joins', 'limits.unsignedJoins', 'timing.signMs', 'timing.heartbeatMs', 'timing.checkpointMs'],
])

export interface Reloaded {
  /** Settings that have a new value now, as `limits.sessions`. */
  readonly changed: readonly string[]
  /** Settings whose new value counts from the next start on. */
  readonly kept: readonly string[]
}

type Tree = Readonly<Record<string, unknown>>
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Path → value of everything that is not itself an object; lists are one value. */
const leaves = (tree: Tree, path = ''): ReadonlyMap<string, unknown> =>
  new Map(
    Object.entries(tree).flatMap(([key, value]): [string, unknown][] => {
      const name = `${path}${key}`
      return isTree(value) && !RATES.has(name) ? [...leaves(value, `${name}.`)] : [[name, value]]
    }),
  )

/** Rates are one setting each. */
const RATES: ReadonlySet<string> = new Set(
  ['joins', 'unsignedJoins', 'attaches', 'userFrames', 'serverFrames', 'refusals'].map(name => `limits.${name}`),
)

/** Puts one value of `from` into a copy of `into`. */
const withValue = (into: Tree, from: Tree, [key = '', ...rest]: readonly string[]): Tree => {
  if (rest.length > 0 && (isTree(into[key]) || isTree(from[key])))
    return { ...into, [key]: withValue((into[key] ?? {}) as Tree, (from[key] ?? {}) as Tree, rest) }
  const { [key]: _, ...others } = into
  return key in from ? { ...others, [key]: from[key] } : others
}

/** What becomes of a configuration when another is wanted in its place. */
export const merged = (now: NodeConfig, wanted: NodeConfig): Reloaded & { readonly config: NodeConfig } => {
  const [before, after] = [leaves(now), leaves(wanted)]
  const different = [...new Set([...before.keys(), ...after.keys()])]
    .filter(name => JSON.stringify(before.get(name)) !== JSON.stringify(after.get(name)))
    .sort()
  const kept = different.filter(name => FIXED.has(name))
  // whole parts that one of the two has not at all are put back as a whole
  const config = kept.reduce<Tree>((tree, name) => withValue(tree, now, name.startsWith('http.') ? ['http'] : name.split('.')), wanted)
  return { config: config as NodeConfig, changed: different.filter(name => !FIXED.has(name)), kept }
}

/** Gives a running node another configuration. Links and sessions stay; limits of a peer or user count from its next connection on. */
export const reloadNode = async (node: { -readonly [Part in keyof Node]: Node[Part] }, wanted: NodeConfig): Promise<Reloaded> => {
  const { config, changed, kept } = merged(node.config, wanted)
  node.config = config
  node.introducers = await introducerKeys(node)
  if (changed.includes('servers')) {
    await pinListed(node)
    await node.runtime.flushed()
    for (const { server_id } of config.servers)
      for (const member of node.state.membership.servers.values()) if (member.id === server_id) node.links.manage(member.id)
  }
  // whoever waits or has joined asks the new ones when it asks next
  const state = node.runtime.machine('bootstrap')?.state
  if (changed.includes('bootstrap_servers') && (state === undefined || state === 'alone')) node.bootstrap.start()
  for (const name of kept)
    node.log('warn', 'a setting cannot change while the server runs, it keeps its value until the next start', { setting: name })
  node.log('info', 'read the configuration again', { changed })
  return { changed, kept }
}
