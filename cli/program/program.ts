// The commander program: every command by name and summary, and in full only those that are asked for.
import { Command, Help } from 'commander'
import { FlotillaError } from '../../runtime/errors.ts'
import { commands } from './command-table.ts'
import { defaultOf, visibleOptions } from './default-subcommand.ts'
import { visible, writeResult } from '../output/output.ts'
import { VERSION } from '../version.ts'

const WIDTH = 80
/** Columns that a description needs beside its option; with fewer it stands below. */
const LEAST_WIDTH = 24
const BELOW_INDENT = 6
/** A mistake quotes the argument, which may be a whole file: this much of its beginning and of its end is shown. */
const MAX_SHOWN_CHARS = 400

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
    .helpCommand(false)
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError('(see flotilla --help)')
    .exitOverride()
    .addHelpText('after', MORE_HELP)
    .configureHelp({ helpWidth: width, minWidthToWrap: LEAST_WIDTH, visibleOptions, formatItem })
    .configureOutput({
      writeOut: writeResult,
      outputError: (text, write) => write(printable(asUnknownCommand(text, program))),
    })
    .on('beforeHelp', () => assertCommand(program))
    .hook('preAction', assertDirectory)
  for (const { name, summary, group, load } of commands) {
    const command = program.command(name).summary(summary).description(summary)
    command.helpGroup(`${group}:`).helpCommand(false).showHelpAfterError(`(see flotilla ${name} --help)`)
    if (wanted === 'all' || wanted.includes(name)) (await load())(command)
    for (const each of command.commands) {
      const meant = each === defaultOf(command) ? name : `${name} ${each.name()}`
      each.showHelpAfterError(`(see flotilla ${meant} --help)`)
    }
  }
  program
    .command('help')
    .description('show the help of a command')
    .argument('[command...]')
    .action((names: readonly string[]) => showHelp(program, names))
  return program
}

/** An option or a command with its description, beside it or, on a narrow terminal, below. */
function formatItem(term: string, termWidth: number, description: string, help: Help): string {
  const width = help.helpWidth ?? WIDTH
  if (description === '' || width - termWidth >= LEAST_WIDTH + 4)
    return Help.prototype.formatItem.call(help, term, termWidth, description, help)
  const indent = ' '.repeat(BELOW_INDENT)
  const below = help.boxWrap(description, Math.max(LEAST_WIDTH, width - BELOW_INDENT))
  return `  ${term}\n${indent}${below.replaceAll('\n', `\n${indent}`)}`
}

/** Writes the help of the command of these names, such as `dead-letters replay`. Ends with the mistake if there is none. */
function showHelp(program: Command, names: readonly string[]): void {
  let command = program
  for (const name of names) {
    const next = command.commands.find((each) => each.name() === name)
    if (next === undefined && command === program) return refuseCommand(program, name)
    if (next === undefined) command.error(unknownCommand(command, name))
    else command = next
  }
  command.help()
}

/** Every command resolves paths. */
function assertDirectory(): void {
  try {
    process.cwd()
  } catch (cause) {
    const message = 'the working directory was removed: change to one that exists, and run the command again'
    throw new FlotillaError('NOT_FOUND', message, { cause })
  }
}

/** For `flotilla nonsense --help`, which commander answers with the help of everything. */
function assertCommand(program: Command): void {
  const name = program.args.find((arg) => !arg.startsWith('-'))
  if (name !== undefined && !program.commands.some((each) => each.name() === name))
    refuseCommand(program, name)
}

/** Commander's own words for a command that there is not, with the name that is meant. */
function refuseCommand(program: Command, name: string): void {
  program.parse(['--', name], { from: 'user' })
}

/** Safe to show on a terminal, and bounded: first and last part of a text that is longer. */
function printable(text: string): string {
  if (text.length <= 2 * MAX_SHOWN_CHARS) return visible(text)
  const cut = `… (${text.length} characters) …`
  return visible(`${text.slice(0, MAX_SHOWN_CHARS)}${cut}${text.slice(-MAX_SHOWN_CHARS)}`)
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
  return `${unknownCommand(command, word)}\n`
}

function unknownCommand(command: Command, word: string): string {
  const known = command.commands.map((each) => each.name()).join(', ')
  const has = known === '' ? 'has no commands of its own' : `has ${known}`
  return `error: unknown command '${word}': flotilla ${command.name()} ${has}`
}

/** Whether `--json` is among the options, which end with `--`. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

/** The command that the arguments mean, also as in `flotilla help run`; an unknown one loads none. */
export function wantedCommands(args: readonly string[]): string[] {
  const [first = '', second = ''] = args.filter((arg) => !arg.startsWith('-'))
  return [first === 'help' ? second : first]
}
