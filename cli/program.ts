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
  for (const { name, summary, group, load } of commands) {
    const command = program.command(name).summary(summary).description(summary)
    command.helpGroup(`${group}:`).helpCommand(false).showHelpAfterError(`(see flotilla ${name} --help)`)
    if (wanted === 'all' || wanted.includes(name)) (await load())(command)
  }
  return program
}

/** The command that the arguments mean, also as in `flotilla help run`; an unknown one loads none. */
export function wantedCommands(args: readonly string[]): string[] {
  const [first = '', second = ''] = args.filter((arg) => !arg.startsWith('-'))
  return [first === 'help' ? second : first]
}
