/** One payload, one signature, however many recipients. */
import t from 'tap'
import type { SigningQueue } from '../../src/crypto/signing-queue.ts'
import { parseFrame } from '../../src/protocol/envelope.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import type { Base64Url } from '../../src/protocol/ids.ts'
import { frameText, signedEvent } from '../../src/server/signed-event.ts'

const start = () => {
  const asked: string[] = []
  const machine = { busy: false }
  const signer: Pick<SigningQueue, 'sign'> = {
    sign: async (payload, priority) => {
      asked.push(`${priority} ${payload}`)
      await Promise.resolve()
      if (machine.busy) throw new ProtocolError('TIMEOUT', 'overloaded')
      return Buffer.from(`signature ${asked.length}`).toString('base64url') as Base64Url
    },
  }
  return { asked, machine, signer }
}
const envelope = (to: string, ts = 1) => ({ type: 'ACK', from: 'me', to, ts }) as const

t.test('many envelopes carry one signature over one canonical text', async t => {
  const { asked, signer } = start()
  const event = signedEvent(signer, { msg_ref: 'ü', b: 1, a: { d: 2, c: 3 } }, 'control')
  t.equal(event.payloadText, '{"a":{"c":3,"d":2},"b":1,"msg_ref":"\\u00fc"}')
  const texts = await Promise.all(['x', 'y', 'z'].map((to, n) => frameText(event, envelope(to, n))))
  t.same(asked, [`control ${event.payloadText}`])
  const frames = texts.map(parseFrame)
  t.same(
    frames.map(({ to, ts }) => [to, ts]),
    [
      ['x', 0],
      ['y', 1],
      ['z', 2],
    ],
  )
  t.equal(new Set(frames.map(({ sig }) => sig)).size, 1)
  for (const frame of frames) t.equal(frame.payloadText, event.payloadText, 'what was signed is what is sent')
})

t.test('two events never share a signature, even with equal payloads', async t => {
  const { asked, signer } = start()
  const [one, two] = [signedEvent(signer, {}, 'control'), signedEvent(signer, {}, 'control')]
  t.not(await one.signature(), await two.signature())
  t.equal(asked.length, 2)
})

t.test('nothing is signed before somebody needs it', async t => {
  const { asked, signer } = start()
  signedEvent(signer, {}, 'file')
  await Promise.resolve()
  t.same(asked, [])
})

t.test('a machine that was too busy to sign says so to all who asked, and signs for the next', async t => {
  const { asked, machine, signer } = start()
  const event = signedEvent(signer, { msg_ref: 'a' }, 'presence')
  machine.busy = true
  const tries = await Promise.allSettled([event.signature(), frameText(event, envelope('x'))])
  t.same(
    tries.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  machine.busy = false
  t.match(parseFrame(await frameText(event, envelope('x'))), { sig: await event.signature() })
  t.equal(asked.length, 2)
})
