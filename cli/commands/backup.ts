import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { copyDataFile } from '../../runtime/store/data-file/backup.ts'
import { print, printJson } from '../output/output.ts'
import { quoted } from '../output/quoted.ts'

export function defineBackup(command: Command): void {
  command
    .description(
      'copy the data of this machine (FLOTILLA_DATA) as it is at this moment, whether the fleet runs or not; ' +
        'docs/disaster-recovery.md says how to go back to it',
    )
    .argument('<directory>', 'new directory for the copy')
    .option('--json', 'JSON on stdout')
    .action(backUp)
}

async function backUp(directory: string, options: { json?: boolean }): Promise<void> {
  // As of a variable that is not set: it would mean the current directory.
  if (directory === '') throw new FlotillaError('REQUEST_INVALID', 'the directory has no name')
  const { kafkaBrokers, dataDir } = readEnvironment(process.env)
  if (kafkaBrokers.length > 0)
    throw new FlotillaError(
      'CONFIG_INVALID',
      'KAFKA_BROKERS is set: that fleet’s data is in Kafka and PostgreSQL; docs/disaster-recovery.md says how to back them up',
    )
  const { path, bytes } = await copyDataFile(dataDir, resolve(directory))
  if (options.json) return printJson({ path, bytes })
  print(
    `${path}: ${Math.ceil(bytes / 2 ** 20)} MB. To go back to it: FLOTILLA_DATA=${word(dirname(path))} flotilla start`,
  )
}

/** As one word of a shell. */
const word = (text: string): string => (/^[\w./-]+$/.test(text) ? text : quoted(text))
