import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { init } from '../../../cli/init.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { loadFleet } from '../../../runtime/config/load.ts'

const temporary = (t: { after(work: () => void): void }): string => {
  const made = mkdtempSync(join(tmpdir(), 'flotilla-init-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('what init writes is a configuration that loads, with a tool that runs', async (t) => {
  const directory = join(temporary(t), 'my-fleet')
  for (const path of init(directory)) assert.ok(existsSync(path), path)
  const fleet = await loadFleet(readEnvironment({}), directory)
  assert.deepEqual(Object.keys(fleet.agents), ['clerk'])
  const [tool] = fleet.tools
  const context = {} as Parameters<NonNullable<typeof tool>['run']>[1]
  assert.equal(await tool?.run({ country: 'Norway', kilos: 3 }, context), 12.6)
  await assert.rejects(
    async () => tool?.run({ country: 'Mars', kilos: 1 }, context),
    /no price for Mars; there are/,
  )
})

test('init overwrites nothing, and writes nothing if it would', (t) => {
  const directory = temporary(t)
  writeFileSync(join(directory, '.env.example'), 'mine')
  assert.throws(() => init(directory), { code: 'REQUEST_INVALID', message: /has \.env\.example already/ })
  assert.ok(!existsSync(join(directory, 'flotilla.config.ts')))
  assert.equal(readFileSync(join(directory, '.env.example'), 'utf8'), 'mine')
})

test('a model that is named is in the configuration; a .gitignore stays as it is', async (t) => {
  const directory = temporary(t)
  writeFileSync(join(directory, '.gitignore'), 'mine')
  assert.throws(() => init(directory, { model: "x', y: '" }), { code: 'REQUEST_INVALID', message: /--model/ })
  init(directory, { model: 'scripted' })
  assert.equal(readFileSync(join(directory, '.gitignore'), 'utf8'), 'mine')
  const fleet = await loadFleet(readEnvironment({}), directory)
  assert.match(fleet.models.default ?? '', /^scripted/)
})

test('a directory that cannot be made is an error that says why', (t) => {
  const file = join(temporary(t), 'file')
  writeFileSync(file, '')
  assert.throws(() => init(join(file, 'below')), { code: 'REQUEST_INVALID', message: /writing .*ENOTDIR/ })
})
