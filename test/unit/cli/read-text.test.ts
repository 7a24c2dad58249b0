import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { InvalidArgumentError } from 'commander'
import { jsonFile, jsonOrText, textFile } from '../../../cli/program/arguments.ts'
import { namesIn, readText } from '../../../cli/program/read-text.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-read-'))
after(() => rmSync(directory, { recursive: true, force: true }))
writeFileSync(join(directory, 'a.py'), 'print("ü")')

test('a file is read, and a directory listed', () => {
  assert.equal(readText(join(directory, 'a.py')), 'print("ü")')
  assert.deepEqual([namesIn(directory), namesIn(join(directory, 'a.py'))], [['a.py'], null])
})

const lacking: [string, string, RegExp][] = [
  ['that is not there', join(directory, 'b'), /b can't be read: ENOENT: no such file or directory$/],
  [
    'whose name is too long',
    'x'.repeat(5_000),
    /^x{60}… \(5000 characters\) can't be read: ENAMETOOLONG: name too long$/,
  ],
  ['with a zero character', 'a\0b', /^a\\u\{0000\}b can't be read: The argument 'path' must be/],
]
for (const [what, path, message] of lacking)
  test(`a path ${what} is no bug: NOT_FOUND, with the reason`, () => {
    assert.throws(() => namesIn(path), { code: 'NOT_FOUND', message })
    assert.throws(() => readText(path), { code: 'NOT_FOUND', message })
  })

test('a directory is no text', () => {
  assert.throws(() => readText(directory), { code: 'NOT_FOUND', message: /can't be read: EISDIR/ })
})

/** A file with these bytes. */
function fileOf(...parts: (Buffer | string)[]): string {
  const path = join(directory, 'written')
  writeFileSync(path, Buffer.concat(parts.map((part) => Buffer.from(part))))
  return path
}

const umlaut = '{"a":"\u00fc"}'
const bigEndian = Buffer.from(`\ufeff${umlaut}`, 'utf16le').swap16()
const encodings: [string, Buffer | string][] = [
  ['UTF-8 behind a mark', `\ufeff${umlaut}`],
  ['UTF-16, as PowerShell writes it', Buffer.from(`\ufeff${umlaut}`, 'utf16le')],
  ['UTF-16, the other way round', bigEndian],
]
for (const [what, bytes] of encodings)
  test(`${what} is text, and JSON`, () => {
    assert.equal(readText(fileOf(bytes)), umlaut)
    assert.deepEqual(jsonFile(fileOf(bytes)), { a: '\u00fc' })
  })

test('bytes of another encoding are refused, not replaced', () => {
  const latin = fileOf(Buffer.from(umlaut, 'latin1'))
  assert.throws(() => readText(latin), { code: 'REQUEST_INVALID', message: /written is not in UTF-8/ })
  for (const read of [textFile, jsonFile]) assert.throws(() => read(latin), InvalidArgumentError)
})

test('whole numbers in files and values keep their digits', () => {
  const json = '{"account":12345678901234567890,"amount":1.5}'
  const exact = { account: '12345678901234567890', amount: 1.5 }
  assert.deepEqual([jsonFile(fileOf(json)), jsonOrText(json)], [exact, exact])
  assert.deepEqual([jsonOrText('yes'), jsonOrText('7')], ['yes', 7])
  assert.throws(() => jsonFile(fileOf('{')), InvalidArgumentError)
})
