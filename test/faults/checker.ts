/** What must hold in a mesh whatever goes wrong, as a pure function of what its processes wrote down. */
import type { Line, ListedPlace } from './history.ts'

export const rules = {
  lost: 'a message that was accepted, `waiting` or `delivered`, is shown to its reader',
  kept: 'a message that its sender was told is `sent`, which means kept until it is accepted, is shown in the end',
  early: 'nobody is told `delivered` before the message was shown',
  twice:
    'none is shown twice to a program that lives, and one that was killed may show again what it showed in its last second, under the same id',
  order: 'what one person wrote to another is shown in the order of writing',
  invented: 'what is shown was said by that person, to this reader, and is verified',
  unequal: 'ten seconds after the last heal all servers list the same people at the same homes in the same state',
  stuck: 'after a heal everybody can write to somebody again, and reach them',
  sound: 'no program ends by itself or finds a bug in itself, and nobody is told of another key',
} as const
export type Rule = keyof typeof rules

export interface Violation {
  readonly rule: Rule
  readonly what: string
}

export interface Verdict {
  readonly violations: readonly Violation[]
  /** How often each rule was looked at. */
  readonly checked: Readonly<Record<Rule, number>>
  readonly said: number
  readonly accepted: number
  readonly shown: number
}

/** What a killed program may show again. */
export const LAST_MS = 1_000
/** When the lists have to be equal after the last heal; a server that was started again counts as healed when it serves. */
export const EQUAL_MS = 10_000
/** Who comes or goes is on its way for a moment. */
const NEWS_MS = 2_000

type Of<What extends Line['what']> = Line & { readonly what: What }

/** One list as text, the same for the same people, homes and states. */
export const listText = (users: readonly ListedPlace[]): string =>
  users
    .map(place => place.join(' '))
    .sort()
    .join('\n')

interface Findings {
  check(rule: Rule, holds: boolean, what: () => string): void
  readonly violations: Violation[]
  readonly checked: Record<Rule, number>
}

const findings = (): Findings => {
  const violations: Violation[] = []
  const checked = Object.fromEntries(Object.keys(rules).map(rule => [rule, 0])) as Record<Rule, number>
  return {
    violations,
    checked,
    check(rule, holds, what) {
      checked[rule] += 1
      if (!holds) violations.push({ rule, what: what() })
    },
  }
}

const ofKind = <What extends Line['what']>(lines: readonly Line[], ...whats: readonly What[]): readonly Of<What>[] =>
  lines.filter((line): line is Of<What> => (whats as readonly string[]).includes(line.what))

const groupBy = <T>(all: readonly T[], name: (one: T) => string): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>()
  for (const one of all) groups.set(name(one), [...(groups.get(name(one)) ?? []), one])
  return groups
}

/** What was shown of each message, against what was said and what its sender was told. */
const checkMessages = (lines: readonly Line[], { check }: Findings): Pick<Verdict, 'said' | 'accepted' | 'shown'> => {
  const idOf = ofKind(lines, 'begun')[0]?.people ?? {}
  const nameOf = new Map(Object.entries(idOf).map(([name, id]) => [id, name]))
  const said = new Set(ofKind(lines, 'saying').map(({ from, to, n }) => `${from} says ${String(n)} to ${to}`))
  const shown = ofKind(lines, 'shown')
  const showings = groupBy(shown, ({ to, id }) => `${to} ${id}`)
  const deaths = ofKind(lines, 'killed')

  for (const { from, to, n, text, verified } of shown) {
    const name = nameOf.get(from) ?? from
    const honest = verified && text === `${name} says ${String(n)}` && said.has(`${text} to ${idOf[to] ?? to}`)
    check('invented', honest, () => `${to} was shown ${verified ? '' : 'unverified '}"${text}" from ${name}, who did not say that to them`)
  }

  for (const [, [first, ...again]] of groupBy(shown, ({ to, from, n }) => `${to} ${from} ${String(n)}`)) {
    if (first === undefined) continue
    let before = first
    check('twice', true, String)
    for (const next of again) {
      const death = deaths.find(({ ms, people }) => people.includes(next.to) && ms >= before.ms && ms <= next.ms)
      const excused = death !== undefined && death.ms - before.ms <= LAST_MS && next.id === before.id
      const why = death === undefined ? 'and lived' : `was killed ${String(Math.round(death.ms - before.ms))} ms later`
      check('twice', excused, () => `${next.to} was shown "${next.text}" at ${at(before)}, ${why}, and again at ${at(next)}`)
      before = next
    }
  }

  for (const [, all] of groupBy(shown, ({ to, from }) => `${from} ${to}`)) {
    const seen = new Set<number>()
    let most = 0
    for (const { n, to, text, ms } of all) {
      if (seen.has(n)) continue
      seen.add(n)
      check('order', n > most, () => `${to} was shown "${text}" at ${at({ ms })} after number ${String(most)}`)
      most = Math.max(most, n)
    }
  }

  const told = groupBy(
    ofKind(lines, 'told').filter(({ id }) => id !== ''),
    ({ from, to, id }) => `${from} ${to} ${id}`,
  )
  let accepted = 0
  for (const [, words] of told) {
    const [{ from, to, id } = { from: '', to: '', id: '' }] = words
    const n = words.find(word => word.n !== undefined)?.n
    const name = `"${from} says ${String(n ?? '?')}" to ${nameOf.get(to) ?? to} (${id})`
    const seen = showings.get(`${nameOf.get(to) ?? to} ${id}`)?.[0]
    const last = words.at(-1)?.status ?? ''
    const firstAccepted = words.find(({ status }) => status === 'waiting' || status === 'delivered')
    if (firstAccepted !== undefined) {
      accepted += 1
      check('lost', seen !== undefined, () => `${name} was ${firstAccepted.status} at ${at(firstAccepted)}, and never shown`)
    } else if (last === 'sent')
      check('kept', seen !== undefined, () => `${name} was sent at ${at(words[0] as Line)}, and neither accepted nor shown`)
    const delivered = words.find(({ status }) => status === 'delivered')
    if (delivered !== undefined)
      check('early', seen !== undefined && seen.ms <= delivered.ms, () => `${name} was delivered at ${at(delivered)}, before it was shown`)
  }
  return { said: said.size, accepted, shown: showings.size }
}

