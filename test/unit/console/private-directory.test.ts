import assert from 'node:assert/strict'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { privateDirectory } from '../../../console/build.ts'

const temporary = (t: { after(work: () => void): void }): string => {
  const made = mkdtempSync(join(tmpdir(), 'flotilla-shared-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('the directory below a shared one is made for this user alone, and taken again', async (t) => {
  const shared = temporary(t)
  const directory = await privateDirectory(shared)
  assert.equal(lstatSync(directory).mode & 0o777, 0o700)
  assert.equal(await privateDirectory(shared), directory)
})

test('a directory that others may write is refused, with what to do', async (t) => {
  const shared = temporary(t)
  chmodSync(await privateDirectory(shared), 0o777)
  await assert.rejects(privateDirectory(shared), /only this user writes; remove it, or set FLOTILLA_CACHE/)
})

test('a link to a directory of somebody else is refused', async (t) => {
  const shared = temporary(t)
  const planted = join(shared, 'planted')
  mkdirSync(planted, { mode: 0o700 })
  const directory = await privateDirectory(shared)
  rmSync(directory, { recursive: true })
  symlinkSync(planted, directory)
  await assert.rejects(privateDirectory(shared), /only this user writes/)
})
