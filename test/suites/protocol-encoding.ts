/** Specifies bytes and text: UTF-8, base64url with one text for one value, message ids. */
import { concat, fromAnyBase64, fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../../src/protocol/encoding.ts'
import { messageInput } from '../../src/protocol/message-id.ts'
import type { Suite } from './environment.ts'

export const encodingSuite: Suite = ({ test, equal, same, throws }) => {
  test('base64url goes there and back at every length, without padding (RFC 4648 §10)', () => {
    const known = [
      ['', ''],
      ['f', 'Zg'],
      ['fo', 'Zm8'],
      ['foo', 'Zm9v'],
      ['foob', 'Zm9vYg'],
      ['fooba', 'Zm9vYmE'],
      ['foobar', 'Zm9vYmFy'],
    ] as const
    for (const [text, encoded] of known) equal(toBase64Url(utf8(text)), encoded)
    for (let length = 0; length < 260; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 151 + length) & 0xff)
      same(fromBase64Url(toBase64Url(bytes)), bytes)
    }
    equal(toBase64Url(Uint8Array.of(0xfb, 0xff, 0xbf)), '-_-_')
  })

  test('only the base64url alphabet is taken, and padding only where it is asked for', () => {
    for (const text of ['Zg=', 'Zg==', 'Zm9v=', 'Zm9v====', '+/+/', 'Zm 9v', 'Zm9v\n', 'Zé', '=', 'Z'])
      equal(fromBase64Url(text), undefined, text)
    same(fromBase64Url('Zg==', { padded: true }), utf8('f'))
    same(fromBase64Url('Zm8=', { padded: true }), utf8('fo'))
    same(fromBase64Url('Zm8', { padded: true }), utf8('fo'))
    for (const text of ['Zg=', 'Zm9v=', 'Zm9v====', 'Z===', 'Zg==x', '====']) equal(fromBase64Url(text, { padded: true }), undefined, text)
  })

  test('one value has one text: bits that no encoder sets are refused', () => {
    for (const text of ['Zh', 'Zm9', 'Zm9vYh']) equal(fromBase64Url(text), undefined, text)
  })

  test('ciphertext may be in either alphabet, never in both', () => {
    same(fromAnyBase64('+/+/'), Uint8Array.of(0xfb, 0xff, 0xbf))
    same(fromAnyBase64('-_-_'), Uint8Array.of(0xfb, 0xff, 0xbf))
    same(fromAnyBase64('Zg=='), utf8('f'))
    equal(fromAnyBase64('+_+_'), undefined)
  })

  test('UTF-8 that is not is refused, and a byte order mark stays', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]])
      throws(() => fromUtf8(Uint8Array.from(bytes)))
    equal(fromUtf8(utf8('\ufeffZoë 😀')), '\ufeffZoë 😀')
    same(concat(utf8('a'), new Uint8Array(0), utf8('bc')), utf8('abc'))
  })

  test('a message is named by sender, recipient, time and ciphertext, with newlines between', () => {
    equal(fromUtf8(messageInput('a', 'b', 12, 'QUJD')), 'a\nb\n12\nQUJD')
  })
}
