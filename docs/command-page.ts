// docs/cli.md: every command as its help shows it, and the exit codes, from the command's own tables.
import type { Command } from 'commander'
import { commands } from '../cli/program/command-table.ts'
import { exitCodes } from '../cli/program/exit-codes.ts'
import { createProgram } from '../cli/program/program.ts'

const WIDTH = 80

export async function commandPage(): Promise<string> {
  const program = await createProgram('all', WIDTH)
  const codes = Object.values(exitCodes).map(({ code, meaning }) => `| ${code} | ${meaning} |`)
  const groups = [...new Set(commands.map(({ group }) => group))].map((group) => {
    const names = commands.filter((row) => row.group === group).map(({ name }) => name)
    const sections = program.commands.filter((command) => names.includes(command.name())).flatMap(sectionsOf)
    return `## ${group}\n\n${sections.join('\n\n')}`
  })
  return `# The command

Generated from \`cli/program/command-table.ts\` and the commands by \`npm run generate\`. Do not edit.

Results are on stdout, everything else on stderr. \`--json\` prints JSON on stdout and nothing else there; a command that
could not do its work prints \`{"error": {"code", "message", "remedy"}}\` if it has printed nothing. A table fits
the terminal: text that is too long is cut, columns of less weight are left out. In a pipe every value is whole, and
columns are separated by two spaces or more. Colours: only on a terminal, \`NO_COLOR\` and \`FORCE_COLOR\` decide.
Completion: \`source <(flotilla completion bash)\`. Reasons for all of this: [decision 19](adr/0019-the-command.md).

## Exit codes

0 to 5 say how a task or a check ended; from 64 on, as in \`sysexits.h\`, why the command could not do its work.

| code | meaning |
|---|---|
${codes.join('\n')}

${groups.join('\n\n')}
`
}

/** A command and its subcommands. */
function sectionsOf(command: Command): string[] {
  const parent = command.parent?.name() === 'flotilla' ? '' : `${command.parent?.name()} `
  const section = `### flotilla ${parent}${command.name()}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``
  return [section, ...command.commands.flatMap(sectionsOf)]
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return text.trimEnd()
}
