import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { commands } from '../../../cli/program/command-table.ts'
import { completionScript, shells } from '../../../cli/program/completion.ts'
import { createProgram } from '../../../cli/program/program.ts'

const program = await createProgram('all')
const directory = mkdtempSync(join(tmpdir(), 'flotilla-completion-'))
const script = join(directory, 'flotilla.bash')
writeFileSync(script, completionScript('bash', program))
after(() => rmSync(directory, { recursive: true }))

/** What bash offers for the last of these words. */
function offered(...words: string[]): string[] {
  const line = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _flotilla; printf '%s\\n' "\${COMPREPLY[@]}"`
  const args = ['--norc', '-c', line, 'bash', script, 'flotilla', ...words]
  return execFileSync('bash', args, { cwd: directory, encoding: 'utf8' }).split('\n').filter(Boolean)
}

test('bash offers every command, and those that begin with what is typed', () => {
  const names = commands.map(({ name }) => name)
  assert.deepEqual(
    names.filter((name) => !offered('').includes(name)),
    [],
  )
  assert.deepEqual(offered('us'), ['usage'])
  assert.deepEqual(offered('nosuch', ''), offered(''))
})

test('bash offers subcommands, options, those of the default subcommand too, and the choices of an option', () => {
  assert.deepEqual(offered('alerts', 'si'), ['silence'])
  assert.deepEqual(offered('usage', '--b'), ['--by'])
  assert.deepEqual(
    offered('usage', '--by', 'to'),
    ['total', 'tool'].filter((each) => each.startsWith('to')),
  )
  assert.deepEqual(offered('run', '--json', '--mode', ''), ['code', 'tools'])
  assert.deepEqual(offered('completion', ''), [...shells, '--help'])
})

test('bash offers files for an option that takes one', () => {
  assert.deepEqual(offered('run', '--output-schema', 'flot'), ['flotilla.bash'])
})

for (const shell of shells)
  test(`the script for ${shell} has every command and option`, () => {
    const text = completionScript(shell, program)
    const long = (option: string) => (shell === 'fish' ? `-l ${option.slice(2)} ` : option)
    for (const command of program.commands) {
      assert.ok(text.includes(command.name()), command.name())
      for (const option of command.options) assert.ok(text.includes(long(option.long ?? '')), option.flags)
    }
  })
