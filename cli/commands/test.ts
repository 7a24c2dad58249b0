import { spawn } from 'node:child_process'
import type { Command } from 'commander'

export function defineTest(command: Command): void {
  command
    .description("run this project's tests (*.test.ts) with Node's test runner")
    .argument('[files...]', 'files or patterns (default: every *.test.ts below this directory)')
    .addHelpText('after', "\nThe Node that runs Flotilla runs them. Exit code: the runner's.")
    .action(run)
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
/** Test files import tools and configuration: they are loaded as these are. */
const hooks = new URL('../project-modules.ts', import.meta.url).href.replace(/ts$/, extension)

function run(files: readonly string[]): void {
  const child = spawn(process.execPath, ['--import', hooks, '--test', ...files], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  child.once('error', (error) => {
    console.error(`starting the tests: ${error.message}`)
    process.exit(1)
  })
  child.once('exit', (code) => process.exit(code ?? 1))
}
