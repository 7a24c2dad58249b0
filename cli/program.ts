// The commander program: every command by name and summary, and in full only those that are asked for.
import { Command } from 'commander'
import { commands } from './command-table.ts'
import { VERSION } from './version.ts'
import { visibleOptions } from './default-subcommand.ts'

const WIDTH = 80

const MORE_HELP = `
Where it runs
  KAFKA_BROKERS unset  one process, one file under FLOTILLA_DATA (.flotilla/)
  KAFKA_BROKERS set    services on Kafka, with REDIS_URL, DATABASE_URL and
                       SCHEMA_REGISTRY_URL

First steps
  flotilla run "How many orders are open?"    one task, with its steps
  flotilla start                              the fleet, its API on PORT (8000)
  flotilla submit "…"                         prints an ID
  flotilla result --wait ID
  flotilla doctor                             what works here, and what does not

Models: set OPENAI_API_KEY (or GROQ_API_KEY, …), or OPENAI_BASE_URL for a
server of your own. Exit codes and every option: docs/cli.md`

/** `wanted`: names of the commands to load in full, or `all`. */
export async function createProgram(
  wanted: readonly string[] | 'all',
  width = Math.min(WIDTH, process.stdout.columns ?? WIDTH),
): Promise<Command> {
  const program = new Command('flotilla')
    .description('Run LLM agents as an event-driven fleet: on this machine alone, or on Kafka.')
    .version(VERSION, '-V, --version', 'show the version')
    .usage('<command> [options]')
    .commandsGroup('Development:')
    .helpCommand('help [command]', 'show the help of a command')
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError('(see flotilla --help)')
    .exitOverride()
    .addHelpText('after', MORE_HELP)
    .configureHelp({ helpWidth: width, visibleOptions })
    .configureOutput({ outputError: (text, write) => write(asUnknownCommand(text, program)) })
  for (const { name, summary, group, load } of commands) {
    const command = program.command(name).summary(summary).description(summary)
    command.helpGroup(`${group}:`).helpCommand(false).showHelpAfterError(`(see flotilla ${name} --help)`)
    if (wanted === 'all' || wanted.includes(name)) (await load())(command)
    for (const each of command.commands)
      each.showHelpAfterError(`(see flotilla ${name} ${each.name()} --help)`)
  }
  return program
}

/**
 * A word that is no subcommand is an argument of the default one to commander, which then complains about a command
 * that nobody named.
 */
function asUnknownCommand(text: string, program: Command): string {
  const [, word] = /^error: too many arguments for .* but got \d+: ([^,\n]+?)(?:,.*)?\.$/m.exec(text) ?? []
  const [name, second] = program.args
  const command = program.commands.find((each) => each.name() === name)
  if (word === undefined || word !== second || !command || command.commands.length === 0) return text
  const known = command.commands.map((each) => each.name()).join(', ')
  return `error: unknown command '${word}': flotilla ${command.name()} has ${known}\n`
}

/** The command that the arguments mean, also as in `flotilla help run`; an unknown one loads none. */
export function wantedCommands(args: readonly string[]): string[] {
  const [first = '', second = ''] = args.filter((arg) => !arg.startsWith('-'))
  return [first === 'help' ? second : first]
}
