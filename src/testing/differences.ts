/** Where two plain JSON values differ, one line a place, for people. */

type Members = Readonly<Record<string, unknown>>

const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null

const shown = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value))

/** Lists the places where `now` is not what was `recorded`: `machines.link:s2.state: recorded "linked", now "resting"`. */
export const differences = (recorded: unknown, now: unknown, path = ''): readonly string[] => {
  if (Object.is(recorded, now)) return []
  if (!isMembers(recorded) || !isMembers(now) || Array.isArray(recorded) !== Array.isArray(now))
    return [`${path === '' ? 'everything' : path}: recorded ${shown(recorded)}, now ${shown(now)}`]
  const keys = new Set([...Object.keys(recorded), ...Object.keys(now)])
  return [...keys].flatMap(key => differences(recorded[key], now[key], path === '' ? key : `${path}.${key}`))
}
