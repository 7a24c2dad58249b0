import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FIRST_TASK, init, type Initialized, type InitOptions } from '../actions/init.ts'
import { paint, print } from '../output/output.ts'
import { quoted } from '../output/quoted.ts'

export function defineInit(command: Command): void {
  command
    .description('write a project to begin with: an agent, a tool with its test, an evaluation')
    .argument('[directory]', 'where; it is created if needed', '.')
    .option('--model <name>', 'provider/model, or scripted: a recorded answer, no key (default: by key)')
    .addHelpText('after', '\nExisting files are never overwritten.')
    .action(write)
}

function write(directory: string, options: InitOptions): void {
  const { written, kept, unignored, ...project } = init(directory === '' ? '' : resolve(directory), options)
  for (const path of written) print(`${paint('green', 'wrote')} ${path}`)
  for (const name of kept) print(`${paint('dim', 'kept')}  ${name}, as it is`)
  if (unignored.length > 0)
    print(`${paint('yellow', 'add')}   ${unignored.join(', ')} to .gitignore: git would take keys and data`)
  const steps = [
    ...(directory === '.' ? [] : [`cd ${inShell(directory)}`]),
    ...installing(project),
    'npx flotilla test',
    `npx flotilla run --model scripted "${FIRST_TASK}"`,
    'npx flotilla doctor',
    `npx flotilla run "${FIRST_TASK}"`,
  ]
  const first = 'The scripted model has a recorded answer. To connect another, see .env.example. Next:'
  print(`\n${first}\n${steps.map((step) => `  ${step}`).join('\n')}`)
}

/** As a shell takes it. */
function inShell(path: string): string {
  const plain = path.startsWith('-') ? `./${path}` : path
  return /^[\w./-]+$/.test(plain) ? plain : quoted(plain)
}

/** Without Flotilla in reach npx would ask the registry for it. */
function installing({
  isDependency,
  isInstalled,
  source,
}: Omit<Initialized, 'written' | 'kept' | 'unignored'>): string[] {
  if (!isDependency) return [`npm install ${source}     # package.json does not name it`]
  return isInstalled ? [] : ['npm install']
}
