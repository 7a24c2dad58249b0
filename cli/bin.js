#!/usr/bin/env node
// Flotilla needs Node 24.16. If the machine's Node is older, a newer one runs it (newer-node.js).
//
// What runs is the bundle (deploy/bundle.ts), which starts in half of the processor time: the package's, or the one
// that `npm install` has made in a clone, while the files that it was made of are unchanged. Else, and with
// FLOTILLA_BUNDLE=0, the modules run one by one. Built-in modules are asked for, because importing four of them
// takes 12 ms.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (process.env.npm_command && !isDetached()) endWithParent()
if (major > 24 || (major === 24 && minor >= 16)) await runHere()
else await runWithNewerNode()

async function runHere() {
  const [module, fs] = ['module', 'fs'].map((name) => process.getBuiltinModule(name))
  const [first, ...others] = process.argv.slice(2)
  // Scripts ask for it again and again.
  if (others.length === 0 && (first === '--version' || first === '-V')) return printVersion(fs)
  if (first === 'start') boundMemory(fs)
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
  cacheCompiled(module, fs)
  const main = mainModule(fs)
  if (main.endsWith('command/main.js')) resolveChunks(module, main)
  await import(main)
}

/**
 * npm (npx, npm start) runs the command in a shell, and a signal to npm ends npm and the shell alone: the fleet would go
 * on with nobody to end it, holding its data directory and its port against the one that a supervisor starts next.
 */
function endWithParent() {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    console.error('flotilla ends, because the shell in which npm started it has ended')
    process.kill(process.pid, 'SIGTERM')
  }, 1_000)
  watch.unref()
}

/** Whether it is meant to outlive the shell: the script puts it into the background, or into a session of its own. */
function isDetached() {
  const script = (process.env.npm_lifecycle_script ?? '')
    .replace(/'[^']*'|"(?:[^"\\]|\\.)*"|\\./g, 'quoted')
    .replace(/[<>]&[0-9-]*|&>+/g, ' ')
    .replace(/&&|\|[|&]?|\n/g, ';')
  return /\bflotilla\b[^;&]*&/.test(script) || isSessionLeader()
}

/** `setsid flotilla start`. On Linux, whose fields of a process stand behind its name, in parentheses. */
function isSessionLeader() {
  try {
    const stat = process.getBuiltinModule('fs').readFileSync('/proc/self/stat', 'utf8')
    const [, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(session) === process.pid
  } catch {
    return false
  }
}

/**
 * The files of the bundle name each other a thousand times: looking each name up in the file system, as Node does for
 * every import, takes a sixth of a start.
 */
function resolveChunks(module, main) {
  const place = main.slice(0, -'main.js'.length)
  module.registerHooks({
    resolve: (specifier, context, next) =>
      specifier.startsWith('./') && context.parentURL?.startsWith(place)
        ? { url: place + specifier.slice(2), format: 'module', shortCircuit: true }
        : next(specifier, context),
  })
}

/**
 * Runs this process again, in its place, with the settings of memory.json that nobody has given: a fleet keeps half of
 * the memory then, for the 40 ms of processor time that Node takes to start. Neither can be set once a process runs.
 * Left alone, V8 lets the young generation grow to 134 MB and the old one to four times what is alive, and the
 * C library gives each of V8's threads a heap of its own, from which little returns.
 */
function boundMemory(fs) {
  const { flags, environment } = memory(fs)
  const given = givenFlags()
  const missing = flags.filter((flag) => !given.has(nameOf(flag)))
  // A debugger would lose its session. A child keeps its channel; newer-node.js has given it the flags.
  const isDebugged = [...given].some((name) => name.startsWith('--inspect'))
  if (missing.length === 0 || isDebugged || process.channel || process.platform === 'win32') return
  const command = [process.execPath, ...process.execArgv, ...missing, ...process.argv.slice(1)]
  if (!isRunnable(fs, process.execPath)) return
  try {
    process.execve(process.execPath, command, { ...environment, ...process.env })
  } catch {
    // Not here, or not allowed (node --permission): the fleet runs with Node's own settings.
  }
}

function memory(fs) {
  return JSON.parse(fs.readFileSync(`${import.meta.dirname}/memory.json`, 'utf8'))
}

/** Names of the flags that the command line and NODE_OPTIONS set. */
function givenFlags() {
  const given = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)]
  return new Set(given.map(nameOf))
}

