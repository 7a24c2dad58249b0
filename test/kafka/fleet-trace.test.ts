// Every service a process of its own: one task is one trace, as a real Jaeger gives it back.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '../../client/index.ts'
import type { Client, TaskInput, TaskResult } from '../../client/types.ts'
import type { Conversation } from '../../runtime/scripted-model/conversations.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startFleetProcesses, type FleetProcesses } from '../support/fleet-processes.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startToolServer, type ToolServer } from '../support/tool-server.ts'

interface Span {
  readonly spanID: string
  readonly operationName: string
  readonly processID: string
  readonly references: { readonly refType: string; readonly spanID: string }[]
}
interface Trace {
  readonly spans: Span[]
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
}

const code = [
  'text = echo(text="hi")',
  'found = lookup(task="traced")',
  'final_answer([text, found["tool"]])',
]
const conversations: Conversation[] = [
  {
    title: 'two at once',
    task: 'look up and echo',
    mode: 'tools',
    turns: [
      {
        toolCalls: [
          { name: 'echo', arguments: { text: 'hi' } },
          { name: 'lookup', arguments: { task: 'traced' } },
        ],
      },
      { text: 'both are here' },
    ],
  },
  {
    title: 'in Python',
    task: 'look up and echo',
    mode: 'code',
    turns: [{ text: `\`\`\`python\n${code.join('\n')}\n\`\`\`` }],
  },
]

let model: ScriptedModel
let tools: ToolServer
let fleet: FleetProcesses
let client: Client
const directory = mkdtempSync(join(tmpdir(), 'flotilla-trace-'))

before(async () => {
  const endpoint = process.env['OTEL_EXPORTER_OTLP_ENDPOINT']
  if (!endpoint || !process.env['JAEGER_QUERY_URL'])
    throw new Error('JAEGER_QUERY_URL and OTEL_EXPORTER_OTLP_ENDPOINT are not set: run npm run test:kafka')
  model = await startScriptedModel({ conversations })
  tools = await startToolServer({ log: join(directory, 'tools.jsonl'), latencyMs: () => 20 })
  const env = fleetEnvironment('fleet-trace', {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    // Spans are sent sooner than an operator would want, so that the test need not wait.
    OTEL_BSP_SCHEDULE_DELAY: '200',
    FLOTILLA_SCRIPTED_URL: model.url,
    TOOL_SERVER_URL: tools.url,
  })
  fleet = await startFleetProcesses(env)
  client = await connect({ env })
})
after(async () => {
  await client?.close()
  await fleet?.stop()
  await Promise.all([model?.stop(), tools?.stop()])
  rmSync(directory, { recursive: true, force: true })
})

async function run(task: TaskInput): Promise<TaskResult> {
  const { taskId } = await client.submit(task)
  const result = await client.result(taskId, { timeoutMs: 120_000 })
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  return result
}

async function fetchTrace(traceId: string): Promise<Trace | null> {
  const response = await fetch(`${process.env['JAEGER_QUERY_URL']}/api/traces/${traceId}`)
  const { data } = (await response.json()) as { data: Trace[] | null }
  return data?.[0] ?? null
}

/**
 * `service: operation < parent's operation`. Every service sends its spans by itself, so the trace is taken when all that is
 * expected is there, and every parent.
 */
async function treeOf(result: TaskResult, expected: readonly string[], chats: number): Promise<string[]> {
  assert.ok(result.traceId)
  let lines: string[] = []
  const isWhole = () =>
    expected.every((line) => lines.includes(line)) &&
    orphans(lines).length === 0 &&
    count(lines, ': chat ') >= chats
  const complete = async () => {
    const trace = await fetchTrace(result.traceId as string)
    lines = trace ? linesOf(trace) : []
    return isWhole() && lines
  }
  return eventually('Jaeger has every span', complete).catch((error: unknown) => {
    const lacking = [...expected.filter((line) => !lines.includes(line)), ...orphans(lines)]
    throw new Error(`lacking:\n${lacking.join('\n')}\nthere are:\n${lines.join('\n')}`, { cause: error })
  })
}

function linesOf({ spans, processes }: Trace): string[] {
  const byId = new Map(spans.map((span) => [span.spanID, span]))
  return spans
    .map((span) => {
      const parent = span.references.find(({ refType }) => refType === 'CHILD_OF')
      const above = parent ? (byId.get(parent.spanID)?.operationName ?? 'AN ORPHAN') : 'nothing'
      return `${processes[span.processID]?.serviceName.replace('flotilla-', '')}: ${span.operationName} < ${above}`
    })
    .sort()
}

const roots = (lines: readonly string[]): string[] => lines.filter((line) => line.endsWith('< nothing'))
const orphans = (lines: readonly string[]): string[] => lines.filter((line) => line.endsWith('AN ORPHAN'))
const count = (lines: readonly string[], text: string): number =>
  lines.filter((line) => line.includes(text)).length

test('a task with two tool calls at once is one tree over four services', async () => {
  const result = await run({ text: 'look up and echo' })
  const lines = await treeOf(
    result,
    [
      'planner: invoke_agent default < nothing',
      'router: process tasks.submitted < invoke_agent default',
      'router: send tasks.admitted < process tasks.submitted',
      'planner: process tasks.admitted < process tasks.submitted',
      'planner: send tools.requested < process tasks.admitted',
      'tool-executor: execute_tool echo < process tools.requested',
      'tool-executor: execute_tool lookup < process tools.requested',
      'tool-executor: send tools.completed < process tools.requested',
      'planner: process tools.completed < process tools.requested',
      'planner: send tasks.completed < process tools.completed',
    ],
    2,
  )
  assert.deepEqual(roots(lines), ['planner: invoke_agent default < nothing'])
  assert.equal(count(lines, ': chat '), 2, lines.join('\n'))
  assert.equal(count(lines, 'execute_tool'), 2, lines.join('\n'))
})

test('a task in code mode is one tree, with the tool calls of its Python', async () => {
  const result = await run({ text: 'look up and echo', mode: 'code' })
  assert.deepEqual(result.output, ['hi', 'lookup'])
  const lines = await treeOf(
    result,
    [
      'planner: invoke_agent default < nothing',
      'code-sandbox: process code.requested < process tasks.admitted',
      'tool-executor: execute_tool echo < process tools.requested',
      'tool-executor: execute_tool lookup < process tools.requested',
      'code-sandbox: process tools.completed < process tools.requested',
      'planner: process code.completed < process tools.completed',
    ],
    1,
  )
  assert.deepEqual(roots(lines), ['planner: invoke_agent default < nothing'])
  assert.equal(count(lines, ': chat '), 1, lines.join('\n'))
})
