/** What of others' text may reach a terminal or a page, and what names are refused. */
import fc from 'fast-check'
import t from 'tap'
import { cleanLine, cleanName, cleanText, maxNameLength, nameProblem } from '../../src/client/sanitise.ts'

t.test('terminal sequences go as a whole, newlines and tabs stay', async t => {
  const cases: readonly (readonly [given: string, kept: string])[] = [
    ['plain', 'plain'],
    ['two\nlines\tand a tab', 'two\nlines\tand a tab'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\u009b31mred', 'red'],
    ['\u001b]0;a title\u0007after', 'after'],
    ['\u001b]8;;http://evil\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['\u001bPdevice\u001b\\after', 'after'],
    ['\u001bc reset', ' reset'],
    ['\u001b(0 charset', ' charset'],
    ['over\rwritten', 'overwritten'],
    ['bell\u0007 nul\u0000 back\b', 'bell nul back'],
    ['unfinished \u001b[31', 'unfinished 31'],
    ['line\u2028sep\u2029par', 'lineseppar'],
    ['\u202eevil\u2066x\u2069', 'evilx'],
    ['lone \ud800 surrogate', 'lone \ufffd surrogate'],
    ['עברית \u200fmark', 'עברית \u200fmark'],
    ['👩‍👩‍👧 ❤️', '👩‍👩‍👧 ❤️'],
  ]
  // a line separator in the name of an assertion would end its line for tap
  for (const [given, kept] of cases) t.equal(cleanText(given), kept, encodeURIComponent(given.toWellFormed()))
})

t.test('nothing that steers a terminal survives, whatever the text, and cleaning twice changes nothing', async t => {
  const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/
  const pieces = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\u001b', '\u001b[', '\u009b', '\u001b]', '\u0007', '\r', '[2J', ';0m', '\u202e'),
  )
  const text = fc.array(pieces).map(parts => parts.join(''))
  fc.assert(
    fc.property(text, given => {
      const once = cleanText(given)
      return !steering.test(once) && cleanText(once) === once && once.isWellFormed()
    }),
  )
  fc.assert(fc.property(text, given => cleanName(cleanName(given)) === cleanName(given) && !/[\n\t]/.test(cleanName(given))))
  t.pass('1,000 texts each')
})

t.test('a name is one line, in NFC, of at most 64 characters', async t => {
  t.equal(cleanName('  e\u0301va \n\t lee '), 'éva lee')
  t.equal([...cleanName('😀'.repeat(200))].length, maxNameLength)
  t.equal(cleanName('\u200b\u3164\u2800'), '', 'a name of nothing visible is none')
  t.equal(cleanName('Zoë ❤️'), 'Zoë ❤️')
})

t.test('a name that its owner cannot have is refused with a sentence', async t => {
  for (const good of ['ann', 'Erin Ünï', 'Zoë😀', '👩‍👩‍👧 ❤️', 'x'.repeat(64), 'e\u0301']) t.equal(nameProblem(good), undefined, good)
  for (const bad of ['', '   ', '\u200b', 'a\u0000', 'a\nb', 'a\u001b[31mb', 'a\u202eb', 'x'.repeat(65)])
    t.match(nameProblem(bad), /^A name .*\.$/, JSON.stringify(bad))
})

t.test("a server's detail becomes one short line", async t => {
  t.equal(cleanLine('a\nb\u001b[2J\tc'), 'a b c')
  t.equal([...cleanLine('x'.repeat(1_000))].length, 300)
})
