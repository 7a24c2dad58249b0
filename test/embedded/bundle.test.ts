// The command as a bundle: what it runs, what a project's files get of it, and when a clone no longer runs it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { bundle } from '../../deploy/bundle.ts'
import { eventually } from '../conformance/waiting.ts'
import { startServices } from '../support/service-process.ts'

const root = join(import.meta.dirname, '../../')
const place = `.cache/command-test-${process.pid}`
const directory = mkdtempSync(join(tmpdir(), 'flotilla-bundle-'))

before(async () => {
  await bundle({ root, extension: 'ts', place })
})
after(() => {
  rmSync(join(root, place), { recursive: true, force: true })
  rmSync(directory, { recursive: true, force: true })
})

function run(args: readonly string[], cwd = directory) {
  return spawnSync(process.execPath, [join(root, place, 'main.js'), ...args], {
    cwd,
    env: {
      PATH: process.env['PATH'],
      FLOTILLA_DATA: join(directory, 'data'),
      FLOTILLA_MODEL: 'scripted',
      ...(process.env['FLOTILLA_CACHE'] && { FLOTILLA_CACHE: process.env['FLOTILLA_CACHE'] }),
    },
    encoding: 'utf8',
  })
}

test('runs the bundled tasks: Python, tools, and a configuration that imports its sources', () => {
  const { stderr, status } = run(['demo'])
  assert.match(stderr, /4 of 4 tasks succeeded/)
  assert.equal(status, 0)
})

test("what a configuration imports from 'flotilla' is the running instance", () => {
  const project = join(directory, 'project')
  mkdirSync(project)
  writeFileSync(
    join(project, 'flotilla.config.ts'),
    `import { FlotillaError } from 'flotilla'
import { standardTools } from 'flotilla/tools'
throw new FlotillaError('CONFIG_INVALID', \`of the project: \${standardTools.length} tools\`)\n`,
  )
  // The message of a foreign class would be shown as that of a module that can't be imported.
  const { stderr } = run(['tools'], project)
  assert.match(stderr, /^CONFIG_INVALID: of the project: 4 tools$/m)
})

test("the mistakes of a configuration's tools are those of the running instance", () => {
  const project = join(directory, 'mistaken')
  mkdirSync(project)
  const tool = `defineTool({ name: 'no spaces', description: 'x', input: { type: 'object' }, run: () => 1 })`
  writeFileSync(
    join(project, 'flotilla.config.mjs'),
    `import { defineFleet, defineTool } from 'flotilla'\nexport default defineFleet({ tools: [${tool}], agents: { a: { mode: 'wrong' } } })\n`,
  )
  const { stderr } = run(['tools'], project)
  assert.match(stderr, /has 2 mistakes/)
})

test('a clone runs its bundle until a file of it changes', () => {
  const clone = join(directory, 'clone')
  const bundled = join(clone, '.cache/command')
  for (const folder of ['cli', '.cache/command']) mkdirSync(join(clone, folder), { recursive: true })
  copyFileSync(join(root, 'cli/bin.js'), join(clone, 'cli/bin.js'))
  writeFileSync(join(clone, 'package.json'), '{ "type": "module", "version": "1.2.3" }')
  writeFileSync(join(clone, 'cli/main.ts'), "console.log('modules' as string)")
  writeFileSync(join(bundled, 'main.js'), "console.log('bundle')")
  const { size, mtimeMs } = statSync(join(clone, 'cli/main.ts'))
  const inputs = [['cli/main.ts', size, mtimeMs]]
  writeFileSync(join(bundled, 'manifest.json'), JSON.stringify({ inputs }))
  const says = (env: Record<string, string> = {}, argument = 'run') => {
    const bin = join(clone, 'cli/bin.js')
    const all = { PATH: process.env['PATH'], XDG_CACHE_HOME: directory, ...env }
    return spawnSync(process.execPath, [bin, argument], { env: all, encoding: 'utf8' }).stdout.trim()
  }
  assert.equal(says(), 'bundle')
  assert.deepEqual([says({}, '--version'), says({}, '--help')], ['1.2.3', 'modules'])
  assert.equal(says({ FLOTILLA_BUNDLE: '0' }), 'modules')
  utimesSync(join(clone, 'cli/main.ts'), new Date(), new Date(mtimeMs + 1_000))
  assert.equal(says(), 'modules')
  writeFileSync(join(bundled, 'manifest.json'), '{"inputs":[]}')
  assert.equal(says(), 'bundle')
  rmSync(bundled, { recursive: true })
  assert.equal(says(), 'modules')
})

test('compiled code is kept while a fleet runs: one that is killed has it at its next start', async () => {
  const compiled = join(directory, 'compiled')
  const env = { NODE_COMPILE_CACHE: compiled, FLOTILLA_DATA: join(directory, 'killed') }
  const fleet = await startServices([], { main: join(root, place, 'main.js'), env })
  try {
    await fleet.ready()
    const files = () =>
      readdirSync(compiled, { recursive: true, withFileTypes: true }).filter((each) => each.isFile())
    await eventually('its modules are kept', () => files().length > 50)
  } finally {
    await fleet.kill9()
  }
})

test('a fleet starts with the memory settings that nobody has given, in the same process', () => {
  const clone = join(directory, 'bounded')
  mkdirSync(join(clone, 'cli'), { recursive: true })
  for (const file of ['bin.js', 'memory.json'])
    copyFileSync(join(root, 'cli', file), join(clone, 'cli', file))
  writeFileSync(join(clone, 'package.json'), '{ "type": "module" }')
  const shown = '[process.execArgv, process.env.MALLOC_ARENA_MAX, process.ppid]'
  writeFileSync(join(clone, 'cli/main.ts'), `console.log(JSON.stringify(${shown}))`)
  const says = (argument: string, flags: string[] = [], more: Record<string, string> = {}) => {
    const env = { PATH: process.env['PATH'], XDG_CACHE_HOME: directory, ...more }
    const command = [...flags, join(clone, 'cli/bin.js'), argument]
    return JSON.parse(spawnSync(process.execPath, command, { env, encoding: 'utf8' }).stdout) as unknown
  }
  const [semi, growth] = ['--max-semi-space-size=16', '--heap-growing-percent=60']
  assert.deepEqual(says('start'), [[semi, growth], '1', process.pid])
  assert.deepEqual(says('run'), [[], null, process.pid])
  const own = '--max-semi-space-size=64'
  assert.deepEqual(says('start', [own], { MALLOC_ARENA_MAX: '2' }), [[own, growth], '2', process.pid])
  assert.deepEqual(says('start', [], { NODE_OPTIONS: own }), [[growth], '1', process.pid])
  const underscored = '--max_semi_space_size=64'
  assert.deepEqual(says('start', [underscored]), [[underscored, growth], '1', process.pid])
  assert.deepEqual(says('start', ['--inspect=127.0.0.1:0']), [['--inspect=127.0.0.1:0'], null, process.pid])
  // Not allowed; and paths of Node that lead nowhere: without /proc it is a name, and an upgrade may remove the file.
  const refused = [
    ['--permission', '--allow-fs-read=*'],
    ['--import', 'data:text/javascript,process.execPath="node"'],
    ['--import', 'data:text/javascript,process.execPath="/nowhere/node"'],
  ]
  for (const flags of refused) assert.deepEqual(says('start', flags), [flags, null, process.pid])
})
