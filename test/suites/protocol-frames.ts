/** Specifies envelopes and the table of frames: what is read, what is refused and why, what others' programs really sent. */
import { parseFrame, encodeFrame } from '../../src/protocol/envelope.ts'
import { frames, isFrameType, maySend, ruleOf, type FrameType } from '../../src/protocol/frames.ts'
import { limits } from '../../src/protocol/limits.ts'
import { payloads } from '../../src/protocol/payloads.ts'
import type { Suite } from './environment.ts'

interface Captured {
  readonly n: number
  readonly frame: string
}

const labels = ['g43', 'fengyuan', 'g17', 'g69', 'admiral', 'functions'] as const

/** Frames of others' login and lists: none of our business. */
const foreignTypes = [
  ...['USER_REGISTER', 'REGISTER_OK', 'AUTH_HELLO', 'AUTH_CHALLENGE', 'AUTH_RESPONSE', 'AUTH_OK', 'AUTH_PROOF', 'LOCAL_REGISTER'],
  ...['LOGIN_REQUEST', 'LOGIN_SUCCESS', 'LOGIN_FAIL', 'CLIENT_WELCOME', 'PUBLIC_MEMBERS_SNAPSHOT', 'CTRL_GET_PRIVSTORE', 'CTRL_PRIVSTORE'],
  ...['CTRL_LIST_RESP', 'CTRL_PUBKEY', 'USER_LIST'],
]

interface Shape {
  readonly type: string
  readonly ts?: number
  readonly payload: Readonly<Record<string, unknown>>
}

/** Captured frames of known types that are refused all the same: which, and how many there are. */
const refusedShapes: Readonly<
  Record<string, { readonly is: (frame: Shape, text: string) => boolean; readonly count: number; readonly why: string }>
> = {
  fengyuan: {
    is: ({ type, payload }) => type === 'SERVER_DELIVER' && 'payload' in payload,
    count: 32,
    why: 'a file delivery that wraps the whole envelope of the user; other stock servers refuse it too',
  },
  g17: { is: ({ type }) => type === 'LIST_RESPONSE', count: 1, why: 'it lists ids only, under another key' },
  g69: {
    is: (_, text) => /"(?:from|sender|user_id)": ?"[^"]*(?:[^ -~]|\\u)/.test(text),
    count: 12,
    why: 'an id beyond visible ASCII',
  },
  functions: { is: ({ ts }) => ts === undefined, count: 1, why: 'ts_ms instead of ts (g41), which signs its whole envelope besides' },
}

const frame = (changes: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    type: 'MSG_DIRECT',
    from: 'a',
    to: 'b',
    ts: 1,
    payload: { ciphertext: 'QUJD', content_sig: 'QUJD' },
    sig: 'QUJD',
    ...changes,
  })

const refused = (reason: string) => ({ code: 'UNKNOWN_TYPE', reason })

