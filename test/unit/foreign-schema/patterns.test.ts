// Patterns of tasks' schemas mean what they mean in JavaScript, or are refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linearPatterns, ownPatterns, searchFor } from '../../../runtime/foreign-schema/patterns.ts'

const characters = Array.from({ length: 0x3100 }, (_, code) => String.fromCodePoint(code))
const others = ['\ufeff', '\ufefe', '\uff00', '\u{1f600}', '\u{10ffff}', '', 'a\n', '\r\n', 'ab', 'a]b', '1a']
const texts = [...characters, ...others]

const patterns =
  String.raw`\s|\S|.|^.$|[\s]|[^\s]|[\S]|[^\S]|[\s\d]|[.]|[\S\s]|[^\S\n]|[\]\s.]|\d|\D|\w|\W|\b|\Ba|
^\p{Letter}$|^\P{L}$|\p{Script=Greek}|\p{gc=Lu}|\p{General_Category=Decimal_Number}|^\p{digit}+$|[\p{Lu}\s]|[\P{punct}]|
\u0041|\ud83d\ude00|\u{1f600}|\x41|\cJ|\t|\v|\f|\0|\/|[\b]|\[.\]|\\.|\.|\$|^$|a$|^(?:a\|b)*$|[[]|[^a]|a{2}|[\w.-]+|(?<n>.)|
^a{02}$|^.{0,1001}$|^[ab]{1,2048}$|^a{1001}$|^(?:\p{L}{0,1500}?)$|^.{1001,}$|^\u{61}{0,2000}b$|\.{0,1200}$|^a{3,2000}$|^[a{02}]$|^.{01,02}$|[[:alpha:]x[b]|[a[\]:]|(?i:k)|(?-i:a)|\(\?s:.\)|[(?s:.]|[^]a[b]|[]\|a`
    .replaceAll('\n', '')
    .split(/(?<!\\)\|/)
    .map((pattern) => pattern.replaceAll('\\|', '|'))

for (const pattern of patterns)
  test(`${pattern} means what it means in JavaScript`, () => {
    const theirs = new RegExp(pattern, 'u')
    const ours = linearPatterns(pattern)
    const different = texts.filter((text) => theirs.test(text) !== ours.test(text))
    assert.deepEqual(different.slice(0, 8), [])
  })

for (const pattern of [
  String.raw`(?=a)`,
  String.raw`(a)\1`,
  String.raw`(?<q>a)\k<q>`,
  '(ab){0,1001}',
  '.{0,20001}',
  String.raw`\p{C}`,
  String.raw`\p{Nonsense}`,
  '(?s:.)',
  '(?m:^a)',
  '(?i-s:.)',
])
  test(`${pattern} is refused, by name`, () => {
    assert.throws(() => linearPatterns(pattern), { message: /^the pattern ".*" can't be used \(.*RE2's/ })
  })

test('texts of a largest length may be longer than RE2 repeats', () => {
  const fits = (pattern: string, chars: number) => linearPatterns(pattern).test('a'.repeat(chars))
  assert.deepEqual(
    [0, 1, 1_000, 1_001, 2_000, 2_048, 2_049].map((chars) => fits('^[a-z]{1,2048}$', chars)),
    [false, true, true, true, true, true, false],
  )
  assert.deepEqual(
    [1_499, 1_500, 9_000].map((chars) => fits('^a{1500,}$', chars)),
    [false, true, true],
  )
  assert.deepEqual(
    [2_999, 3_000, 3_001].map((chars) => fits(String.raw`^\x61{3000}$`, chars)),
    [false, true, false],
  )
  assert.ok(linearPatterns('^a{0,1500}?b{2}$').test(`${'a'.repeat(1_400)}bb`))
})

test('a pattern that JavaScript refuses means what it means to RE2', () => {
  const fits = (pattern: string, ...given: string[]) =>
    given.map((text) => linearPatterns(pattern).test(text))
  assert.deepEqual(fits('^(?s)a.b$', 'a\nb', 'a\u2028b'), [true, true])
  assert.deepEqual(fits('^a.b$(?i)', 'a\u2028b', 'a\nb'), [true, false])
  assert.deepEqual(fits(String.raw`^[[:alpha:]\s]+$`, 'a b', 'a\u00A0b', '[', ':'), [
    true,
    true,
    false,
    false,
  ])
  assert.deepEqual(fits(String.raw`\Aab\z`, 'ab', 'Aabz'), [true, false])
})

test('a pattern of the configuration that RE2 refuses runs as JavaScript has it', () => {
  assert.deepEqual(
    [String.raw`^(?!x)\w+$`, String.raw`^(a)\1$`, String.raw`^(?<q>a)\k<q>$`, '^.{0,3000}$', '^a+$'].map(
      (pattern) => ownPatterns(pattern).test('aa'),
    ),
    [true, true, true, true, true],
  )
  assert.throws(() => ownPatterns('('), SyntaxError)
})

test('a search returns what JavaScript would find', () => {
  const found = (source: string, text: string, flags?: 'i') => searchFor(source, flags)(text)
  for (const [source, text] of [
    [String.raw`__\w+__`, 'a __class__ of'],
    [String.raw`\bimport\s`, 'an import\u00A0of'],
    [String.raw`\bexec\s*\(`, 'reexec ( x'],
    ['a|ab', 'xab'],
    ['(?<!x)ab', 'xab ab'],
    ['', 'x'],
    [String.raw`\-\-\w+\_[\-\']`, "a --b__'"],
    [String.raw`\cx|\pL|\Ab`, 'pL'],
    [String.raw`\Ab`, 'Ab'],
    [String.raw`[[:alpha:]]`, 'xa]'],
    [String.raw`\Qa\E`, 'QaE a'],
    [String.raw`a{,2}`, 'aa a{,2}'],
  ] as const)
    assert.equal(found(source, text), new RegExp(source).exec(text)?.[0] ?? null, source)
  assert.equal(found(String.raw`\p{Lu}{2}`, 'p{Lu}} xAB'), 'AB', 'with the flag u if it can have it')
  assert.equal(found(String.raw`(?<!x)\p{Lu}`, 'xAB'), 'B', 'whichever engine runs it')
  assert.throws(() => found('(?i)a', 'A'), SyntaxError)
  assert.deepEqual(
    [found('rate LIMIT', 'Rate limit', 'i'), found('rate LIMIT', 'Rate limit')],
    ['Rate limit', null],
  )
})
