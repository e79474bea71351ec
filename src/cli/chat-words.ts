/** What happened, in words for a person: one event of the client as the lines that a terminal shows. */
import type { ClientEvent, ListedUser, PresenceState } from '../client/events.ts'
import { styled } from './output.ts'

type Style = Parameters<typeof styled>[0]

/** Lines for people; `problem` goes where errors go. */
export interface Words {
  readonly lines: readonly string[]
  readonly problem: boolean
}

const clock = (ts: number): string => new Date(ts).toTimeString().slice(0, 5)

/** Many lines of one message cannot pass for many messages: all but the first are indented. */
const indented = (head: string, text: string, margin: number): readonly string[] => {
  const [first = '', ...rest] = text.split('\n')
  return [`${head}${first}`, ...rest.map(line => `${' '.repeat(margin)}${styled('dim', '│')} ${line}`)]
}

const say = (...lines: readonly string[]): Words => ({ lines, problem: false })
const complain = (...lines: readonly string[]): Words => ({ lines, problem: true })
const nothing: Words = { lines: [], problem: false }

const presenceStyles: Readonly<Record<PresenceState, Style>> = {
  online: 'green',
  away: 'yellow',
  suspect: 'yellow',
  recovered: 'yellow',
  offline: 'dim',
}

/** What became of a message, before the name of its reader. */
const statusWords = { sent: 'sent to', waiting: 'waiting for', delivered: 'delivered to' } as const

/** Names in the line that a person is welcomed with. */
const maxNamed = 10

/** Who else is here, in one line. */
export const onlineLine = (others: readonly ListedUser[]): string => {
  if (others.length === 0) return 'Nobody else is online yet.'
  const named = others.slice(0, maxNamed).map(({ name }) => name)
  return `Online: ${named.join(', ')}${others.length > maxNamed ? ` and ${others.length - maxNamed} more` : ''}`
}

/**
 * @param nameOf the display name of a user_id, for events that carry only the id
 * @param quiet presence is not told: while the first list comes in
 */
export const wordsFor = (event: ClientEvent, nameOf: (id: string) => string, quiet: boolean): Words => {
  switch (event.event) {
    case 'ready':
      return say(`${styled('green', 'Connected')} as ${styled('bold', event.name)} (${event.user_id}). /help lists the commands.`)
    case 'presence':
      return quiet ? nothing : say(styled(presenceStyles[event.state], `${event.name} is ${event.state}`))
    case 'sent': {
      const to = event.to === 'public' ? 'everybody' : nameOf(event.to)
      if (event.status === 'failed')
        return complain(styled('red', `${event.file === undefined ? 'Not' : `${event.file} was not`} sent to ${to}: ${event.why ?? ''}`))
      // why it is not on its way yet
      if (event.why !== undefined) return say(styled('dim', `kept for ${to}: ${event.why}`))
      return say(styled('dim', `${event.file === undefined ? '' : `${event.file} `}${statusWords[event.status]} ${to}`))
    }
    case 'message': {
      const doubt = event.verified ? '' : `${styled('yellow', '[not verified]')} `
      const to = event.kind === 'public' ? styled('dim', ' to all') : ''
      return say(...indented(`${styled('dim', clock(event.ts))} ${doubt}${styled('cyan', event.name)}${to}: `, event.text, 6))
    }
    case 'file': {
      const doubt = event.verified ? '' : ` ${styled('yellow', '[not verified]')}`
      return say(`${styled('cyan', event.from_name)} sent ${event.name} (${event.size} bytes)${doubt}: saved as ${event.path}`)
    }
    case 'users': {
      const width = Math.max(0, ...event.users.map(user => user.name.length))
      return say(
        `${event.users.length} online`,
        ...event.users.map(({ name, user_id: id, server_id: server, presence }) => {
          const state = presence === 'online' ? '' : styled(presenceStyles[presence], ` ${presence}`)
          return `  ${styled('cyan', name.padEnd(width))}  ${styled('dim', `${id} on ${server}`)}${state}`
        }),
      )
    }
    case 'offline':
      return complain(styled('yellow', `${event.why} ${event.final === true ? 'Type /resume to go on here.' : 'Trying to return.'}`))
    case 'resumed':
      return say(styled('green', event.server_id === '' ? 'Connected again.' : `Connected again, to ${event.server_id}.`))
    case 'alarm':
      return complain(
        styled(
          ['bold', 'red'],
          event.kind === 'user_key'
            ? `ALARM: the key of ${event.name} (${event.user_id}) has changed.`
            : `ALARM: another server or key answers at this address: ${event.user_id}.`,
        ),
        `  New fingerprint: ${event.fingerprint}`,
        event.kind === 'user_key'
          ? '  Nothing is encrypted to it. Compare it with them over another channel, then type /trust NAME.'
          : '  We do not attach to it. If you know why it changed, type /trust.',
      )
    case 'trusted':
      return say(
        styled(
          'green',
          event.kind === 'user_key' ? `The new key of ${event.name} is trusted now.` : 'The new key of the server is trusted now.',
        ),
      )
    case 'notice':
      return complain(styled('yellow', event.detail))
    case 'error':
      return complain(styled('red', event.detail))
  }
}
