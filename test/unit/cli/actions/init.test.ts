import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { init } from '../../../../cli/actions/init.ts'
import { readEnvironment } from '../../../../runtime/config/environment.ts'
import { loadFleet } from '../../../../runtime/config/load.ts'

const temporary = (t: { after(work: () => void): void }): string => {
  const made = mkdtempSync(join(tmpdir(), 'flotilla-init-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('what init writes is a configuration that loads, with a tool that runs', async (t) => {
  const directory = join(temporary(t), 'my-fleet')
  const { written, kept } = init(directory)
  for (const path of written) assert.ok(existsSync(path), path)
  assert.deepEqual(kept, [])
  const names = written.map((path) => path.slice(directory.length + 1))
  for (const name of ['.gitignore', 'README.md', 'package.json', 'tools/shipping-cost.test.ts'])
    assert.ok(names.includes(name), name)
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
  assert.throws(() => init(''), { code: 'REQUEST_INVALID', message: /the name of the directory is empty/ })
  assert.equal(readFileSync(join(directory, '.gitignore'), 'utf8'), 'mine')
  const fleet = await loadFleet(readEnvironment({}), directory)
  assert.match(fleet.models.default ?? '', /^scripted/)
})

test('what a project has anyway stays; the configuration loads although package.json says commonjs', async (t) => {
  const directory = temporary(t)
  const own = '{ "name": "mine", "type": "commonjs" }'
  writeFileSync(join(directory, 'package.json'), own)
  const { written, kept } = init(directory)
  assert.deepEqual(kept, ['package.json'])
  assert.ok(!written.includes(join(directory, 'package.json')))
  assert.equal(readFileSync(join(directory, 'package.json'), 'utf8'), own)
  assert.deepEqual(Object.keys((await loadFleet(readEnvironment({}), directory)).agents), ['clerk'])
})

test('the package that init writes is a module, named by its directory, and has this very Flotilla', (t) => {
  const directory = join(temporary(t), 'My Fleet_2')
  const { isInstalled, source } = init(directory)
  const written = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Record<string, unknown>
  assert.equal(written['name'], 'my-fleet-2')
  assert.equal(written['type'], 'module')
  // A version of a clone need not be published: npm would find none, or another.
  const clone = fileURLToPath(new URL('../../../..', import.meta.url)).replace(/\/$/, '')
  assert.deepEqual(written['dependencies'], { flotilla: `file:${clone}` })
  assert.equal(source, clone)
  assert.equal(isInstalled, false)
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(clone, join(directory, 'node_modules/flotilla'))
  assert.ok(init(join(directory, 'below')).isInstalled)
})

test('a directory that cannot be made is an error that says why', (t) => {
  const file = join(temporary(t), 'file')
  writeFileSync(file, '')
  assert.throws(() => init(join(file, 'below')), { code: 'REQUEST_INVALID', message: /writing .*ENOTDIR/ })
})

test('init that fails half way leaves nothing behind, and succeeds once the reason is gone', (t) => {
  const directory = join(temporary(t), 'new', 'fleet')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'tools'), 'a file where a directory has to be')
  assert.throws(() => init(directory), {
    code: 'REQUEST_INVALID',
    message: /tools.*nothing was written\. Make it writable, or give another directory/,
  })
  assert.deepEqual(readdirSync(directory), ['tools'])
  rmSync(join(directory, 'tools'))
  assert.ok(init(directory).written.length > 5)
})

test('a link that leads nowhere counts as a file of the project', (t) => {
  const directory = temporary(t)
  symlinkSync('nowhere', join(directory, 'flotilla.config.ts'))
  assert.throws(() => init(directory), { message: /has flotilla\.config\.ts already/ })
  assert.deepEqual(readdirSync(directory), ['flotilla.config.ts'])
})

test('the package never has the name of its dependency; an existing one that lacks it is reported', (t) => {
  const directory = join(temporary(t), 'Flotilla')
  assert.ok(init(directory).isDependency)
  const { name, dependencies } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    name: string
    dependencies: object
  }
  assert.equal(name, 'my-flotilla')
  assert.deepEqual(Object.keys(dependencies), ['flotilla'])
  for (const [text, isDependency] of [
    ['{}', false],
    ['{ "dependencies": { "flotilla": "^0.2.0" } }', true],
  ] as const) {
    const other = temporary(t)
    writeFileSync(join(other, 'package.json'), text)
    assert.equal(init(other).isDependency, isDependency)
  }
})

test('an existing .gitignore that would let keys and data into git is reported', (t) => {
  for (const [text, unignored] of [
    ['', ['.flotilla/', '.env', 'node_modules/']],
    ['node_modules\r\n/.flotilla/\n', ['.env']],
    ['.env\n.flotilla\nnode_modules/\n', []],
  ] as const) {
    const directory = temporary(t)
    writeFileSync(join(directory, '.gitignore'), text)
    assert.deepEqual(init(directory).unignored, unignored)
    assert.equal(readFileSync(join(directory, '.gitignore'), 'utf8'), text)
  }
  assert.deepEqual(init(temporary(t)).unignored, [])
})
