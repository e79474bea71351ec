/** Mistakes that the simulation has to see: each is a patch beside this file, and the invariant that has to catch it. */
import type { FaultName } from '../../src/simulation/faults/faults.ts'
import type { Invariant } from '../../src/simulation/judge.ts'

export interface PlantedMistake {
  /** The patch is `NAME.patch`. */
  readonly name: string
  readonly mistake: string
  readonly seenBy: Invariant
  /** The first seed, counted from 1, in which it was seen when this was written; any change of the program may move it. */
  readonly seed: number
  /** Every fault when left out. */
  readonly faults?: readonly FaultName[]
  /** Virtual seconds; 60 when left out. */
  readonly seconds?: number
}

/** So many seeds, from 1 on, are enough for each. */
export const SEEDS_ENOUGH = 40

export const plantedMistakes: readonly PlantedMistake[] = [
  { name: 'acknowledge-before-commit', mistake: 'what waits for a commit leaves at once', seenBy: 'recorded_first', seed: 2 },
  {
    name: 'swallow-failed-commit',
    mistake: 'a node whose log refused goes on as if it had not',
    seenBy: 'replayable',
    seed: 1,
    faults: ['disk_before', 'user_kill', 'leave'],
    seconds: 180,
  },
  {
    name: 'forget-order-at-restart',
    mistake: 'a restart forgets which presence was heard',
    seenBy: 'newest',
    seed: 6,
    faults: ['mass', 'reorder', 'leave', 'user_kill'],
    seconds: 180,
  },
  { name: 'snapshot-without-order', mistake: 'a snapshot does not hold which presence was heard', seenBy: 'replayable', seed: 5 },
  {
    name: 'snapshot-without-pins',
    mistake: 'a pinned key is lost when a node starts from a snapshot',
    seenBy: 'replayable',
    seed: 1,
    faults: ['kill', 'mass'],
  },
  {
    name: 'snapshot-one-fact-late',
    mistake: 'a snapshot is said to hold one fact more than it does',
    seenBy: 'replayable',
    seed: 2,
    faults: ['kill', 'mass'],
  },
  {
    name: 'skip-link-signature',
    mistake: 'a signature that does not verify is let through',
    seenBy: 'authentic',
    seed: 1,
    faults: ['forge'],
  },
  {
    name: 'believe-anybodys-word',
    mistake: "a server is believed what it says of another's people",
    seenBy: 'authentic',
    seed: 1,
    faults: ['misattribute'],
  },
  {
    name: 'accept-older-presence',
    mistake: 'old presence counts when it comes again',
    seenBy: 'newest',
    seed: 1,
    faults: ['reorder', 'leave', 'user_kill', 'kill'],
    seconds: 180,
  },
  { name: 'removal-overtakes', mistake: 'a removal is applied whatever was heard since', seenBy: 'newest', seed: 3 },
  {
    name: 'skip-content-signature',
    mistake: 'a client shows as verified what its sender did not sign',
    seenBy: 'truthful',
    seed: 1,
    faults: ['home_invents'],
  },
  {
    name: 'ignore-binding',
    mistake: 'a client shows a text as verified that was written for another message',
    seenBy: 'truthful',
    seed: 1,
    faults: ['home_steals'],
  },
  { name: 'send-in-the-clear', mistake: 'a client does not encrypt', seenBy: 'confidential', seed: 1 },
  { name: 'server-replaces-key', mistake: 'a server takes the key of the last advertisement', seenBy: 'keys', seed: 1, faults: ['claim'] },
  { name: 'client-replaces-key', mistake: 'a client takes the last key that it was told', seenBy: 'keys', seed: 1, faults: ['home_key'] },
  { name: 'attach-with-another-key', mistake: 'whoever says an id attaches under it', seenBy: 'keys', seed: 1, faults: ['impostor'] },
  { name: 'do-not-tell-people', mistake: 'gossip is not passed on to the people here', seenBy: 'converged', seed: 3 },
  {
    name: 'grace-not-armed-again',
    mistake: 'after a restart nobody waits for the end of a grace time any more',
    seenBy: 'presence',
    seed: 1,
    faults: ['vanish', 'mass'],
    seconds: 180,
  },
  {
    name: 'redial-never-armed',
    mistake: 'a link that was lost is not dialled again',
    seenBy: 'converged',
    seed: 1,
    faults: ['cut', 'kill'],
  },
  {
    name: 'keep-ended-sessions',
    mistake: 'the machine of a session stays when the session is over',
    seenBy: 'bounded',
    seed: 1,
    faults: ['leave', 'vanish'],
  },
  {
    name: 'say-waiting-without-keeping',
    mistake: 'a server says that a message waits in a mailbox that it does not keep',
    seenBy: 'accepted',
    seed: 1,
  },
  { name: 'send-only-once', mistake: 'a client sends no message again', seenBy: 'delivered', seed: 1 },
  {
    name: 'drop-outbox-at-resume',
    mistake: 'a program that is started again forgets what it kept',
    seenBy: 'delivered',
    seed: 2,
    faults: ['user_kill', 'user_point', 'alone', 'halves'],
    seconds: 180,
  },
  {
    name: 'show-twice',
    mistake: 'a client forgets what it has shown',
    seenBy: 'shown_once',
    seed: 11,
    faults: ['ambush'],
  },
  {
    name: 'show-without-waiting',
    mistake: 'a client shows each message as it comes',
    seenBy: 'in_order',
    seed: 1,
    faults: ['crossing'],
  },
  {
    name: 'lose-patience',
    mistake: 'a client waits half a second for what is missing',
    seenBy: 'in_order',
    seed: 1,
    faults: ['crossing'],
  },
  {
    name: 'confirm-before-recording',
    mistake: 'a receipt leaves before what was shown is recorded',
    seenBy: 'recorded_first',
    seed: 1,
    faults: ['ambush', 'slow_reader'],
  },
  {
    name: 'send-before-storing',
    mistake: 'a message leaves before it is on the disk',
    seenBy: 'recorded_first',
    seed: 2,
    faults: ['letters'],
  },
  {
    name: 'believe-any-receipt',
    mistake: "a client takes anybody's word for a reader's",
    seenBy: 'accepted',
    seed: 1,
    faults: ['home_receipt'],
  },
  {
    name: 'acknowledged-is-passed',
    mistake: 'an acknowledgement that is read when the connection is gone ends the keeping',
    seenBy: 'honest',
    seed: 6,
    faults: ['ambush'],
  },
  {
    name: 'miss-nothing',
    mistake: 'what a receipt is missing for is sent again only when it is due',
    seenBy: 'delivered',
    seed: 31,
    faults: ['cut', 'half_open', 'kill'],
  },
  {
    name: 'stay-with-the-dead',
    mistake: 'a client does not notice that its server is silent',
    seenBy: 'moved',
    seed: 1,
    faults: ['shut_in'],
  },
  {
    name: 'let-go-too-soon',
    mistake: 'a mailbox lets go of what it has only handed over',
    seenBy: 'mailbox',
    seed: 2,
    faults: ['letters'],
  },
  {
    name: 'say-waiting-before-commit',
    mistake: 'a server says that a message waits before that is recorded',
    seenBy: 'accepted',
    seed: 1,
    faults: ['letters', 'disk_slow'],
  },
  {
    name: 'moved-before-arrival',
    mistake: 'a mailbox lets go of what it has only sent to another server',
    seenBy: 'mailbox',
    seed: 3,
    faults: ['letters', 'outage'],
  },
  {
    name: 'snapshot-without-mail',
    mistake: 'a snapshot does not hold one mailbox',
    seenBy: 'replayable',
    seed: 5,
    faults: ['letters', 'kill'],
  },
  {
    name: 'hand-again',
    mistake: 'a server does not know what is on its way to a reader',
    seenBy: 'handed',
    seed: 22,
    faults: ['echo', 'ambush'],
  },
  {
    name: 'believe-others-mailboxes',
    mistake: "a server is believed what waits in another's mailboxes",
    seenBy: 'accepted',
    seed: 1,
    faults: ['liar_receipt'],
  },
  {
    name: 'deliver-for-anybody',
    mistake: "a server delivers what another wrote in somebody's name",
    seenBy: 'authentic',
    seed: 1,
    faults: ['forged_mail'],
  },
  {
    name: 'stay-claimed',
    mistake: 'a server keeps a session whose person is elsewhere',
    seenBy: 'presence',
    seed: 8,
    faults: ['shut_in', 'islanded'],
  },
  {
    name: 'digest-leaves-out',
    mistake: 'a server leaves one person out when it compares',
    seenBy: 'presence',
    seed: 1,
    faults: ['kill'],
  },
  {
    name: 'never-lapse',
    mistake: 'people of a silent server are listed for ever',
    seenBy: 'doubted',
    seed: 2,
    faults: ['outage', 'introducer'],
    seconds: 180,
  },
  {
    name: 'never-told-online',
    mistake: 'people are not told that a server is there that never was before',
    seenBy: 'agreed',
    seed: 2,
    faults: ['cut'],
  },
  {
    name: 'tell-every-claim',
    mistake: 'people are told the last claim that was heard, whether it counts or not',
    seenBy: 'agreed',
    seed: 19,
    faults: ['islanded', 'mass', 'outage'],
    seconds: 180,
  },
]
