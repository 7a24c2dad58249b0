// The `flotilla` command.
import { fail } from './output.ts'
import { createProgram, wantedCommands } from './program.ts'

process.on('unhandledRejection', fail)
const program = await createProgram(wantedCommands(process.argv.slice(2)))
if (process.argv.length <= 2) program.outputHelp()
else await program.parseAsync().catch(fail)
