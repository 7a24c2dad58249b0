// The `flotilla` command.
import { CommanderError } from 'commander'
import { exitCodes } from './program/exit-codes.ts'
import { noticingOmissions } from './output/omission-notice.ts'
import { fail } from './output/output.ts'
import { createProgram, wantedCommands } from './program/program.ts'

process.on('unhandledRejection', fail)
const program = await createProgram(wantedCommands(process.argv.slice(2)))
if (process.argv.length <= 2) program.outputHelp()
else await noticingOmissions(() => program.parseAsync()).catch(end)

/** Commander has printed what it ends with: help, the version, or the mistake in the arguments. */
function end(error: unknown): void {
  if (!(error instanceof CommanderError)) return fail(error)
  process.exit(error.exitCode === 0 ? exitCodes.success.code : exitCodes.usage.code)
}