export const framesSuite: Suite = ({ test, equal, same, ok, throws, vectors }) => {
  const captured = (label: string) => vectors(`${label}.jsonl`) as readonly Captured[]
  const reasonFor = (text: string): string | undefined => {
    try {
      parseFrame(text)
      return undefined
    } catch (error) {
      return (error as { reason: string }).reason
    }
  }

  test('every captured frame is read, or its type is foreign, or it is named here and really is refused', () => {
    for (const label of labels) {
      const shape = refusedShapes[label]
      let count = 0
      for (const { n, frame: text } of captured(label)) {
        const read = JSON.parse(text) as Shape
        const foreign = foreignTypes.includes(read.type) || (read.type === 'CLIENT_CMD' && read.payload['cmd'] !== '/list')
        const named = !foreign && shape?.is(read, text) === true
        count += named ? 1 : 0
        equal(reasonFor(text), foreign ? 'unknown_type' : named ? 'shape' : undefined, `${label} ${n} ${read.type}`)
      }
      equal(count, shape?.count ?? 0, `${label}: ${shape?.why ?? 'nothing is refused'}`)
    }
  })

  test('the payload text of a captured frame is cut out exactly, and unknown keys stay on the payload', () => {
    for (const label of labels)
      for (const { n, frame: text } of captured(label)) {
        if (reasonFor(text) !== undefined) continue
        const { payloadText } = parseFrame(text)
        ok(text.includes(payloadText), `${label} ${n}`)
        same(JSON.parse(payloadText), (JSON.parse(text) as { payload: unknown }).payload, `${label} ${n}`)
      }
    const { payload } = parseFrame(frame({ payload: { ciphertext: 'QUJD', content_sig: 'QUJD', novel: { a: [1] } } }))
    same((payload as { novel?: unknown }).novel, { a: [1] })
  })

  test('what is not a frame is refused with its reason', () => {
    for (const text of ['', 'hello', '{', '{"type":}', '{"type":NaN}']) throws(() => parseFrame(text), refused('not_json'), text)
    for (const text of [
      '[]',
      '1',
      'null',
      '"x"',
      'true',
      '{}',
      frame({ payload: undefined }),
      frame({ payload: [] }),
      frame({ payload: null }),
      frame({ payload: 'x' }),
    ])
      throws(() => parseFrame(text), refused('shape'), text)
    throws(() => parseFrame(frame().replace('"from":"a"', '"from":"a","from":"b"')), refused('duplicate_key'))
    throws(() => parseFrame(frame({ payload: { a: '\\' } }).replace('\\\\', '\\ud800')), refused('lone_surrogate'))
    throws(() => parseFrame('['.repeat(30_000)), refused('too_deep'))
  })

  test('ts is a whole number of milliseconds from 0 to 2^53 - 1', () => {
    const at = (token: string) => parseFrame(frame().replace('"ts":1,', `"ts":${token},`)).ts
    for (const token of ['"1"', '1.5', '-1', '9007199254740992', '9007199254740993', '1e400', '-1e400', 'null', 'true', '[1]', '{}'])
      throws(() => at(token), refused('shape'), token)
    equal(at('9007199254740991'), 9007199254740991)
    equal(at('1.0'), 1)
    ok(Object.is(at('-0'), 0), '-0 is 0')
    throws(() => parseFrame(frame({ ts: undefined })), refused('shape'))
  })

  test('from and to are visible ASCII, bounded, and compared as they are', () => {
    for (const bad of ['', 'a b', 'a\n', 'é', 'a'.repeat(65), 1, null, undefined, {}, '\u202ea'])
      throws(() => parseFrame(frame({ from: bad })), refused('shape'), JSON.stringify(bad))
    for (const bad of ['', 'a b', 'é', 'a'.repeat(263), 1, null, undefined])
      throws(() => parseFrame(frame({ to: bad })), refused('shape'), JSON.stringify(bad))
    for (const good of ['*', 'public', '127.0.0.1:8765', '[::1]:80', 'server_?']) equal(parseFrame(frame({ to: good })).to, good)
    equal(parseFrame(frame({ from: 'ALICE' })).from, 'ALICE')
  })

  test('a signature may be missing or empty, is base64url, and has one text', () => {
    for (const absent of [undefined, '', null]) equal(parseFrame(frame({ sig: absent })).sig, undefined)
    equal(parseFrame(frame({ sig: 'QQ==' })).sig, 'QQ')
    for (const bad of ['Q', 'Q+', 'QR', 'Q Q', 'QQ=', 5, {}, [], 'A'.repeat(1028)])
      throws(() => parseFrame(frame({ sig: bad })), { code: 'INVALID_SIG', reason: 'malformed_sig' }, JSON.stringify(bad))
  })

  test('a frame of 64 KiB is read and one byte more is not, counted in UTF-8', () => {
    const fill = (letter: string, bytes: number) => {
      const empty = frame({ pad: '' })
      const size = new TextEncoder().encode(letter).length
      const room = bytes - empty.length
      return frame({ pad: letter.repeat(Math.floor(room / size)) + 'x'.repeat(room % size) })
    }
    for (const letter of ['x', 'é', '中', '😀']) {
      equal(parseFrame(fill(letter, limits.maxFrameBytes)).type, 'MSG_DIRECT', letter)
      throws(() => parseFrame(fill(letter, limits.maxFrameBytes + 1)), refused('too_large'), letter)
    }
    throws(() => parseFrame(frame({ payload: { ciphertext: 'A'.repeat(900_000), content_sig: 'QUJD' } })), refused('too_large'))
  })

  test('ciphertext is base64 in one alphabet, never empty', () => {
    for (const bad of ['', 'QUJ!', 'Q', 'QUJD\n', '+_+_', 'QQ=', 'QR==', 5, null, undefined, {}])
      throws(() => parseFrame(frame({ payload: { ciphertext: bad, content_sig: 'QUJD' } })), refused('shape'), JSON.stringify(bad))
    for (const good of ['QUJD', 'QQ', 'QQ==', '-_-_', '+/+/'])
      equal(parseFrame(frame({ payload: { ciphertext: good, content_sig: 'QUJD' } })).type, 'MSG_DIRECT')
    throws(
      () => parseFrame(frame({ payload: { ciphertext: 'QUJD', content_sig: '' } })),
      refused('shape'),
      'a direct message is signed by its author',
    )
  })

  test('ids in payloads are bounded and visible ASCII; an upper-case UUID is another id', () => {
    const advertise = (user: unknown) => frame({ type: 'USER_ADVERTISE', payload: { user_id: user, server_id: 's' } })
    for (const bad of ['', 'é', 'a b', 'a'.repeat(65), 5, null, {}, '\u0000', '\u202e'])
      throws(() => parseFrame(advertise(bad)), refused('shape'), JSON.stringify(bad))
    const upper = parseFrame(advertise('AAAAAAAA-0001-4000-8000-000000000001'))
    equal((upper.payload as { user_id: string }).user_id, 'AAAAAAAA-0001-4000-8000-000000000001')
  })

  test('a host cannot change the meaning of the address that it is put into', () => {
    const announce = (host: unknown, port: unknown = 1) => frame({ type: 'SERVER_ANNOUNCE', payload: { host, port, pubkey: 'k' } })
    for (const bad of ['a/b', 'a@b', 'a?b', 'a#b', 'a b', 'ws://a', '', 'é', 'a\\b', 5, 'a'.repeat(256)])
      throws(() => parseFrame(announce(bad)), refused('shape'), JSON.stringify(bad))
    for (const good of ['127.0.0.1', '::1', '[::1]', 'host.example', 'a_b-c'])
      equal(parseFrame(announce(good)).type, 'SERVER_ANNOUNCE', good)
    for (const bad of [0, 65_536, -1, 1.5, '80', 1e400, null])
      throws(() => parseFrame(announce('a', bad)), refused('shape'), JSON.stringify(bad))
  })

  test('an unknown type is refused, and so are names of Object.prototype', () => {
    for (const type of ['NOPE', '', 'msg_direct', '__proto__', 'constructor', 'toString', 'MSG_DIRECT '])
      throws(() => parseFrame(frame({ type })), refused('unknown_type'), type)
    for (const type of [undefined, null, 1, [], {}]) throws(() => parseFrame(frame({ type })), refused('shape'), JSON.stringify(type))
    ok(!isFrameType('hasOwnProperty'))
  })

  test('__proto__ in a frame changes no prototype', () => {
    const { payload } = parseFrame(frame().replace('"ciphertext"', '"__proto__":{"public":true},"ciphertext"'))
    equal(Object.getPrototypeOf(payload), Object.prototype)
    equal((payload as { public?: boolean }).public, undefined)
  })

  test('a delivery says what is inside, also where stock servers leave it out', () => {
    const deliver = (payload: object) =>
      parseFrame(frame({ type: 'SERVER_DELIVER', payload: { user_id: 'u', ciphertext: 'QUJD', ...payload } })).payload
    equal((deliver({}) as { inner_type: string }).inner_type, 'MSG_DIRECT')
    equal((deliver({ inner_type: 'MSG_PRIVATE' }) as { inner_type: string }).inner_type, 'MSG_DIRECT')
    equal((deliver({ channel: 'public' }) as { inner_type: string }).inner_type, 'MSG_PUBLIC_CHANNEL')
    equal((deliver({ inner_type: 'FILE_CHUNK', file_id: 'f', index: 0 }) as { inner_type: string }).inner_type, 'FILE_CHUNK')
    for (const bad of [
      { inner_type: 'HEARTBEAT' },
      { inner_type: 5 },
      { inner_type: null },
      { inner_type: 'FILE_CHUNK', file_id: 'f' },
      { inner_type: 'FILE_START', file_id: 'f' },
      { user_id: undefined },
    ])
      throws(() => deliver(bad), refused('shape'), JSON.stringify(bad))
  })

  test('a file offer is bounded: its name in bytes, its size in integers, its hash in hex or absent', () => {
    const offer = (changes: object) =>
      parseFrame(frame({ type: 'FILE_START', payload: { file_id: 'f', name: 'n', size: 1, ...changes } })).payload as Record<
        string,
        unknown
      >
    for (const bad of [
      { name: '' },
      { name: 'x'.repeat(256) },
      { name: 'é'.repeat(128) },
      { size: -1 },
      { size: 1.5 },
      { size: '1' },
      { size: 2 ** 53 },
      { mode: 'all' },
      { file_id: '../x y' },
    ])
      throws(() => offer(bad), refused('shape'), JSON.stringify(bad))
    equal(offer({ sha256: 'NA' })['sha256'], undefined)
    equal(offer({ sha256: 'AB'.repeat(32) })['sha256'], 'ab'.repeat(32))
    equal(offer({})['mode'], 'dm')
  })

  test('arrays and nonces are bounded', () => {
    throws(
      () => parseFrame(frame({ type: 'USER_HELLO', payload: { pubkey: 'k', caps: Array.from({ length: 33 }, () => 'c') } })),
      refused('shape'),
    )
    throws(
      () =>
        parseFrame(frame({ type: 'SERVER_WELCOME', payload: { assigned_id: 's', servers: Array.from({ length: 1_025 }, () => ({})) } })),
      refused('shape'),
    )
    for (const nonce of ['', 'A'.repeat(42), 'A'.repeat(44), '='.repeat(43)])
      throws(() => parseFrame(frame({ type: 'CHALLENGE', payload: { nonce } })), refused('shape'), nonce)
  })

  test('a message of 88 blocks fits into a delivery between servers, with the longest ids, a stock key and both signatures', () => {
    const letters = (bytes: number) => 'A'.repeat(Math.ceil((bytes * 4) / 3))
    const id = 'i'.repeat(limits.maxIdLength)
    const payload = {
      user_id: id,
      sender: id,
      ciphertext: letters(512 * limits.maxBlocksPerMessage),
      sender_pub: letters(801),
      content_sig: letters(512),
    }
    const text = frame({
      type: 'SERVER_DELIVER',
      from: id,
      to: id,
      ts: 9_007_199_254_740_991,
      payload: { ...payload, inner_type: 'MSG_PUBLIC_CHANNEL', group_id: 'public' },
      sig: letters(512),
    })
    equal(parseFrame(text).type, 'SERVER_DELIVER')
    ok(text.length <= limits.maxFrameBytes, `${text.length}`)
    ok(limits.maxBlocksPerMessage * limits.blockBytes >= limits.maxTextBytes + 1_024, 'room for the bound form and some quoting')
  })

  test('a goodbye may be bare', () => {
    const { from, to, ts, payload, payloadText, sig } = parseFrame('{"type":"CTRL_CLOSE"}')
    same([from, to, ts, payload, payloadText, sig], ['', '', 0, {}, '{}', undefined])
    equal(parseFrame(frame({ type: 'CTRL_CLOSE', payload: {} })).from, 'a')
    throws(() => parseFrame('{"type":"HEARTBEAT"}'), refused('shape'))
  })

  test('every frame has a rule and a payload, and a refusal of a refusal is never answered', () => {
    same(Object.keys(frames).sort(), Object.keys(payloads).sort())
    for (const type of Object.keys(frames) as FrameType[]) {
      const rule = ruleOf(type)
      ok(rule.by.length > 0 || rule.toUsers, `${type} is for somebody`)
      equal(rule.quiet === true, ['ACK', 'ERROR', 'CTRL_CLOSE'].includes(type), type)
    }
  })

  test('a stranger says hello and nothing else; users and servers do not speak for each other', () => {
    const strangers = [
      'SERVER_HELLO_JOIN',
      'SERVER_WELCOME',
      'SERVER_ANNOUNCE',
      'SERVER_HELLO_LINK',
      'PEER_HELLO_LINK',
      'CHALLENGE',
      'PROOF',
      'USER_HELLO',
      'ACK',
      'ERROR',
    ]
    same((Object.keys(frames) as FrameType[]).filter(type => maySend('stranger', type)).sort(), [...strangers].sort())
    for (const type of [
      'SERVER_DELIVER',
      'USER_ADVERTISE',
      'USER_REMOVE',
      'SERVER_VOUCH',
      'HEARTBEAT',
      'SERVER_ANNOUNCE',
      'USER_DELIVER',
      'LIST_RESPONSE',
    ] as const)
      ok(!maySend('user', type), type)
    for (const type of ['MSG_DIRECT', 'FILE_START', 'FILE_CHUNK', 'FILE_END', 'LIST_REQUEST', 'PUBKEY_REQUEST', 'USER_HELLO'] as const)
      ok(!maySend('server', type), type)
    for (const type of ['SERVER_DELIVER', 'USER_ADVERTISE', 'USER_REMOVE', 'HEARTBEAT', 'SERVER_WELCOME', 'PROOF', 'MSG_DIRECT'] as const)
      equal(ruleOf(type).signature, 'required', type)
  })

  test('what we encode is what we read', () => {
    const text = encodeFrame({ type: 'ACK', from: 'a', to: 'b', ts: 7, payloadText: '{"msg_ref":"x\\"y"}', sig: 'QUJD' })
    equal(text, '{"type":"ACK","from":"a","to":"b","ts":7,"payload":{"msg_ref":"x\\"y"},"sig":"QUJD"}')
    const read = parseFrame(text)
    same([read.type, read.from, read.to, read.ts, read.payloadText, read.sig], ['ACK', 'a', 'b', 7, '{"msg_ref":"x\\"y"}', 'QUJD'])
    equal(
      encodeFrame({ type: 'CHALLENGE', from: 'a', to: 'b', ts: 7, payloadText: '{}' }),
      '{"type":"CHALLENGE","from":"a","to":"b","ts":7,"payload":{}}',
    )
  })
}
