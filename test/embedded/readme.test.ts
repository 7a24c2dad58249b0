// The programs of the README, run as they stand: a fleet with its configuration, and its client.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const source = new URL('../../client/index.ts', import.meta.url).href

/** The name of the package leads to what is built; here it leads to the sources. */
const hook = `import { registerHooks } from 'node:module'
registerHooks({ resolve: (name, context, next) => next(name === 'flotilla' ? ${JSON.stringify(source)} : name, context) })`

function run(file: string, args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const hooks = `data:text/javascript,${encodeURIComponent(hook)}`
  return spawn(process.execPath, ['--import', hooks, join(root, file), ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** What the process says, until it says `wanted` or ends. */
async function untilSaid(stream: NodeJS.ReadableStream, wanted: RegExp): Promise<RegExpExecArray> {
  let said = ''
  for await (const chunk of stream) {
    const found = wanted.exec((said += String(chunk)))
    if (found) return found
  }
  throw new Error(`it ended and said only: ${said}`)
}

test('the configuration and the client of the README', { timeout: 240_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-readme-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const config = 'examples/readme/flotilla.config.ts'
  const fleet = run('cli/main.ts', ['start'], {
    FLOTILLA_DATA: dataDir,
    FLOTILLA_CONFIG: config,
    FLOTILLA_MODEL: 'scripted',
    PORT: '0',
  })
  t.after(async () => {
    fleet.kill('SIGKILL')
    if (fleet.exitCode === null && fleet.signalCode === null) await once(fleet, 'exit')
  })
  const [, url = ''] = await untilSaid(fleet.stderr as NodeJS.ReadableStream, /(http:\S+) +console/)
  const client = run('examples/readme/client.ts', [], { FLOTILLA_URL: url })
  let said = ''
  for await (const chunk of client.stdout as NodeJS.ReadableStream) said += String(chunk)
  // One task, whose recorded conversation calls the tool, then a batch of two; these answers say how to connect a model.
  assert.equal(said.match(/^succeeded /gm)?.length, 3, said)
  assert.match(said, /modelCalls: 2,\s+toolCalls: 1/)
})

/** Without spaces and times; what a page leaves out may be anything. */
const squeezed = (text: string): string =>
  text.replaceAll(/\d+(\.\d+)? (ms|s|min)\b/g, '#').replaceAll(/\s+/g, '')
const patternOf = (line: string): RegExp =>
  new RegExp(
    squeezed(line)
      .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('…', '.*'),
  )

test('what the README shows of the demo is what comes out', { timeout: 120_000 }, async () => {
  const page = readFileSync(join(root, 'README.md'), 'utf8')
  const [, excerpt = ''] = /```text\n(▸[\s\S]*?)```/.exec(page) ?? []
  const demo = run('cli/main.ts', ['demo'], {})
  let said = ''
  for await (const chunk of demo.stderr as NodeJS.ReadableStream) said += String(chunk)
  const shown = excerpt.split('\n').filter((line) => !['', '…'].includes(line.trim()))
  assert.ok(shown.length > 15, `only ${shown.length} lines`)
  assert.deepEqual(
    shown.filter((line) => !patternOf(line).test(squeezed(said))),
    [],
  )
})
