// What CPython itself makes of the actions that it can run: the table must not ask for anything else.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Json } from '../../schemas/json.ts'
import { installedProgram } from '../infra/tool.ts'
import { actions } from './suite/actions.ts'

const python = await installedProgram('python3', 'python3')
const script = fileURLToPath(new URL('./suite/actions-reference.py', import.meta.url))

test('CPython comes to the same answers', (t) => {
  const run = actions.filter(({ ours }) => !ours)
  const input = JSON.stringify(run.map(({ steps }) => steps))
  const answers = JSON.parse(execFileSync(python, [script], { input, encoding: 'utf8' })) as Json[]
  const named = (values: readonly (Json | undefined)[]) =>
    Object.fromEntries(run.map(({ name }, index) => [name, values[index] ?? null]))
  assert.deepEqual(named(answers), named(run.map(({ answer }) => answer)))
  t.diagnostic(`${run.length} of ${actions.length} actions run in CPython too`)
})
