// Runs the conformance suite of MCP, and says per scenario what came out.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cached } from '../../infra/cache.ts'
import { installedProgram, runTool } from '../../infra/tool.ts'
import { expected, type Revision, type Role } from './expected.ts'

export const SUITE = '@modelcontextprotocol/conformance@0.2.0-alpha.12'
export const INSPECTOR = '@modelcontextprotocol/inspector@2.12.0'

/** The program of a package of npm, kept in the cache of the tests. */
export async function npmProgram(name: string, path: string): Promise<string> {
  await installedProgram('npm', 'npm')
  const installed = await cached('npm', [name], async (draft) => {
    const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel', 'error']
    await runTool('npm', ['install', ...quiet, '--prefix', draft, name])
  })
  return join(installed, 'node_modules', path)
}

/** What is tested: a server by its address, or a client by the command that starts it. */
export type Subject = { readonly url: string } | { readonly command: string }

export interface Scenario {
  readonly name: string
  /** Ids of the checks that failed, or of whose result the suite warns. */
  readonly failed: readonly string[]
  /** The suite tested nothing. */
  readonly isSkipped: boolean
}

export interface Outcome {
  readonly role: Role
  readonly revision: Revision
  /** The suite's own verdict: it differs from what is expected nowhere. */
  readonly isAsExpected: boolean
  readonly scenarios: readonly Scenario[]
  /** What the suite wrote. */
  readonly output: string
}

export async function runSuite(subject: Subject, revision: Revision): Promise<Outcome> {
  const role = 'url' in subject ? 'server' : 'client'
  const program = await npmProgram(SUITE, '@modelcontextprotocol/conformance/dist/index.js')
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-mcp-conformance-'))
  try {
    const baseline = join(folder, 'expected.yml')
    const entries = Object.keys(expected[role][revision] ?? {})
    writeFileSync(baseline, `${role}:\n${entries.map((entry) => `  - ${entry}\n`).join('') || '  []\n'}`)
    const results = join(folder, 'results')
    const what = 'url' in subject ? ['--url', subject.url] : ['--command', subject.command]
    const args = [program, role, ...what, '--requirements', revision, '--expected-failures', baseline]
    const { code, output } = await run([...args, '-o', results], folder)
    return { role, revision, isAsExpected: code === 0, scenarios: scenariosIn(results), output }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Whether a client passes one scenario, and what the suite wrote. `revision`: of the server that it meets. */
export async function runScenario(
  command: string,
  scenario: string,
  revision: Revision | null,
): Promise<{ readonly isPassed: boolean; readonly output: string }> {
  const program = await npmProgram(SUITE, '@modelcontextprotocol/conformance/dist/index.js')
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-mcp-conformance-'))
  try {
    const version = revision === null ? [] : ['--spec-version', revision]
    const args = [program, 'client', '--command', command, '--scenario', scenario, ...version]
    const { code, output } = await run([...args, '-o', folder], folder)
    return { isPassed: code === 0, output }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(args: readonly string[], cwd: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (output += text.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

interface Check {
  readonly id: string
  readonly status: string
}

function scenariosIn(folder: string): Scenario[] {
  return readdirSync(folder)
    .map((name) => {
      const checks = JSON.parse(readFileSync(join(folder, name, 'checks.json'), 'utf8')) as Check[]
      const failed = checks
        .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
        .map(({ id }) => id)
      const isSkipped = checks.every(({ status }) => status === 'SKIPPED' || status === 'INFO')
      return { name: scenarioOf(name), failed: [...new Set(failed)], isSkipped }
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** A folder is `server-<scenario>-<time>`. */
const scenarioOf = (folder: string): string =>
  folder.replace(/^server-(?=.*-\d{4}-\d\d-\d\dT)/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '')
