// What a command loads before it knows what to do: the price of a start.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const main = join(import.meta.dirname, '../../../cli/main.ts')
const hook = `import { registerHooks } from 'node:module'
const packages = new Set()
registerHooks({ load: (url, context, next) => {
  packages.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1] ?? '')
  return next(url, context)
} })
process.on('exit', () => console.error('loaded ' + [...packages].filter(Boolean).sort().join(' ')))`

function loadedBy(...args: string[]): string {
  const hooks = `data:text/javascript,${encodeURIComponent(hook)}`
  const { stderr } = spawnSync(process.execPath, ['--import', hooks, main, ...args], { encoding: 'utf8' })
  return /^loaded (.*)$/m.exec(stderr)?.[1] ?? stderr
}

test('help loads the parser of arguments; a command that asks a gateway no log, no stores and no model', () => {
  assert.equal(loadedBy('--help'), 'commander')
  // Checks of the environment and of what a gateway answers.
  for (const command of ['ps', 'run'])
    assert.match(loadedBy(command, '--help'), /^commander (eventsource-parser )?zod$/, command)
})
