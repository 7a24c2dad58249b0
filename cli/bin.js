#!/usr/bin/env node
// Flotilla needs Node 24.16. If the machine's Node is older, a newer one runs it (newer-node.js).
import { spawn } from 'node:child_process'
import module from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isNewEnough, newerNode } from './newer-node.js'

const here = dirname(fileURLToPath(import.meta.url))
// Node strips types in a checkout, not in an installed package, which carries JavaScript.
const installed = here.includes(`${sep}node_modules${sep}`)
const main = installed ? join(here, '..', 'dist', 'cli', 'main.js') : join(here, 'main.ts')

if (isNewEnough(process.version)) {
  // Compiling takes half of the start time; the next start finds it cached.
  module.enableCompileCache?.()
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
  await import(pathToFileURL(main).href)
} else {
  const again = [fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  // The channel closes when this process is gone, however it ended, so the child never runs unattended.
  const child = spawn(await newerNode(), again, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGKILL' ? 137 : 1)))
}
