#!/usr/bin/env node
// Flotilla needs Node 24.16. If the machine's Node is older, the one that npm installed with Flotilla runs it.
import { spawn } from 'node:child_process'
import module, { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
// Node strips types in a checkout, not in an installed package, which carries JavaScript.
const installed = here.includes(`${sep}node_modules${sep}`)
const main = installed ? join(here, '..', 'dist', 'cli', 'main.js') : join(here, 'main.ts')

function newerNode() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node')
  } catch {
    console.error(
      `flotilla needs Node 24.16 or newer; this is ${process.version}. Install it, or: npm install node@24`,
    )
    process.exit(1)
  }
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major > 24 || (major === 24 && minor >= 16)) {
  // Compiling takes half of the start time; the next start finds it cached.
  module.enableCompileCache?.()
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
  await import(pathToFileURL(main).href)
} else {
  const again = [fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  // The channel closes when this process is gone, however it ended, so the child never runs unattended.
  const child = spawn(newerNode(), again, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGKILL' ? 137 : 1)))
}
