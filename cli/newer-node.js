// Node for a machine whose own is too old: the one beside Flotilla in node_modules, or one that npm fetches, once,
// into the user's cache. Runs on Node 18 and later.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline/promises'

const VERSION = '24.21.0'
const NEEDED = `flotilla needs Node 24.16 or newer; this is ${process.version}`

/** The path of a newer Node's binary. Ends the process, with the remedy, if there is none to be had. */
export async function newerNode() {
  return installed() ?? cached() ?? (await fetched())
}

/** The binary of the npm package `node`, in this package's tree or the project's. */
function installed() {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')])
    try {
      const binary = join(dirname(createRequire(from).resolve('node/package.json')), 'bin', 'node')
      const { status, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
      if (status === 0 && isNewEnough(stdout)) return binary
    } catch {
      // Not there.
    }
  return null
}

/** Whether `v24.16.0` and the like is a version that Flotilla runs on. */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major > 24 || (major === 24 && minor >= 16)
}

// The package that holds the binary itself, by the names that the package `node` uses.
const name = `node-${process.platform === 'darwin' && process.arch === 'arm64' ? 'bin-' : ''}${process.platform}-${process.arch}`
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'flotilla')
const target = join(cache, `node-${VERSION}`)
const binaryBelow = (directory) => join(directory, 'node_modules', name, 'bin', 'node')

const cached = () => (existsSync(binaryBelow(target)) ? binaryBelow(target) : null)

async function fetched() {
  if (process.platform === 'win32') end('')
  if (process.stdin.isTTY && process.stderr.isTTY) await ask()
  console.error(`${NEEDED}: fetching Node ${VERSION} with npm, once, into ${target}`)
  let draft
  try {
    mkdirSync(cache, { recursive: true })
    draft = mkdtempSync(`${target}.draft-`)
    install(draft)
    // Complete or not there at all; another process may have been faster.
    if (!existsSync(target)) renameSync(draft, target)
  } catch (error) {
    if (!cached()) end(`Fetching Node ${VERSION} failed: ${error.message}\n`)
  } finally {
    if (draft) rmSync(draft, { recursive: true, force: true })
  }
  return cached() ?? end(`Fetching Node ${VERSION} brought no ${binaryBelow(target)}\n`)
}

async function ask() {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question(`${NEEDED}. Fetch Node ${VERSION} with npm into ${cache}? [Y/n] `)
  terminal.close()
  if (!/^\s*(y|yes|)\s*$/i.test(answer)) end('')
}

/** Everything that npm prints goes to stderr: stdout is the command's. */
function install(directory) {
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const args = ['install', '--prefix', directory, ...flags, `${name}@${VERSION}`]
  const npm = process.env.npm_execpath?.endsWith('.js') ? process.env.npm_execpath : null
  const [command, all] = npm ? [process.execPath, [npm, ...args]] : ['npm', args]
  const { error, status } = spawnSync(command, all, { cwd: directory, stdio: ['ignore', 2, 2] })
  if (error) throw error
  if (status !== 0) throw new Error(`npm ended with ${status}`)
}

function end(reason) {
  console.error(
    `${reason}${NEEDED}. Install it (https://nodejs.org), or in your project: npm install node@24; then run the command again.`,
  )
  process.exit(1)
}
