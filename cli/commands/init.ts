import { resolve } from 'node:path'
import type { Command } from 'commander'
import { init } from '../init.ts'
import { paint, print } from '../output.ts'

export function defineInit(command: Command): void {
  command
    .description('write a configuration with an agent and a tool that run as they are')
    .argument('[directory]', 'where; it is created if needed', '.')
    .addHelpText('after', '\nExisting files are never overwritten.')
    .action(write)
}

function write(directory: string): void {
  for (const path of init(resolve(directory))) print(`${paint('green', 'wrote')} ${path}`)
  const steps = [
    ...(directory === '.' ? [] : [`cd ${directory}`]),
    'flotilla doctor',
    'flotilla run "What does it cost to send 3 kg to Norway?"',
  ]
  print(`\nSet a model's key (.env.example), then:\n${steps.map((step) => `  ${step}`).join('\n')}`)
}
