// The OpenAI-compatible routes with clients that nobody here wrote: OpenAI's package for Python, Vercel's AI SDK, and
// the scanner compatcanary. OpenAI's package for Node is in test/embedded/openai-chat.test.ts. What they find:
// docs/openai-compatible.md.
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { runTool } from '../infra/tool.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { npmFolder } from './npm-folder.ts'
import { pythonWith } from './sdist.ts'

const TIME_MS = 120_000

/** Repeats what it was sent; JSON where a client asks for some. */
const script: Script = ({ task, taskMark, observations }) => {
  if (taskMark !== null) return undefined
  if (/price/.test(task)) return { text: '{"price": 3}' }
  if (/compatibility status/.test(task)) return { text: '{"status": "ok"}' }
  return { text: [task, observations].filter(Boolean).join(' | ') }
}

let fleet: TestFleet
let baseUrl = ''
before(async () => {
  const tools = { mode: 'tools' as const }
  const agents = { default: tools, open: { ...tools, showActivity: true } }
  fleet = await startTestFleet({ http: true, definition: { agents }, model: { script } })
  baseUrl = `${fleet.process.url}/v1`
})
after(() => fleet.stop())

test("OpenAI's package for Python: create, stream helpers, parse, background, errors", async () => {
  const python = await pythonWith(['openai==3.51.0'])
  const program = join(import.meta.dirname, 'openai-clients/python-client.py')
  const seen = JSON.parse(await runTool(python, [program, baseUrl], { timeoutMs: TIME_MS })) as unknown
  assert.deepEqual(seen, {
    models: ['flotilla/default', 'flotilla/open'],
    chat: 'hello',
    streamed: 'hello',
    usage: true,
    events: ['chunk', 'content.delta', 'content.done'],
    helper: 'hello',
    parsed: 3,
    response: 'From the application:\nBe brief.\n\nhello',
    then: 'hello | again',
    'response events': [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ],
    'response helper': 'hello',
    'response parsed': 3,
    resumed: [1, 'response.completed'],
    background: 'completed',
    cancelled: 'cancelled',
    unsupported: ['BadRequestError', 400, 'unsupported_value', 'n'],
    'unknown model': ['NotFoundError', 404, 'model_not_found', 'model'],
  })
})

test("Vercel's AI SDK: text, streams, history, reasoning, objects, errors", async () => {
  const folder = await npmFolder(['ai@7.0.173', '@ai-sdk/openai-compatible@3.0.92'])
  cpSync(join(import.meta.dirname, 'openai-clients/ai-sdk.mjs'), join(folder, 'ai-sdk.mjs'))
  const printed = await runTool(process.execPath, [join(folder, 'ai-sdk.mjs'), baseUrl], {
    timeoutMs: TIME_MS,
  })
  assert.deepEqual(JSON.parse(printed), {
    text: 'hello',
    finish: 'stop',
    usage: true,
    streamed: 'hello',
    streamedUsage: true,
    history: 'one | two',
    reasoning: 'echo({"text":"hi"})\n',
    object: { price: 3 },
    refused: [400, 'stop'],
  })
})

test('compatcanary: all but tools of the client, which are refused', async () => {
  const folder = await npmFolder(['compatcanary@0.2.2'])
  const cli = join(folder, 'node_modules/compatcanary/src/cli.js')
  const args = [
    cli,
    'scan',
    '--base-url',
    baseUrl,
    '--model',
    'flotilla/default',
    '--format',
    'json',
    '--fail-on',
    'never',
  ]
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const report = await runTool(process.execPath, args, { timeoutMs: TIME_MS, env })
  const { results } = JSON.parse(report) as { results: { id: string; status: string }[] }
  assert.deepEqual(Object.fromEntries(results.map(({ id, status }) => [id, status])), {
    'models.list': 'pass',
    'chat.basic': 'pass',
    'chat.streaming': 'pass',
    'chat.structured_output': 'pass',
    'chat.tool_call': 'fail',
    'responses.basic': 'pass',
    'responses.streaming': 'pass',
  })
})
