import type { Command } from 'commander'

export function defineDemo(command: Command): void {
  command
    .description('run four bundled tasks on bundled data, with recorded model answers; needs no setup')
    .action(async () => (await import('../actions/demo.ts')).demo())
}
