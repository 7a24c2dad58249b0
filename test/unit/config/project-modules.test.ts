// The files of a project are loaded by their syntax, whatever its package.json says.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { hookProjectModules } from '../../../runtime/config/project/modules.ts'

const cases: readonly (readonly [name: string, text: string])[] = [
  ['default.ts', 'const x: number = 1\nexport default x'],
  ['list.ts', 'const value = 1\nexport { value as default }'],
  ['import.js', "import { join } from 'node:path'\nexport default join('1').length"],
  ['star.ts', "export * from './list.ts'\nexport { default } from './list.ts'"],
  ['common.js', "const text = `\nimported\n`\nmodule.exports = require('node:path').join('1').length"],
  ['common.ts', 'module.exports = 1 as number'],
]

test('under "type": "commonjs" modules are modules, and CommonJS stays CommonJS', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-modules-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'package.json'), '{ "type": "commonjs" }')
  for (const [name, text] of cases) writeFileSync(join(directory, name), text)
  hookProjectModules()
  for (const [name] of cases) {
    const url = pathToFileURL(join(directory, name)).href
    assert.equal(Number(((await import(url)) as { default: unknown }).default), 1, name)
  }
})