/** V8 takes a flag with underscores too. */
function nameOf(flag) {
  return flag.replace(/=.*/s, '').replaceAll('_', '-')
}

/**
 * Node aborts if the system does not find the file. Without /proc its path is a bare name, and an upgrade may have
 * removed it since this process began.
 */
function isRunnable(fs, path) {
  try {
    fs.accessSync(path, fs.constants.X_OK)
    return path.startsWith('/')
  } catch {
    return false
  }
}

function printVersion(fs) {
  const { version } = JSON.parse(fs.readFileSync(`${import.meta.dirname}/../package.json`, 'utf8'))
  try {
    fs.writeSync(1, `${version}\n`)
  } catch (error) {
    // Its reader has closed the pipe.
    if (error.code === 'EPIPE') return
    // A full pipe that does not block: Node waits for it.
    if (error.code === 'EAGAIN') return console.log(version)
    console.error(`failed to write the output: ${error.message}`)
    process.exitCode = 69
  }
}

async function runWithNewerNode() {
  const { spawn } = await import('node:child_process')
  const { fileURLToPath } = await import('node:url')
  const { newerNode } = await import('./newer-node.js')
  const isFleet = process.argv[2] === 'start'
  const { flags, environment } = isFleet ? memory(await import('node:fs')) : { flags: [], environment: {} }
  const again = [...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  // The channel closes when this process is gone, however it ended, so the child never runs unattended.
  const child = spawn(await newerNode(), again, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...environment, ...process.env },
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGKILL' ? 137 : 1)))
}

/**
 * Compiling takes half of the start time; the next start finds it cached, also after a restart of the machine.
 * NODE_COMPILE_CACHE names another directory.
 */
function cacheCompiled(module, fs) {
  const { HOME, XDG_CACHE_HOME, NODE_COMPILE_CACHE } = process.env
  if (NODE_COMPILE_CACHE) return
  const home = XDG_CACHE_HOME || (HOME && `${HOME}/.cache`)
  const { FAILED } = module.constants.compileCacheStatus
  const isKept = (place) => makeDirectories(fs, place) && module.enableCompileCache(place).status !== FAILED
  if (home && isKept(`${home}/flotilla/compiled`)) return
  // A home that can't be written: the directory for temporary files.
  isKept(`${process.getBuiltinModule('os').tmpdir()}/node-compile-cache`)
}

/** Whether the directory is there now. Left to Node, making one in /proc never ends (runtime/make-directory.ts). */
function makeDirectories(fs, place) {
  if (fs.existsSync(place)) return true
  try {
    makeDirectories(fs, process.getBuiltinModule('path').dirname(place))
    fs.mkdirSync(place)
    return true
  } catch {
    return fs.existsSync(place)
  }
}

/** URL of the module that is the command. */
function mainModule(fs) {
  // Node strips types in a checkout, not in an installed package, which carries JavaScript.
  const isInstalled = /[\\/]node_modules[\\/]/.test(import.meta.dirname)
  const isWanted = process.env.FLOTILLA_BUNDLE !== '0'
  const urlOf = (path) => new URL(`../${path}`, import.meta.url)
  if (isInstalled) return urlOf(isWanted ? 'dist/command/main.js' : 'dist/cli/main.js').href
  // Help is quicker without the comparison.
  const isHelp = (process.argv[2] ?? '-').startsWith('-')
  const bundled = isWanted && !isHelp && isFresh(fs)
  return urlOf(bundled ? '.cache/command/main.js' : 'cli/main.ts').href
}

/** Whether each file that the bundle was made of has its size and its time of change. */
function isFresh(fs) {
  const root = `${import.meta.dirname}/../`
  try {
    const { inputs } = JSON.parse(fs.readFileSync(`${root}.cache/command/manifest.json`, 'utf8'))
    return inputs.every(([path, size, mtimeMs]) => {
      const found = fs.statSync(root + path)
      return found.size === size && found.mtimeMs === mtimeMs
    })
  } catch {
    // There is no bundle, a file of it is gone, or the manifest is none.
    return false
  }
}
