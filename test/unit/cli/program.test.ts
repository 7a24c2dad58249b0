import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { commands } from '../../../cli/program/command-table.ts'
import { visibleOptions } from '../../../cli/program/default-subcommand.ts'
import { asksForJson, createProgram, wantedCommands } from '../../../cli/program/program.ts'

const program = await createProgram('all')

function* allOf(command: Command): Generator<Command> {
  yield command
  for (const each of command.commands) yield* allOf(each)
}

const helpOf = (command: Command): string => {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return text
}

test('a command in the table is defined in full when it is loaded', () => {
  for (const { name, summary } of commands) {
    const command = program.commands.find((each) => each.name() === name)
    assert.ok(command && visibleOptions(command).length + command.commands.length > 0, name)
    assert.ok(summary.length <= 60, `${name}: ${summary.length} characters`)
  }
  assert.equal(new Set(commands.map(({ name }) => name)).size, commands.length)
})

for (const command of allOf(program))
  test(`the help of ${command.name()} is at most 80 columns wide and shows every option`, () => {
    const help = helpOf(command)
    for (const line of help.split('\n')) assert.ok([...line].length <= 80, line)
    const options = [command, ...command.commands.slice(0, 1)].flatMap((each) => each.options)
    for (const option of visibleOptions(command)) assert.ok(help.includes(option.flags), option.flags)
    assert.ok(command.name() === 'flotilla' || options.length > 0 || command.commands.length === 0)
  })

const narrow = await createProgram('all', 40)
for (const command of allOf(narrow))
  test(`the help of ${command.name()} fits 40 columns, but for names that are longer`, () => {
    const [, ...lines] = command.helpInformation().split('\n')
    for (const line of lines) assert.ok([...line].length <= 40 || !/\S {2,}\S/.test(line), line)
    for (const { description } of visibleOptions(command))
      assert.ok(lines.join(' ').replaceAll(/\s+/g, ' ').includes(description), description)
  })

test('--json counts where options stand', () => {
  assert.ok(asksForJson(['run', '--json', 'x']))
  assert.ok(!asksForJson(['run', '--', '--json']))
})

test('help shows the options of the subcommand that is meant if none is named', () => {
  const usage = program.commands.find((each) => each.name() === 'usage')
  assert.ok(usage)
  assert.match(helpOf(usage), /Options:\n {2}--by <what>[^]*--from[^]*--json/)
})

test('every option says what it is, a list of arguments all of them, and a default is written one way', async () => {
  const wrong: string[] = []
  const look = (command: Command, path: string): void => {
    for (const { flags, description } of command.options) {
      if (description === '') wrong.push(`${path} ${flags} says nothing`)
      if (
        /\bdefault\b(?!$)/.test(description.replaceAll(/\(default: [^()]+\)/g, '')) ||
        /\(\d+\)$/.test(description)
      )
        wrong.push(`${path} ${flags}: ${description}`)
    }
    const given = command.registeredArguments.filter(({ description }) => description !== '')
    if (given.length > 0 && given.length < command.registeredArguments.length)
      wrong.push(`${path}: only ${given.map((argument) => argument.name()).join()} is described`)
    for (const each of command.commands) look(each, `${path} ${each.name()}`)
  }
  look(await createProgram('all'), 'flotilla')
  assert.deepEqual(wrong, [])
})

test('the help of the command lists every command in its group', async () => {
  const help = helpOf(await createProgram([]))
  for (const { name, group, summary } of commands)
    assert.match(help, new RegExp(`\\n${group}:\\n(  .*\\n)*  ${name} +${summary.replace(/[.*()]/g, '.')}`))
})

const meant: [string, string][] = [
  ['run --agent x hello', 'run'],
  ['help usage', 'usage'],
  ['--help', ''],
  ['', ''],
  ['-V', ''],
]
for (const [line, name] of meant)
  test(`flotilla ${line} needs ${name || 'no command'}`, () => {
    assert.deepEqual(wantedCommands(line.split(' ').filter(Boolean)), [name])
  })

/** What the program writes of these arguments, and the code of commander's error that it ends with. */
async function ending(...args: string[]): Promise<{ out: string; err: string; code: string }> {
  const fresh = await createProgram(wantedCommands(args))
  let out = ''
  let err = ''
  const outputs = { writeOut: (text: string) => (out += text), writeErr: (text: string) => (err += text) }
  for (const each of allOf(fresh)) each.exitOverride().configureOutput(outputs)
  const failed = await fresh.parseAsync(args, { from: 'user' }).then(
    () => ({ code: '' }),
    (error: unknown) => error as { code: string },
  )
  return { out, err, code: failed.code }
}

for (const args of [
  ['help', 'runn'],
  ['runn', '--help'],
  ['--help', 'runn'],
])
  test(`flotilla ${args.join(' ')}: there is no such command, and which one is meant`, async () => {
    const { out, err, code } = await ending(...args)
    assert.deepEqual([out, code], ['', 'commander.unknownCommand'])
    assert.equal(err, "error: unknown command 'runn'\n(Did you mean run?)\n(see flotilla --help)\n")
  })

test('flotilla help shows the help of a command, and of a subcommand; it names those that there are', async () => {
  assert.match((await ending('help')).out, /^Usage: flotilla <command>/)
  assert.match((await ending('help', 'run')).out, /^Usage: flotilla run \[options\] <task>/)
  assert.match((await ending('help', 'dead-letters', 'replay')).out, /^Usage: flotilla dead-letters replay/)
  const lacking = await ending('help', 'keys', 'remove')
  assert.equal(lacking.out, '')
  assert.match(
    lacking.err,
    /unknown command 'remove': flotilla keys has list, create, revoke\n\(see flotilla keys --/,
  )
  assert.match(
    (await ending('help', 'run', 'x')).err,
    /unknown command 'x': flotilla run has no commands of its own/,
  )
})

test('a word that is no subcommand refers to the help of the command that has subcommands', async () => {
  const { err } = await ending('dead-letters', 'nonsense')
  assert.match(err, /flotilla dead-letters has list, .*\n\(see flotilla dead-letters --help\)\n$/)
})

test('a mistake shows a refused argument without what acts on a terminal, and of a long one its two ends', async () => {
  const odd = await ending('run', '--mode', 'a\u001b[2J\u202eb', 'x')
  assert.match(odd.err, /argument 'a\\u\{001b\}\[2J\\u\{202e\}b' is invalid/)
  const long = await ending('run', '--mode', 'x'.repeat(100_000), 'x')
  assert.ok(long.err.length < 1_000, `${long.err.length} characters`)
  assert.match(
    long.err,
    /^error: option '--mode <mode>' argument 'xx[^]*characters\)[^]*choices are code, tools\.\n/,
  )
})

for (const line of [
  'result',
  'watch',
  'status',
  'logs',
  'cancel',
  'fork',
  'replay',
  'compare t',
  'feedback',
  'eval promote --into x',
])
  test(`flotilla ${line} '': no task can have this id`, async () => {
    for (const id of ['', ' ', '../../etc/passwd', 'x'.repeat(129)]) {
      const { err, code } = await ending(...line.split(' '), id)
      assert.equal(code, 'commander.invalidArgument', err)
      assert.match(err, /is invalid for argument '\w+'\. An id has letters, digits .*flotilla ps --all/)
    }
  })

test('flotilla cancel takes no filter that only ended tasks match', async () => {
  assert.match((await ending('cancel', '--error', 'STEP_LIMIT')).err, /unknown option '--error'/)
  assert.match(
    (await ending('cancel', '--status', 'failed')).err,
    /choices are queued, running, waiting, open\./,
  )
})
