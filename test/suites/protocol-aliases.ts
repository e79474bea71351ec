/** Specifies other programs' names for our frames, and the form of the answer that each of them gets. */
import { type Answer, listAnswer, pubkeyAnswer, pubkeyMissing } from '../../src/protocol/aliases.ts'
import { parseFrame } from '../../src/protocol/envelope.ts'
import type { Suite } from './environment.ts'

const named = (type: string, payload: object) => {
  const { type: read, alias } = parseFrame(JSON.stringify({ type, from: 'a', to: 's', ts: 1, payload }))
  return [read, alias]
}

const users = [
  { user_id: 'u1', display_name: 'Ann', server_id: 's', presence: 'online' },
  { user_id: 'u2', display_name: 'Bob', server_id: 't', presence: 'away' },
] as const

export const aliasesSuite: Suite = ({ test, same, throws, vectors }) => {
  const captured = (label: string, n: number) => {
    const line = (vectors(`${label}.jsonl`) as readonly { n: number; frame: string }[]).find(entry => entry.n === n)
    return JSON.parse(line?.frame ?? '{}') as { type: string; payload: Record<string, unknown> }
  }

  test('an alias is read as the frame that it stands for and keeps its name', () => {
    for (const name of ['CMD_LIST', 'USER_LIST_REQ', 'CTRL_LIST', 'GET_ONLINE_USERS']) same(named(name, {}), ['LIST_REQUEST', name])
    same(named('LIST_REQUEST', {}), ['LIST_REQUEST', undefined])
    same(named('CLIENT_CMD', { cmd: '/list' }), ['LIST_REQUEST', 'CLIENT_CMD'])
    same(named('MSG_PRIVATE', { ciphertext: 'QUJD', content_sig: 'QUJD' }), ['MSG_DIRECT', 'MSG_PRIVATE'])
    same(named('CTRL_GET_PUB', { user_id: 'u', req_id: 'r' }), ['PUBKEY_REQUEST', 'CTRL_GET_PUB'])
    same(named('USER_START', { file_id: 'f', name: 'n', size: 1 }), ['FILE_START', 'USER_START'])
    same(named('USER_CHUNK', { file_id: 'f', index: 1, ciphertext: 'QUJD' }), ['FILE_CHUNK', 'USER_CHUNK'])
    same(named('USER_END', { file_id: 'f' }), ['FILE_END', 'USER_END'])
  })

  test('another command of CLIENT_CMD is unknown', () => {
    for (const payload of [{}, { cmd: '/all' }, { cmd: 1 }]) throws(() => named('CLIENT_CMD', payload), { reason: 'unknown_type' })
  })

  test('a list is answered in the form of the name that asked for it', () => {
    same(listAnswer(undefined, users, true), { type: 'LIST_RESPONSE', payload: { users, more: true } })
    same(listAnswer('CTRL_LIST', users, false), { type: 'CTRL_LIST_RESP', payload: { online: ['u1', 'u2'] } })
    for (const name of ['CLIENT_CMD', 'CMD_LIST', 'USER_LIST_REQ', 'GET_ONLINE_USERS'])
      same(listAnswer(name, users, false), { type: 'USER_LIST', payload: { users: ['u1', 'u2'] } }, name)
  })

  test('these forms have the types and keys that were captured', () => {
    for (const [label, n, name] of [
      ['g69', 73, 'CTRL_LIST'],
      ['admiral', 33, 'CLIENT_CMD'],
    ] as const) {
      const { type, payload } = captured(label, n)
      const ours = listAnswer(name, users, false)
      same([ours.type, Object.keys(ours.payload)], [type, Object.keys(payload)])
    }
    for (const [n, ours] of [
      [75, pubkeyAnswer('CTRL_GET_PUB', { user_id: 'u', pubkey: 'k' }, 'r')],
      [142, pubkeyMissing('CTRL_GET_PUB', 'r') as Answer],
    ] as const) {
      const { type, payload } = captured('g69', n)
      same([ours.type, Object.keys(ours.payload)], [type, Object.keys(payload)])
    }
  })

  test('a key is answered in the form of the name that asked for it', () => {
    const key = { user_id: 'u', pubkey: 'k', enc_pubkey: 'e', caps: ['ack'] }
    same(pubkeyAnswer(undefined, key, undefined), { type: 'PUBKEY_RESPONSE', payload: key })
    same(pubkeyAnswer('CTRL_GET_PUB', key, 'r'), { type: 'CTRL_PUBKEY', payload: { ok: true, user_id: 'u', pubkey: 'k', req_id: 'r' } })
    same(pubkeyMissing(undefined, undefined), undefined)
    same(pubkeyMissing('CTRL_GET_PUB', 'r')?.payload, { ok: false, error: 'USER_NOT_FOUND', req_id: 'r' })
  })
}
