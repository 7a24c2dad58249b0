// An executor whose optional package is not installed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutPackage } from '../../../../services/code-sandbox/executors/open.ts'

test('the error says which package, and how it is installed', async () => {
  const missing = 'a-package-that-is-not-installed'
  await assert.rejects(import(missing).catch(withoutPackage(missing)), {
    code: 'EXECUTOR_NOT_CONFIGURED',
    message: /needs the package a-package-that-is-not-installed.*run: npm install a-package/,
  })
})

test('any other failure stays what it is', () => {
  const cause = new Error('broken')
  assert.throws(() => withoutPackage('e2b')(cause), cause)
})
