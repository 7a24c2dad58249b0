import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FIRST_TASK, init, type InitOptions } from '../init.ts'
import { paint, print } from '../output.ts'

export function defineInit(command: Command): void {
  command
    .description('write a configuration with an agent and a tool that run as they are')
    .argument('[directory]', 'where; it is created if needed', '.')
    .option('--model <name>', 'provider/model, or scripted: a recorded answer, no key (default: by key)')
    .addHelpText('after', '\nExisting files are never overwritten.')
    .action(write)
}

function write(directory: string, options: InitOptions): void {
  for (const path of init(resolve(directory), options)) print(`${paint('green', 'wrote')} ${path}`)
  const steps = [
    ...(directory === '.'
      ? []
      : [`cd ${/^[\w./-]+$/.test(directory) ? directory : JSON.stringify(directory)}`]),
    'flotilla doctor',
    `flotilla run "${FIRST_TASK}"`,
  ]
  const first =
    options.model === 'scripted'
      ? 'Its answers are recorded. To connect a model, see .env.example. Next:'
      : "Set a model's key (.env.example), then:"
  print(`\n${first}\n${steps.map((step) => `  ${step}`).join('\n')}`)
}
