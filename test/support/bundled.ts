// The command as a user has it: the bundle, made of the present sources.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** Makes the bundle of this clone, and returns the path of the command that runs it. */
export function bundledCommand(): string {
  execFileSync(process.execPath, [join(root, 'deploy/bundle.ts')], {
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return join(root, 'cli/bin.js')
}
