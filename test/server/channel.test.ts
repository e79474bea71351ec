/** The outgoing lanes of one socket: order, barriers, bounds and the goodbye. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type ChannelLimits, createChannel, type Lane } from '../../src/server/channel.ts'
import { microtasks } from '../helpers/held-log.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

const start = (limits: Partial<ChannelLimits> = {}) => {
  const clock = createManualClock()
  const writes: (readonly string[])[] = []
  const calls: string[] = []
  const socket = {
    remote: { host: '127.0.0.1', port: 1 },
    buffered: 0,
    send: (texts: readonly string[]) => {
      writes.push(texts)
    },
    pause: () => {},
    resume: () => {},
    close: (code: number, reason: string) => {
      calls.push(`close ${code} ${reason}`)
    },
    terminate: () => {
      calls.push('terminate')
    },
  }
  const channel = createChannel(socket, clock, { frames: 100, bytes: 1_000, ...limits }, () => {
    calls.push('too slow')
  })
  const settle = async (): Promise<void> => {
    await microtasks()
    clock.tick()
  }
  return { channel, clock, socket, writes, calls, settle, sent: () => writes.flat() }
}

t.test('what is sent in one tick leaves in one write', async t => {
  const { channel, clock, writes } = start()
  channel.send('traffic', 'a')
  channel.send('control', 'b')
  channel.send('traffic', 'c')
  t.same(writes, [])
  clock.tick()
  t.same(writes, [['a', 'b', 'c']])
})

t.test('each lane keeps its order whatever order signatures finish in, and no lane waits for another', async t => {
  const lane = fc.constantFrom<Lane>('control', 'traffic', 'file')
  await fc.assert(
    fc.asyncProperty(
      fc
        .array(fc.record({ lane, signed: fc.boolean(), fails: fc.boolean() }), { maxLength: 20 })
        .chain(frames => fc.tuple(fc.constant(frames), fc.shuffledSubarray([...frames.keys()], { minLength: frames.length }))),
      async ([frames, finish]) => {
        const { channel, settle, sent } = start()
        const signing = frames.map(() => Promise.withResolvers<string>())
        const told: number[] = []
        frames.forEach((frame, n) => {
          const text = `${frame.lane} ${n}`
          channel.send(frame.lane, frame.signed ? (signing[n] as PromiseWithResolvers<string>).promise : text, () => told.push(n))
        })
        const failing = (n: number): boolean => frames[n]?.signed === true && frames[n].fails
        for (const n of finish) {
          if (frames[n]?.signed !== true) continue
          if (failing(n)) signing[n]?.reject(new Error('too busy'))
          else signing[n]?.resolve(`${frames[n].lane} ${n}`)
          await settle()
        }
        await settle()
        for (const one of ['control', 'traffic', 'file'])
          assert.deepEqual(
            sent().filter(text => text.startsWith(one)),
            frames.flatMap((frame, n) => (frame.lane === one && !failing(n) ? [`${one} ${n}`] : [])),
          )
        assert.deepEqual(told.toSorted(), [...frames.keys()].filter(failing).toSorted())
        assert.equal(channel.waiting, 0)
      },
    ),
  )
  t.pass()
})

t.test('a frame that cannot be signed is dropped, its sender is told, and the lane goes on', async t => {
  const { channel, settle, sent } = start()
  const told: unknown[] = []
  channel.send('traffic', Promise.reject(new Error('overloaded')), error => told.push(error))
  channel.send('traffic', 'next')
  await settle()
  t.match(told, [{ message: 'overloaded' }])
  t.same(sent(), ['next'])
})

t.test('a barrier holds a lane until what was in the other one has left', async t => {
  const { channel, settle, sent } = start()
  const advertisement = Promise.withResolvers<string>()
  channel.send('file', 'earlier chunk')
  channel.send('traffic', advertisement.promise)
  channel.barrier('file', 'traffic')
  channel.send('file', 'start')
  channel.send('traffic', Promise.resolve('later message'))
  await settle()
  t.same(sent(), ['earlier chunk'])
  advertisement.resolve('advertisement')
  await settle()
  t.same(sent(), ['earlier chunk', 'advertisement', 'later message', 'start'])
})

t.test('a barrier opens when the frame that it waited for could not be signed, and none is set when nothing waits', async t => {
  const { channel, settle, sent } = start()
  channel.send('traffic', Promise.reject(new Error('overloaded')))
  channel.barrier('file', 'traffic')
  channel.send('file', 'start')
  await settle()
  t.same(sent(), ['start'])
  channel.barrier('file', 'traffic')
  channel.send('file', 'next')
  await settle()
  t.same(sent(), ['start', 'next'])
})

t.test('a reader that leaves too much unread is cut once, and then nothing more is written', async t => {
  const { channel, clock, socket, calls, writes } = start({ bytes: 10 })
  socket.buffered = 10
  channel.send('traffic', 'a')
  clock.tick()
  t.same(calls, [], 'at its bound')
  socket.buffered = 11
  channel.send('traffic', 'b')
  clock.tick()
  t.same(calls, ['too slow'])
  channel.send('traffic', 'c')
  channel.close(1000, 'bye')
  clock.tick()
  t.same(calls, ['too slow'])
  t.equal(writes.length, 2)
})

t.test('more frames than may wait for signatures cut the connection once', async t => {
  const { channel, clock, calls } = start({ frames: 2 })
  const never = new Promise<string>(() => {})
  channel.send('traffic', never)
  channel.send('file', never)
  t.equal(channel.waiting, 2)
  t.same(calls, [])
  channel.send('control', 'one too many')
  channel.send('control', 'another')
  clock.tick()
  t.same(calls, ['too slow'])
})

t.test('a close waits for every signature, and takes nothing more', async t => {
  const { channel, settle, sent, calls } = start()
  const signing = Promise.withResolvers<string>()
  channel.send('traffic', signing.promise)
  channel.close(1001, 'going')
  channel.close(1000, 'again')
  channel.send('traffic', 'late')
  await settle()
  t.same(calls, [])
  signing.resolve('last')
  await settle()
  t.same(sent(), ['last'])
  t.same(calls, ['close 1001 going'])
})

t.test('a close with nothing to send comes at the end of the tick', async t => {
  const { channel, clock, calls } = start()
  channel.close(1000, 'bye')
  t.same(calls, [])
  clock.tick()
  t.same(calls, ['close 1000 bye'])
})

t.test('terminating drops what waits', async t => {
  const { channel, settle, sent, calls } = start()
  const signing = Promise.withResolvers<string>()
  channel.send('traffic', 'a')
  channel.send('traffic', signing.promise)
  channel.terminate()
  signing.resolve('b')
  await settle()
  t.same(sent(), [])
  t.same(calls, ['terminate'])
})
