/** Mail beside facts: every backend against one suite. */
import t, { type Test } from 'tap'
import type { DurableLog } from '../../src/store/durable-log.ts'
import type { NewFact } from '../../src/store/log.ts'
import type { Mail, MailChange } from '../../src/store/mail.ts'
import { memoryDisk, memoryLog } from '../../src/store/memory-log.ts'
import type { SampleFact } from './event-log-contract.ts'
import { logFile, openSample, tamper } from './sqlite-place.ts'

type Fact = SampleFact | { readonly type: 'data.erased'; readonly rows: readonly unknown[] }
interface Place {
  open(): Promise<DurableLog<Fact>>
  /** Another writer takes over while this one still runs. */
  takeOver(log: DurableLog<Fact>): void | Promise<void>
}

const mail = (id: string, over: Partial<Mail> = {}): Mail => ({ recipient: 'ben', id, sender: 'ann', content: `{"ü":"${id}"}`, ...over })
const fact = (changes?: readonly MailChange[]): NewFact<Fact> => ({
  stream: 'mailbox:ben',
  at: 1,
  fact: { type: 'user.removed', user: 'x' },
  ...(changes && { mail: changes }),
})
const append = (log: DurableLog<Fact>, ...changes: MailChange[]) => log.append([fact(changes)], { expected: { epoch: log.epoch } })

const rules: Readonly<Record<string, (t: Test, place: Place) => Promise<void>>> = {
  'mail comes with a fact, is read in the order asked for, and outlives the process': async (t, place) => {
    const log = await place.open()
    await append(log, { put: mail('1') }, { put: mail('2') }, { put: mail('1', { recipient: 'cat' }) })
    t.same(await log.mail.read('ben', ['2', 'absent', '1']), [mail('2'), mail('1')])
    t.same(await log.mail.size(), { count: 3, bytes: 3 * 10 })
    await log.close()
    const again = await place.open()
    t.same(await again.mail.read('ben', ['1']), [mail('1')])
    t.same(await again.mail.read('dan', ['1']), [])
    await again.close()
  },

  'what is recorded of a fact has no mail in it': async (t, place) => {
    const log = await place.open()
    await append(log, { put: mail('1') })
    for await (const recorded of log.read(1)) t.notOk('mail' in recorded)
    await log.close()
  },

  'the first of a name stays, and removing what is not there changes nothing': async (t, place) => {
    const log = await place.open()
    await append(log, { put: mail('1') })
    await append(log, { put: mail('1', { content: 'another' }) }, { remove: { recipient: 'ben', ids: ['9'] } })
    t.same(await log.mail.read('ben', ['1']), [mail('1')])
    await append(log, { remove: { recipient: 'ben', ids: ['1', '9'] } })
    t.same(await log.mail.size(), { count: 0, bytes: 0 })
    await log.close()
  },

  'clearing takes all of one recipient and nothing of another': async (t, place) => {
    const log = await place.open()
    await append(log, { put: mail('1') }, { put: mail('2') }, { put: mail('3', { recipient: 'cat' }) }, { clear: 'ben' })
    t.same(await log.mail.read('ben', ['1', '2']), [])
    t.match(await log.mail.size(), { count: 1 })
    await log.close()
  },

  'a refused append leaves no mail': async (t, place) => {
    const log = await place.open()
    await place.takeOver(log)
    await t.rejects(append(log, { put: mail('1') }))
    await log.close()
    const again = await place.open()
    t.match(await again.mail.size(), { count: 0 })
    await again.close()
  },

  'an erasure takes what is for the person and what is from them': async (t, place) => {
    const log = await place.open()
    await append(log, { put: mail('1') }, { put: mail('2', { sender: 'cat' }) }, { put: mail('3', { recipient: 'ann', sender: 'dan' }) })
    await log.erase({ subject: 'ann', belongs: () => false, fact: rows => ({ type: 'data.erased', rows }), at: 1 })
    t.same(await log.mail.read('ben', ['1', '2']), [mail('2', { sender: 'cat' })])
    t.same(await log.mail.read('ann', ['3']), [])
    await log.close()
  },
}

const places: Readonly<Record<string, (t: Test) => Place>> = {
  memory: () => {
    const disk = memoryDisk()
    return { open: () => Promise.resolve(memoryLog<Fact>({ disk })), takeOver: () => void memoryLog<Fact>({ disk }) }
  },
  SQLite: t => {
    const file = logFile(t.testdir())
    return {
      open: () => openSample(file) as unknown as Promise<DurableLog<Fact>>,
      takeOver: () => {
        tamper(file, 'UPDATE writer SET epoch = epoch + 1')
      },
    }
  },
}

for (const [name, place] of Object.entries(places))
  t.test(name, async t => {
    for (const [rule, check] of Object.entries(rules)) await t.test(rule, async t => check(t, place(t)))
  })
