/** The fields of somebody's content that a server puts under its own signature when it passes the content on. */

/** Everything that a recipient shows, opens or verifies; the times are those that stock programs sign. */
const CARRIED = [
  'ciphertext',
  'text',
  'sender_pub',
  'content_sig',
  'group_id',
  'channel',
  'public',
  'receipt',
  'msg_ts',
  'orig_ts',
  'cts',
  'ts_ms',
  'ts',
  'file_id',
  'name',
  'size',
  'sha256',
  'mode',
  'index',
  'total',
] as const

/**
 * What of `payload` travels on. `sig` does not cover the type (SOCP §12), so a field of the sender's choice, such as `server_id`,
 * `nonce` or `meta`, would make our signature one under a removal, a proof or an advertisement of the sender's making.
 */
export const carriedContent = (payload: object): Readonly<Record<string, unknown>> => {
  const given = payload as Readonly<Record<string, unknown>>
  return Object.fromEntries(CARRIED.filter(key => Object.hasOwn(given, key) && isPlain(given[key])).map(key => [key, given[key]]))
}

/** `1e400` is read as infinity, which no JSON can say again. */
const isPlain = (value: unknown): boolean => typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
