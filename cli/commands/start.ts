import type { Command } from 'commander'
import { serviceNames } from '../../services/index.ts'

export function defineStart(command: Command): void {
  command
    .description('run services until stopped: all of them, or those named')
    .argument('[service...]', serviceNames.join(', '))
    .addHelpText(
      'after',
      '\nSIGTERM and Ctrl-C drain: running work is finished and committed, then the\nprocess ends. A second Ctrl-C ends at once.',
    )
    .action(async (names: string[]) => (await import('../actions/start.ts')).start(names))
}
