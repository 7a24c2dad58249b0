// The `flotilla` command.
import { CommanderError } from 'commander'
import { exitCodes } from './program/exit-codes.ts'
import { noticingOmissions } from './output/omission-notice.ts'
import { fail, failInJson, keepStdoutForResults, printFailure } from './output/output.ts'
import { asksForJson, createProgram, wantedCommands } from './program/program.ts'

process.on('unhandledRejection', fail)
const args = process.argv.slice(2)
const wanted = wantedCommands(args)
if (asksForJson(args)) failInJson()
// What a fleet's own code prints is its log there.
if (!wanted.includes('start')) keepStdoutForResults()
const program = await createProgram(wanted)
if (process.argv.length <= 2) program.outputHelp()
else await noticingOmissions(() => program.parseAsync()).catch(end)

/** Commander has printed what it ends with: help, the version, or the mistake in the arguments. */
function end(error: unknown): void {
  if (!(error instanceof CommanderError)) return fail(error)
  if (error.exitCode === 0) process.exit(exitCodes.success.code)
  printFailure('REQUEST_INVALID', error.message.replace(/^error: /, ''))
  process.exit(exitCodes.usage.code)
}
