/** Our encoder against the receiver of the ws package: whatever is framed comes out again, masked or not. */
import fc from 'fast-check'
import t from 'tap'
import * as ws from 'ws'
import { encodeTextFrames } from '../../../src/ports/node/websocket-frames.ts'

interface Reader {
  write(bytes: Uint8Array): boolean
  on(event: 'message', run: (data: Buffer) => void): void
}
// exported by the package, absent from its types
const { Receiver } = ws as unknown as { readonly Receiver: new (options: { readonly isServer: boolean }) => Reader }

const decode = (bytes: Buffer, isServer: boolean): string[] => {
  const texts: string[] = []
  const receiver = new Receiver({ isServer })
  receiver.on('message', data => texts.push(data.toString()))
  receiver.write(Buffer.from(bytes))
  return texts
}

t.test('every list of texts comes out as it went in', t => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 20 }), fc.boolean(), (texts, masked) => {
      t.same(decode(encodeTextFrames(texts, masked), masked), texts)
    }),
    { numRuns: 50 },
  )
  t.end()
})

t.test('each form of the length field is right at its bounds', t => {
  for (const length of [0, 125, 126, 65_535, 65_536])
    for (const masked of [true, false]) {
      const text = 'b'.repeat(length)
      t.same(decode(encodeTextFrames([text, 'next'], masked), masked), [text, 'next'], `${String(length)} bytes, masked ${String(masked)}`)
    }
  t.end()
})

t.test('no mask is used for two messages', t => {
  const [one, two] = [encodeTextFrames(['a'.repeat(100)], true), encodeTextFrames(['a'.repeat(100)], true)]
  t.notSame(one.subarray(2, 6), two.subarray(2, 6))
  t.end()
})