const at = ({ ms }: { readonly ms: number }): string => `${(ms / 1_000).toFixed(3)} s`

/** What servers listed after each heal. */
const checkLists = (lines: readonly Line[], { check }: Findings): void => {
  const servers = ofKind(lines, 'begun')[0]?.servers ?? []
  const heals = ofKind(lines, 'healed')
  const turns = ofKind(lines, 'fault', 'ended')
  const births = ofKind(lines, 'started').filter(({ people }) => people.length === 0)
  const serving = ofKind(lines, 'serving')
  const news = ofKind(lines, 'attached', 'offline')
  for (const heal of heals) {
    // a server that was started again runs once it serves
    const begins = births
      .filter(({ ms }) => ms <= heal.ms)
      .map(({ ms, process }) => serving.find(line => line.server === process && line.ms >= ms)?.ms ?? Infinity)
    const from = Math.max(heal.ms, ...begins)
    const until = turns.find(({ ms }) => ms > heal.ms)?.ms ?? Infinity
    const looks = [
      ...groupBy(
        ofKind(lines, 'listed').filter(({ asked }) => asked > heal.ms && asked < until),
        ({ asked }) => String(asked),
      ).values(),
    ]
    const equal = looks.map(look => look.length === servers.length && new Set(look.map(({ users }) => listText(users))).size === 1)
    const first = looks[equal.indexOf(true)]?.[0]
    const late = first === undefined ? 'never' : `only after ${String(Math.round(first.asked - from))} ms`
    check(
      'unequal',
      first !== undefined && first.asked - from <= EQUAL_MS,
      () => `the lists were ${late} equal after the heal of ${heal.kind} (round ${String(heal.round)})`,
    )
    for (const [index, look] of looks.entries()) {
      const [{ asked, ms } = { asked: 0, ms: 0 }] = look
      if (asked - from <= EQUAL_MS || news.some(event => event.ms >= asked - NEWS_MS && event.ms <= ms + NEWS_MS)) continue
      check(
        'unequal',
        equal[index] === true,
        () => `the lists differ at ${at({ ms: asked })}, after the heal of ${heal.kind} (round ${String(heal.round)}): ${difference(look)}`,
      )
      // once says it
      if (equal[index] !== true) break
    }
  }
}

/** What some lists have and others have not. */
export const difference = (look: readonly Pick<Of<'listed'>, 'server' | 'users'>[]): string => {
  const counts = groupBy(
    look.flatMap(({ server, users }) => users.map(place => ({ server, place: place.join(' ') }))),
    ({ place }) => place,
  )
  const odd = [...counts]
    .filter(([, who]) => who.length < look.length)
    .map(([place, who]) => `${place} at ${who.map(({ server }) => server).join(' ')}`)
  return `${String(look.length)} servers answered; ${odd.slice(0, 6).join('; ')}${odd.length > 6 ? `; and ${String(odd.length - 6)} more` : ''}`
}

const BUGS = /^(error: |fatal|alarm|unhandled rejection|ended by itself|stderr)/

/** What programs say about themselves. */
const checkPrograms = (lines: readonly Line[], { check }: Findings): void => {
  for (const { who, text, more, ms } of ofKind(lines, 'note')) {
    const bug = BUGS.test(text) || (text === 'error' && (more as { readonly code?: string }).code === 'INTERNAL')
    check('sound', !bug, () => `${who} at ${at({ ms })}: ${text} ${JSON.stringify(more ?? '').slice(0, 1_000)}`)
  }
}

/** @param lines of one run, in the order in which they were written */
export const checkHistory = (lines: readonly Line[]): Verdict => {
  const found = findings()
  const messages = checkMessages(lines, found)
  checkLists(lines, found)
  checkPrograms(lines, found)
  for (const { what, round, kind, after, tookMs, waiting } of ofKind(lines, 'recovered', 'stuck'))
    if (after === 'heal')
      found.check(
        'stuck',
        what === 'recovered',
        () =>
          `after the heal of ${kind} (round ${String(round)}), within ${String(Math.round(tookMs))} ms: ${waiting.slice(0, 10).join('; ')}`,
      )
  return { violations: found.violations, checked: found.checked, ...messages }
}
