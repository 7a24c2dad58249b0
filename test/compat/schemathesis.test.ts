// The HTTP API against its own description, by a fuzzer that nobody here wrote: requests that fit the description are
// accepted, those that do not are refused, every answer is a described one, and none is an error of the server.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runTool } from '../infra/tool.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { pythonWith } from './sdist.ts'

const TIME_MS = 480_000
/** The same requests in every run. */
const SEED = 4711
const EXAMPLES = 5

const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'response_headers_conformance',
  'negative_data_rejection',
  'positive_data_acceptance',
]

/** Streams have no end; a fleet that is paused answers nobody. */
const excluded = ['getResults', 'getTasksIdUpdates', 'postFleetPauses']

/** Rules between fields, which a schema does not say: an id twice, no filter at all. */
const withRules = ['postTasks', 'postTasksCancel', 'postDeadLettersPurge', 'postDeadLettersReplay']
const settings = withRules
  .map(
    (name) =>
      `[[operations]]\ninclude-operation-id = "${name}"\n[operations.checks.positive_data_acceptance]\nenabled = false\n`,
  )
  .join('\n')

let fleet: TestFleet
const folder = mkdtempSync(join(tmpdir(), 'flotilla-schemathesis-'))
before(async () => {
  fleet = await startTestFleet({ http: true })
})
after(async () => {
  await fleet.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('Schemathesis finds no server error and no difference from the description', async () => {
  const python = await pythonWith(['schemathesis==4.32.5'])
  for (const taskId of ['a1', 'invoice-2026-11-04']) {
    await fleet.client.submit({ text: `task=${taskId}`, taskId })
    await fleet.client.result(taskId, { timeoutMs: 20_000 })
  }
  writeFileSync(join(folder, 'schemathesis.toml'), settings)
  const args = [
    ...['-m', 'schemathesis.cli', 'run', `${fleet.process.url}/openapi.json`],
    ...['--seed', String(SEED), '--max-examples', String(EXAMPLES), '--checks', checks.join()],
    ...['--phases', 'examples,coverage,fuzzing', '--continue-on-failure', '--warnings', 'off', '--no-color'],
    ...['--suppress-health-check', 'all'],
    ...excluded.flatMap((name) => ['--exclude-operation-id', name]),
  ]
  const output = await runTool(python, args, { cwd: folder, timeoutMs: TIME_MS })
  assert.match(output, /Examples|Fuzzing/)
})
