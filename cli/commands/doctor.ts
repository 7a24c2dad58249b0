import type { Command } from 'commander'

export function defineDoctor(command: Command): void {
  command
    .description('check the configuration, model API, log, registry, stores and sandbox, each with a reason')
    .option('--json', 'JSON on stdout')
    .addHelpText('after', '\nExit code: 0 if nothing failed, else 1.')
    .action(async (options: { json?: boolean }) => (await import('../actions/doctor.ts')).doctor(options))
}
