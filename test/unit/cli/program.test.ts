import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { commands } from '../../../cli/command-table.ts'
import { visibleOptions } from '../../../cli/default-subcommand.ts'
import { createProgram, wantedCommands } from '../../../cli/program.ts'

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

test('help shows the options of the subcommand that is meant if none is named', () => {
  const usage = program.commands.find((each) => each.name() === 'usage')
  assert.ok(usage)
  assert.match(helpOf(usage), /Options:\n {2}--by <what>[^]*--from[^]*--json/)
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
