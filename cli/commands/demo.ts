import type { Command } from 'commander'

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run three bundled tasks on bundled data, with recorded model answers; needs no setup')
    .action(async () => (await import('../demo.ts')).demo())
}
