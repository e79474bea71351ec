import fc from 'fast-check'
import t from 'tap'
import { der, DerError, derUnsigned, readDer, tags } from '../../src/crypto/der.ts'

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

void t.test('the reader gives back what the writer wrote, of any length', t => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(127, 128, 255, 256, 65_535, 65_536).map(length => new Uint8Array(length)),
  )
  fc.assert(
    fc.property(content, content, (first, second) => {
      const outer = readDer(der(tags.sequence, der(tags.octetString, first), der(tags.octetString, second)))
      const inner = outer.sequence()
      const [a, b] = [inner.read(tags.octetString), inner.read(tags.octetString)]
      inner.end()
      return outer.done && Buffer.compare(a, first) === 0 && Buffer.compare(b, second) === 0
    }),
  )
  t.pass('property held')
  t.end()
})

void t.test('a number is its magnitude, with a zero before a high bit only', t => {
  t.same(derUnsigned(bytes('7f')), bytes('02017f'))
  t.same(derUnsigned(bytes('80')), bytes('02020080'))
  t.same(derUnsigned(bytes('010001')), bytes('0203010001'))
  t.same(readDer(bytes('02020080')).unsigned(), bytes('80'))
  t.end()
})

void t.test('what BER allows and DER does not is refused', t => {
  const refused: Readonly<Record<string, string>> = {
    'a long length that is short': '0281017f',
    'a length with a leading zero': `02820080${'01'.repeat(128)}`,
    'an indefinite length': '30800000',
    'a length of four bytes': '0284000000017f',
    'a number with a needless zero': '0202007f',
    'a negative number': '0201ff',
    'an empty number': '0200',
    'another type': '04017f',
    'a value that is cut off': '02027f',
    'a length that is cut off': '0282',
    nothing: '',
  }
  for (const [name, hex] of Object.entries(refused)) t.throws(() => readDer(bytes(hex)).unsigned(), DerError, name)
  t.throws(() => readDer(bytes('00')).end(), { message: '1 bytes follow after its end' })
  t.end()
})
