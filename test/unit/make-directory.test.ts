import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeDirectory } from '../../runtime/make-directory.ts'

function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-directory-'))
  context.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('a directory is made with those above it; the first that was missing is returned', (context) => {
  const home = scratch(context)
  assert.equal(makeDirectory(join(home, 'a/b/c'), { mode: 0o700 }), join(home, 'a'))
  assert.equal(statSync(join(home, 'a/b')).mode & 0o777, 0o700)
  assert.equal(makeDirectory(join(home, 'a/b/c')), null)
  assert.equal(makeDirectory(join(home, 'a/b/d')), join(home, 'a/b/d'))
})

test('a link to a directory counts as one', (context) => {
  const home = scratch(context)
  symlinkSync(home, join(home, 'link'))
  assert.equal(makeDirectory(join(home, 'link')), null)
  assert.equal(makeDirectory(join(home, 'link/x')), join(home, 'link/x'))
})

test('where none can be made, it says so at once, and leaves none behind', (context) => {
  const home = scratch(context)
  writeFileSync(join(home, 'file'), '')
  symlinkSync(join(home, 'nowhere'), join(home, 'dangling'))
  const refused = (path: string, code: string) => assert.throws(() => makeDirectory(path), { code }, path)
  if (process.platform === 'linux') refused('/proc/nope', 'ENOENT')
  if (process.platform === 'linux') refused('/proc/nope/deeper', 'ENOENT')
  refused(join(home, 'file'), 'EEXIST')
  refused(join(home, 'file/x/y'), 'ENOTDIR')
  refused(join(home, 'dangling'), 'EEXIST')
  refused(join(home, 'dangling/x'), 'EEXIST')
  refused(join(home, 'x/'.repeat(2_600)), 'ENAMETOOLONG')
  refused(`${home}/nul\0`, 'ERR_INVALID_ARG_VALUE')
  assert.throws(() => statSync(join(home, 'x')), { code: 'ENOENT' })
})
