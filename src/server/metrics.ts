/** The table of metrics: under which name, with which help and in which unit a node's own numbers are exposed. */
import type { MetricFamily, Sample } from '../ports/metrics.ts'
import type { Numbers, Vitals } from './vitals.ts'

interface Row {
  readonly name: string
  readonly help: string
  /** What the second word of a number says. */
  readonly label?: string
  /** Into base units. */
  readonly scale?: number
}

/** First word of a gauge → its metric. */
export const gaugeRows: Readonly<Record<string, Row>> = {
  links: { name: 'socp_links', label: 'state', help: 'Links to other servers.' },
  sessions: { name: 'socp_sessions', label: 'state', help: 'Users of this server: attached, or away within the grace time (detached).' },
  transfers: { name: 'socp_transfers', label: 'state', help: 'Files on their way through this server.' },
  bootstrap: { name: 'socp_bootstrap', label: 'state', help: 'Where joining the mesh stands.' },
  machines: { name: 'socp_machines', label: 'state', help: 'Other state machines.' },
  sockets: { name: 'socp_sockets', label: 'state', help: 'Open sockets, and those of them whose hello is not over.' },
  users: { name: 'socp_users', label: 'where', help: 'Users who are listed: in the whole mesh (online), and attached here.' },
  signing_queue: { name: 'socp_signing_queue_depth', label: 'priority', help: 'Signatures that wait for a core.' },
  signing_rate: {
    name: 'socp_signatures_per_second',
    help: 'Signatures that this machine makes a second with all cores at it, as of late.',
  },
  refusing: {
    name: 'socp_shedding',
    label: 'priority',
    help: 'Whether work of this kind is turned away because this machine cannot sign that much.',
  },
  actors: { name: 'socp_actors', label: 'group', help: 'Actors.' },
  mailbox: { name: 'socp_mailbox_messages', label: 'group', help: 'Messages that wait in the mailboxes of actors.' },
  outgoing_frames: { name: 'socp_outgoing_frames', help: 'Frames that wait for their signature before they go out.' },
  outgoing_bytes: { name: 'socp_outgoing_bytes', help: 'Bytes in the buffers of sockets that their readers have not taken.' },
  append_queue: { name: 'socp_append_queue_facts', help: 'Facts that are folded and not committed yet.' },
  log_bytes: { name: 'socp_log_bytes', help: 'What the log takes of its disk, as of a few seconds ago.' },
  loop_lag: { name: 'socp_loop_lag_seconds', scale: 0.001, help: 'How late the event loop was at worst in the last 15 s.' },
  epoch: { name: 'socp_epoch', help: 'How often this server was started.' },
  withheld: { name: 'socp_withheld_characters', help: 'What servers that are taken for gone said of their users, kept for their return.' },
  kept: { name: 'socp_kept_entries', label: 'of', help: 'Entries of structures that grow with peers and users.' },
}

/** First word of a counter → its metric. One without a row is exposed under its own name. */
export const counterRows: Readonly<Record<string, Row>> = {
  signed: { name: 'socp_signatures_total', label: 'priority', help: 'Signatures made.' },
  shed: { name: 'socp_shed_total', label: 'priority', help: 'Signatures that were turned away because too many waited.' },
  verified: { name: 'socp_verifies_total', label: 'frame', help: 'Signatures checked, by the type of their frame.' },
  refused: { name: 'socp_refusals_total', label: 'reason', help: 'Frames, hellos and sockets that were refused.' },
  closed: { name: 'socp_sockets_cut_total', label: 'reason', help: 'Sockets that this server cut.' },
  duplicate: { name: 'socp_duplicates_total', label: 'frame', help: 'Frames that had come before.' },
  presence: { name: 'socp_presence_ignored_total', label: 'reason', help: 'Presence events that changed nothing.' },
  received: { name: 'socp_frames_received_total', label: 'frame', help: 'Frames that came in and could be read.' },
  recorded: { name: 'socp_recorded_total', label: 'what', help: 'Facts committed to the log.' },
  crashed: { name: 'socp_actor_crashes_total', label: 'group', help: 'Actors that threw: each is a bug.' },
  restarted: { name: 'socp_actor_restarts_total', label: 'group', help: 'Actors that were restarted after one threw.' },
  dead_letter: { name: 'socp_dead_letters_total', label: 'reason', help: 'Messages between actors that nobody took.' },
}

const snake = (words: string): string => words.toLowerCase().replace(/[^a-z0-9]+/g, '_')

const familiesOf = (
  kind: 'counter' | 'gauge',
  rows: Readonly<Record<string, Row>>,
  numbers: Numbers,
  unlisted: (what: string) => Row,
): readonly MetricFamily[] => {
  const found = Map.groupBy(Object.entries(numbers), ([name]) => name.split(' ', 1)[0] ?? '')
  // what never happened is shown too, or nobody could ask for it before it does
  const samples = new Map<string, readonly (readonly [string, number])[]>([...Object.keys(rows).map(what => [what, []] as const), ...found])
  return [...samples].map(([what, entries]) => {
    const { name, help, label, scale = 1 } = rows[what] ?? unlisted(what)
    const sampleOf = ([key, value]: readonly [string, number]): Sample => ({
      labels: label === undefined ? {} : { [label]: key.slice(what.length + 1) },
      // a microsecond is as exact as anything here is measured
      value: scale === 1 ? value : Math.round(value * scale * 1e6) / 1e6,
    })
    return { kind, name, help, samples: entries.map(sampleOf) }
  })
}

/** All metrics of a node as data. */
export const metricsOf = (vitals: Pick<Vitals, 'counters' | 'gauges' | 'distributions'>): readonly MetricFamily[] => {
  const { append } = vitals.distributions()
  return [
    ...familiesOf('gauge', gaugeRows, vitals.gauges(), what => ({ name: `socp_${snake(what)}`, label: 'of', help: `Number of ${what}.` })),
    ...familiesOf('counter', counterRows, vitals.counters(), what => ({
      name: `socp_${snake(what)}_total`,
      label: 'reason',
      help: `How often: ${what}.`,
    })),
    ...(append === undefined
      ? []
      : [
          {
            kind: 'histogram' as const,
            name: 'socp_append_seconds',
            help: 'From handing a batch of facts to the log until its commit.',
            distribution: { bounds: append.bounds.map(ms => ms / 1_000), counts: append.counts, sum: append.sum / 1_000 },
          },
        ]),
  ]
}
