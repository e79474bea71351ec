/** Where data goes when nobody says where. */
import { join } from 'node:path'
import { homedir } from 'node:os'
import t from 'tap'
import { chatDirectory, serverDirectory } from '../../src/cli/data-directory.ts'

const withDataHome = <T>(value: string | undefined, run: () => T): T => {
  const before = process.env['XDG_DATA_HOME']
  const set = (text: string | undefined): void => {
    if (text === undefined) delete process.env['XDG_DATA_HOME']
    else process.env['XDG_DATA_HOME'] = text
  }
  set(value)
  try {
    return run()
  } finally {
    set(before)
  }
}

t.test('it lies in XDG_DATA_HOME when that is absolute, else in the home directory', t => {
  t.equal(withDataHome('/x/y', serverDirectory), join('/x/y', 'socp', 'server'))
  for (const ignored of [undefined, '', 'relative/path'])
    t.equal(withDataHome(ignored, serverDirectory), join(homedir(), '.local', 'share', 'socp', 'server'))
  t.end()
})

t.test('a chat name never leads out of its folder', t => {
  for (const name of ['../../etc', '/etc/passwd', '..', '.', '', 'a/b', 'nul', 'x'.repeat(5_000), '\u001b[31m']) {
    const directory = withDataHome('/x', () => chatDirectory(name))
    t.match(directory, /^\/x\/socp\/chat\/[^/]+$/)
    t.notMatch(directory, /\/\.\.?$/)
    t.ok(Buffer.byteLength(directory.slice('/x/socp/chat/'.length)) <= 255)
  }
  t.end()
})

t.test('names that look alike to a file system have directories of their own', t => {
  const names = ['ann', 'Ann', 'ANN', 'a/nn', 'a_nn', 'ann.', 'ann ', '..ann']
  const directories = names.map(name => chatDirectory(name).toLowerCase())
  t.equal(new Set(directories).size, names.length)
  t.end()
})
