/** Files on the disk: temporary until they are whole, under safe names, never over another. */
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { FileProblem } from '../../src/client/file-store.ts'
import { nodeFileStore } from '../../src/client/node-file-store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

t.test('what is finished stands under its name, readable for its owner only; the second gets a number', async t => {
  const folder = join(t.testdir(), 'downloads')
  const store = nodeFileStore(folder)
  for (const [id, text, expected] of [
    ['a-1', 'one', 'x.txt'],
    ['a-2', 'two', 'x (1).txt'],
  ] as const) {
    const file = await store.create(id)
    await file.append(bytes(text.slice(0, 1)))
    await file.append(bytes(text.slice(1)))
    t.equal(await file.finish('../x.txt'), join(folder, expected))
    t.equal(readFileSync(join(folder, expected), 'utf8'), text)
    t.equal(statSync(join(folder, expected)).mode & 0o777, 0o600)
  }
  t.same(readdirSync(folder).sort(), ['x (1).txt', 'x.txt'])
})

t.test('a link that waits at the name is not followed and not replaced', async t => {
  const folder = t.testdir({ downloads: {} })
  writeFileSync(join(folder, 'precious'), 'kept')
  symlinkSync(join(folder, 'precious'), join(folder, 'downloads', 'x.txt'))
  const file = await nodeFileStore(join(folder, 'downloads')).create('b-1')
  await file.append(bytes('new'))
  t.equal(await file.finish('x.txt'), join(folder, 'downloads', 'x (1).txt'))
  t.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'kept')
})

t.test('what is discarded or swept leaves nothing', async t => {
  const folder = join(t.testdir(), 'downloads')
  const store = nodeFileStore(folder)
  const discarded = await store.create('c-1')
  await discarded.append(bytes('x'))
  await discarded.discard()
  const left = await store.create('c-2')
  t.equal(readdirSync(folder).length, 1)
  await store.sweep('c-2')
  await store.sweep('never-was')
  t.same(readdirSync(folder), [])
  // a program that was killed closes nothing, and this one lives on
  await left.discard()
})

t.test('a download folder that is a file is a sentence', async t => {
  const folder = t.testdir({ downloads: 'a file' })
  await t.rejects(nodeFileStore(join(folder, 'downloads')).create('d-1'), FileProblem)
})

t.test('reading answers size, name and any part', async t => {
  const folder = t.testdir({ 'f.bin': '0123456789' })
  const file = await nodeFileStore(folder).open(join(folder, 'f.bin'))
  t.match(file, { name: 'f.bin', size: 10 })
  t.same(await file.read(3, 4), bytes('3456'))
  t.same(await file.read(8, 10), bytes('89'))
  await file.close()
})

t.test('what is no regular file is refused with a sentence, and nothing blocks', async t => {
  const folder = t.testdir({})
  mkdirSync(join(folder, 'sub'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const store = nodeFileStore(folder)
  for (const [path, why] of [
    [join(folder, 'missing'), /no such file/],
    [join(folder, 'sub'), /is a folder/],
    [join(folder, 'pipe'), /not a regular file/],
    [join(folder, 'sub', '\u0000'), /cannot be used/],
  ] as const)
    await t.rejects(store.open(path), { name: 'FileProblem', message: why })
})
