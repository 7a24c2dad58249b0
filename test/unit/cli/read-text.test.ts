import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { jsonFile } from '../../../cli/program/arguments.ts'
import { namesIn, readText } from '../../../cli/program/read-text.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-read-'))
after(() => rmSync(directory, { recursive: true, force: true }))
writeFileSync(join(directory, 'a.py'), 'print("ü")')

test('a file is read, and a directory listed', () => {
  assert.equal(readText(join(directory, 'a.py')), 'print("ü")')
  assert.deepEqual([namesIn(directory), namesIn(join(directory, 'a.py'))], [['a.py'], null])
})

test('what programs of Windows write is read without its mark', () => {
  const json = '{"a":"ü"}'
  const path = join(directory, 'windows')
  for (const bytes of [
    Buffer.from(`\uFEFF${json}`),
    Buffer.from(`\uFEFF${json}`, 'utf16le'),
    Buffer.from(`\uFEFF${json}`, 'utf16le').swap16(),
  ]) {
    writeFileSync(path, bytes)
    assert.deepEqual([readText(path), jsonFile(path)], [json, { a: 'ü' }])
  }
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
