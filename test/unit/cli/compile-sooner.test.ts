import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('V8 knows the threshold that a started fleet sets', () => {
  const module = new URL('../../../cli/compile-sooner.ts', import.meta.url)
  const program = `(await import('${module.href}')).compileSooner()`
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program]
  const { status, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''], 'an unknown flag is reported at each start')
})
