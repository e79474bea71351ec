/** What must hold in every world: how often it was checked, and where it did not hold. */

/** The invariants, and what each says. */
export const invariants = {
  delivered: 'what is sent while its way has no fault is shown within 5 s',
  shown_once: 'a program that lives shows no message twice, and one that was killed only what it showed in its last second',
  in_order: 'what one person writes to another is shown in the order of writing, or what is missing was waited for',
  accepted: 'a message that was said to be delivered was shown, and one that waits is on a disk, and shown in the end',
  kept: 'a message that a program keeps until it is accepted is shown in the end',
  mailbox: 'a mailbox lets go only of what was shown, could not be read, waits elsewhere or is too old, and has the content of the rest',
  handed: 'a server hands a person a message only once over one connection, and what waited for them the oldest first',
  honest: 'a message is given up only when there was no room for it, or its reader could not read it',
  truthful: 'what is shown as verified was written by that person, to whoever sees it, in these words',
  intact: 'a file that is shown as verified is the one that was sent, byte for byte, by whom it says',
  saved: 'a file that is sent while its way has no fault is there within 10 s',
  paced: 'a file is ahead of what its reader has written by 32 chunks at most, but when that was not heard for 10 s',
  taken: 'a message to somebody who is away is taken by a mailbox within 5 s where the way there has no fault',
  heard: 'who wrote a message hears that it was shown within 5 s where the way has no fault, and when they come back if it had waited',
  stranded: 'what waits at a server that is gone is shown all the same, within 25 s of when its reader and its writer are there',
  proven: 'nobody is attached, and no server believes that they are, but by a proof that their program has just made',
  linked: 'two servers between which all is well hear each other again within 25 s, and dial each other no oftener than they need',
  patient: 'nobody is taken for gone before the grace time is over',
  confidential: 'no server and nobody between ever holds a message in the clear',
  keys: "nobody's key is replaced without an alarm",
  authentic: 'a server believes nothing about an honest server that it did not say itself, and hands nobody what its sender did not write',
  newest: 'what a server believes of somebody never goes back to what was said before',
  recorded_first: 'nothing leaves a program before the fact that it stands for is durable',
  replayable: 'the fold of the log is the live state, and its times never go back',
  presence: 'who is there and reachable is listed everywhere, and who left is not',
  moved: 'who can reach a server that they know is attached to one, and nobody is left to believe that they are attached when they are not',
  doubted: 'nobody is surely there whose server is silent, and listed there after the grace time',
  agreed: 'when all has been well for 20 s, all servers and people say the same of everybody: where they are, and that they are there',
  bounded: 'what is kept for peers and people grows with those that live, and not with time',
  sound: 'nothing stops or complains without a fault that explains it',
  converged: 'when faults have ended all servers list the same people, everybody is attached, and nothing waits',
} as const
export type Invariant = keyof typeof invariants

export interface Violation {
  readonly invariant: Invariant
  /** Virtual milliseconds since the world began. */
  readonly at: number
  readonly what: string
}

export interface Judge {
  /** Counts a check, and notes the violation when it fails. */
  check(invariant: Invariant, holds: boolean, what: () => string): void
  readonly checked: Readonly<Record<Invariant, number>>
  readonly violations: readonly Violation[]
}

/** More of one kind say nothing new. */
const MOST_OF_ONE = 10

export const createJudge = (now: () => number): Judge => {
  const names = Object.keys(invariants) as readonly Invariant[]
  const checked = Object.fromEntries(names.map(name => [name, 0])) as Record<Invariant, number>
  const violations: Violation[] = []
  const found = new Map<Invariant, number>()
  return {
    checked,
    violations,
    check(invariant, holds, what) {
      checked[invariant] += 1
      if (holds) return
      const count = (found.get(invariant) ?? 0) + 1
      found.set(invariant, count)
      if (count <= MOST_OF_ONE) violations.push({ invariant, at: Math.round(now()), what: what() })
    },
  }
}
