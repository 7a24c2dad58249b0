// The HTTP API against its own description, by a fuzzer that nobody here wrote: requests that fit the description are
// accepted, those that do not are refused, every answer is a described one, and none is an error of the server.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
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
]

/** Streams have no end; a fleet that is paused answers nobody. */
const excluded = ['getResults', 'getTasksIdUpdates', 'getTasksIdEvents', 'getEvents', 'postFleetPauses']

/**
 * Rules that a schema does not say: an id twice, no filter at all, the last message the user's, a stream to resume, a
 * revision of MCP that needs an `accept` header, methods of MCP that end no stream here, a place of an earlier page, a run
 * that is too long to be compared. Valid data may be refused.
 */
const withRules = [
  'postTasks',
  'postTasksCancel',
  'postDeadLettersPurge',
  'postDeadLettersReplay',
  'postChatCompletions',
  'postResponses',
  'getResponsesId',
  'postMcp',
  'getMcp',
  'deleteMcp',
  'getConversationsIdItems',
  'getSessions',
  'getEvaluationsIdCompareBefore',
]
/** A key that it makes closes the API: behind that, every answer is 401. */
const closing = ['postKeys']

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
    await fleet.client.result(taskId, { timeoutMs: 120_000 })
  }
  await run(python, [...checks, 'positive_data_acceptance'], '--exclude', [
    ...excluded,
    ...withRules,
    ...closing,
  ])
  await run(python, checks, '--include', withRules)
  const { status } = await fetch(`${fleet.process.url}/v1/keys`)
  assert.equal(status, 200, 'the API was closed meanwhile, so that most requests were answered with 401')
  await run(python, checks, '--include', closing)
})

/** Rejects with the report if something is found. */
async function run(
  python: string,
  wanted: readonly string[],
  which: '--include' | '--exclude',
  operations: readonly string[],
): Promise<void> {
  const args = [
    ...['-m', 'schemathesis.cli', 'run', `${fleet.process.url}/openapi.json`],
    ...['--seed', String(SEED), '--max-examples', String(EXAMPLES), '--checks', wanted.join()],
    ...['--phases', 'examples,coverage,fuzzing', '--continue-on-failure', '--warnings', 'off', '--no-color'],
    ...['--suppress-health-check', 'all'],
    ...operations.flatMap((name) => [`${which}-operation-id`, name]),
  ]
  await runTool(python, args, { cwd: folder, timeoutMs: TIME_MS })
}
