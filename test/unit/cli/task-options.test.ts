import assert from 'node:assert/strict'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Command } from 'commander'
import { addTaskOptions, taskOptions, toTask } from '../../../cli/program/task-options.ts'
import { taskFields } from '../../../schemas/task-fields.ts'

const optionsOf = (args: readonly string[]) => {
  const command = addTaskOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  return toTask('hello', command.parse(args, { from: 'user' }).opts())
}

test('every field of a task has an option', () => {
  const fields = taskFields.map(({ name }) => name).filter((name) => name !== 'text')
  assert.deepEqual(taskOptions.map(([field]) => field).toSorted(), fields.toSorted())
})

test('choices are those of the schema', () => {
  const command = addTaskOptions(new Command())
  for (const { name, kind } of taskFields) {
    if (typeof kind === 'string') continue
    const choices = command.options.find((option) => option.attributeName() === name)?.argChoices
    assert.deepEqual(choices, kind, name)
  }
  assert.throws(() => optionsOf(['--mode', 'wild']), /Allowed choices are code, tools/)
})

test('options become the fields of a task, numbers as numbers, files as what they hold', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-options-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const schema = join(directory, 'schema.json')
  writeFileSync(schema, '{"type":"string"}')
  const given = ['--user', 'ann', '--timeout', '500', '--max-cost', '0.5', '--id', 't', '--session', 's']
  assert.deepEqual(optionsOf([...given, '--max-steps', '3', '--output-schema', schema]), {
    text: 'hello',
    userId: 'ann',
    timeoutMs: 500,
    maxCost: 0.5,
    taskId: 't',
    sessionId: 's',
    maxSteps: 3,
    outputSchema: { type: 'string' },
  })
  assert.deepEqual(optionsOf([]), { text: 'hello' })
})

for (const args of [
  ['--max-steps', '1.5'],
  ['--timeout', 'soon'],
  ['--output-schema', 'none.json'],
])
  test(`${args.join(' ')} is a mistake of the command line`, () => {
    assert.throws(() => optionsOf(args), { code: 'commander.invalidArgument' })
  })
