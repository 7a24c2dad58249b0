// What npm publishes, installed from its tarball into an empty project.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findProgram, runTool } from '../infra/tool.ts'

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'flotilla-package-'))
const project = join(directory, 'project')
const starter = join(project, 'starter')
let tarball = ''

/** Without what npm and the test runner add for what they start, and with this Node first. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_TEST_CONTEXT$/i.test(name)),
  ),
  PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
  FLOTILLA_DATA: join(directory, 'data'),
}
const npm = (args: readonly string[], cwd: string) => runTool('npm', args, { cwd, env: environment })
const flotilla = (args: readonly string[], cwd: string) =>
  runTool('npx', ['--no', 'flotilla', ...args], { cwd, env: environment })

before(async () => {
  // A copy, so that the build does not take dist/ away from another test.
  const copy = join(directory, 'copy')
  const kept = /\/(\.git|\.cache|\.flotilla|dist|node_modules|test|bench)$/
  cpSync(root, copy, { recursive: true, filter: (path) => path === root || !kept.test(path) })
  await runTool('ln', ['-s', join(root, 'node_modules'), join(copy, 'node_modules')])
  await npm(['pack', '--pack-destination', directory], copy)
  tarball = join(directory, readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? '')
  mkdirSync(project)
  await npm(['init', '-y'], project)
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  await npm(['install', ...flags, tarball], project)
})
after(() => rmSync(directory, { recursive: true, force: true }))

test('small: no tests, no optional executors, few packages', async () => {
  const installed = readdirSync(join(project, 'node_modules'), { recursive: true, encoding: 'utf8' })
  const packages = installed.filter((path) =>
    /^((.*\/)?node_modules\/)?(@[^/]+\/)?[^@/][^/]*\/package\.json$/.test(path),
  )
  assert.ok(packages.length > 50 && packages.length < 190, `${packages.length} packages`)
  assert.ok(!existsSync(join(project, 'node_modules/e2b')))
  const files = readdirSync(join(project, 'node_modules/flotilla'), { recursive: true, encoding: 'utf8' })
  assert.deepEqual(
    files.filter((path) => /(^|\/)test\/|(?<!\.d|\/starter\/.*)\.ts$/.test(path)),
    [],
  )
})

test('publint finds nothing', async () => {
  const { publint } = await import('publint')
  const { messages } = await publint({
    pkgDir: join(project, 'node_modules/flotilla'),
    strict: true,
    pack: false,
  })
  assert.deepEqual(messages, [])
})

test('are the types wrong? Not for nodenext and bundlers', async () => {
  const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  const report = await runTool(process.execPath, [attw, tarball, '--profile', 'esm-only', '--no-color'], {})
  // Four entries: the library, its tools, operator and evaluation.
  assert.equal(report.match(/🟢 \(ESM\) *│ 🟢/g)?.length, 4, report)
})

const program = `import { connect, defineFleet, defineTool, type Client, type TaskResult } from 'flotilla'
import { httpTool } from 'flotilla/tools'
import type { Operator } from 'flotilla/operator'
export async function run(text: string): Promise<TaskResult> {
  const client: Client = await connect()
  const { taskId } = await client.submit({ text })
  return client.result(taskId, { timeoutMs: 120_000 })
}
export const open = (operator: Operator) => operator.tasks.list({})
export const tool = defineTool<{ a: string }, string>({
  name: 'echo', description: 'Says it again.', input: { type: 'object' }, run: ({ a }) => a,
})
export const page = httpTool
export default defineFleet({ tools: [tool] })
`

for (const [module, resolution] of [
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
] as const)
  test(`types under strict, ${resolution}, every declaration checked`, () => {
    writeFileSync(join(project, 'use.mts'), program)
    const flags = [
      '--strict',
      '--exactOptionalPropertyTypes',
      '--noEmit',
      '--target',
      'es2022',
      '--lib',
      'es2022',
    ]
    const args = ['--ignoreConfig', ...flags, '--module', module, '--moduleResolution', resolution, 'use.mts']
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, ...args], { cwd: project, encoding: 'utf8' })
    assert.equal(stdout, '')
  })

test('init writes a project that tests itself, type-checks and runs a task', async () => {
  await flotilla(['init', 'starter'], project)
  assert.match(await npm(['test'], starter), /pass 3\n/)
  assert.match(await npm(['run', 'demo'], starter), /12\.60 euros/)
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  assert.equal(await runTool(process.execPath, [tsc, '-p', '.'], { cwd: starter }), '')
})

test('a task in a directory without a configuration is answered', async () => {
  const answer = spawnSync('npx', ['--no', 'flotilla', 'run', '--json', 'What is 2 to the power of 100?'], {
    cwd: project,
    env: { ...environment, OPENAI_API_KEY: '', GROQ_API_KEY: '', ANTHROPIC_API_KEY: '' },
    encoding: 'utf8',
  })
  const { status, error } = JSON.parse(answer.stdout) as { status: string; error: { code: string } }
  assert.deepEqual([status, error.code], ['rejected', 'MODEL_NOT_CONFIGURED'])
})

test('the bundled tasks run', async () => {
  const { status, stderr } = spawnSync('npx', ['--no', 'flotilla', 'demo'], {
    cwd: project,
    env: environment,
    encoding: 'utf8',
  })
  assert.match(stderr, /4 of 4 tasks succeeded/)
  assert.equal(status, 0)
})

test('an executor whose package is not installed says how to get it', () => {
  const { stdout } = spawnSync('npx', ['--no', 'flotilla', 'doctor', '--json'], {
    cwd: project,
    env: { ...environment, E2B_API_KEY: 'e2b_0000' },
    encoding: 'utf8',
  })
  assert.match(stdout, /needs the package e2b, which is not installed; run: npm install e2b/)
})

test(
  'an older Node is helped by the Node of the project, and else says what to do',
  { timeout: 120_000 },
  () => {
    const older = olderNode()
    if (older === null) return
    const bin = join(project, 'node_modules/flotilla/cli/bin.js')
    const bare = { HOME: directory, PATH: join(directory, 'nowhere') }
    const alone = spawnSync(older, [bin, '--version'], { cwd: project, env: bare, encoding: 'utf8' })
    assert.equal(alone.status, 1)
    assert.match(alone.stderr, /needs Node 24\.16 or newer; this is v\d+.*npm install node@24/)
    const beside = join(project, 'node_modules/node')
    cpSync(join(root, 'node_modules/node/package.json'), join(beside, 'package.json'))
    cpSync(join(root, 'node_modules/node/bin'), join(beside, 'bin'), { recursive: true })
    const helped = spawnSync(older, [bin, '--version'], { cwd: project, env: bare, encoding: 'utf8' })
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    assert.equal(helped.stdout.trim(), version, helped.stderr)
  },
)

/** This machine's own Node, if it is too old for Flotilla. */
function olderNode(): string | null {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.includes('node_modules'))
  const found =
    path.map((folder) => join(folder, 'node')).find((file) => existsSync(file)) ?? findProgram('node')
  if (found === null) return null
  const { stdout } = spawnSync(found, ['--version'], { encoding: 'utf8' })
  return Number(/^v(\d+)/.exec(stdout)?.[1] ?? 99) < 24 ? found : null
}
