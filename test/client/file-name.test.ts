/** Names that senders give to files, and the names under which they are saved (attacks 34). */
import fc from 'fast-check'
import t from 'tap'
import { alternativeName, maxFileNameBytes, safeFileName } from '../../src/client/file-name.ts'

const cases: readonly (readonly [offered: string, safe: string])[] = [
  ['notes.txt', 'notes.txt'],
  ['two words ü.bin', 'two words ü.bin'],
  ['archive.tar.gz', 'archive.tar.gz'],
  ['../../etc/passwd', 'passwd'],
  ['..\\..\\windows\\system.ini', 'system.ini'],
  ['/absolute/path', 'path'],
  ['C:\\autoexec.bat', 'autoexec.bat'],
  ['C:autoexec.bat', 'C_autoexec.bat'],
  ['file.txt:stream', 'file.txt_stream'],
  ['a\u0000b.txt', 'ab.txt'],
  ['\u001b[31mred.txt', 'red.txt'],
  ['gpj.\u202eexe', 'gpj.exe'],
  ['con', '_con'],
  ['CON.txt', '_CON.txt'],
  ['aux.tar.gz', '_aux.tar.gz'],
  ['lpt1', '_lpt1'],
  ['COM\u00b9.log', '_COM\u00b9.log'],
  ['console.txt', 'console.txt'],
  ['.', 'file'],
  ['..', 'file'],
  ['....', 'file'],
  ['', 'file'],
  ['   ', 'file'],
  ['/', 'file'],
  ['.bashrc', 'bashrc'],
  ['ends with dots...', 'ends with dots'],
  ['folder/', 'folder'],
  ['a<b>c"d|e?f*g', 'a_b_c_d_e_f_g'],
  ['new\nline', 'new_line'],
]

t.test('every known trick ends as a plain name', async t => {
  for (const [offered, safe] of cases) t.equal(safeFileName(offered), safe, JSON.stringify(offered))
})

t.test('300 bytes are cut to what a file system takes, and the extension stays', async t => {
  const safe = safeFileName(`${'ü'.repeat(300)}.tar`)
  t.ok(Buffer.byteLength(safe) <= maxFileNameBytes)
  t.match(safe, /ü\.tar$/)
  t.ok(Buffer.byteLength(alternativeName(safe, 9_999)) <= 255)
})

t.test('whatever is offered, the result is a safe name and its own result', async t => {
  const nasty = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('.', '..', '/', '\\', ':', 'con', 'NUL', ' ', '\u0000', '\u202e', '.txt')),
  )
  fc.assert(
    fc.property(nasty, parts => {
      const safe = safeFileName(parts.join(''))
      return (
        safe !== '' &&
        !/[/\\:\u0000-\u001f]/.test(safe) &&
        !/^\.|[. ]$/.test(safe) &&
        !/^(con|nul)(\.|$)/i.test(safe) &&
        Buffer.byteLength(safe) <= maxFileNameBytes + 1 &&
        safeFileName(safe) === safe
      )
    }),
    { numRuns: 2_000 },
  )
  t.pass('2,000 names')
})

t.test('taken names get a number before the extension', async t => {
  t.same(
    [0, 1, 2].map(attempt => alternativeName('a.tar.gz', attempt)),
    ['a.tar.gz', 'a.tar (1).gz', 'a.tar (2).gz'],
  )
  t.equal(alternativeName('README', 1), 'README (1)')
})
