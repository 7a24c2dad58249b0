// A fleet whose model gives prepared answers to each task, and whose ended tasks are replayed.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import type { TaskInput, TaskResult } from '../../client/types.ts'
import { directOperator, openParts } from '../../operator/direct/index.ts'
import type { Operator } from '../../operator/index.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { FleetDefinition } from '../../runtime/config/fleet.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { taskStages } from '../../services/index.ts'
import { completion, json, startProvider } from '../unit/planner/model/provider-server.ts'
import { echo, startTestFleet, type TestFleet } from './fleet.ts'

type Message = Record<string, unknown>
export type Answer = (response: ServerResponse) => void

const reply =
  (message: Message, finish: string): Answer =>
  (response) => {
    const usage = { prompt_tokens: 2_000, completion_tokens: 20, total_tokens: 2_020 }
    json(response, 200, { ...completion(message, finish), usage })
  }
export const says = (content: string): Answer => reply({ content }, 'stop')
export const python = (code: string): Answer => says(`I go on.\n\`\`\`python\n${code}\n\`\`\``)
export const calls = (...asked: [string, object][]): Answer =>
  reply(
    {
      content: null,
      tool_calls: asked.map(([name, args], index) => ({
        id: `c${index}`,
        type: 'function',
        function: { name, arguments: JSON.stringify(args) },
      })),
    },
    'tool_calls',
  )
export const refuses =
  (status: number, message: string, headers: Record<string, string> = {}): Answer =>
  (response) =>
    json(response, status, { error: { message, type: 'error', code: 'x' } }, headers)
export const breaksOff: Answer = (response) => response.destroy()
/** Never answers. */
export const hangs: Answer = () => {}

const both = {
  models: ['one/m', 'two/m'],
  temperature: 0,
  maxSteps: 30,
  timeoutMs: 120_000,
  executor: 'default',
  toolCacheTtlMs: 60_000,
}

/** Each text has its answers in turn; of several in one conversation the first one counts. A summary is asked without tools. */
export async function startAnswering(
  t: TestContext,
  answers: Record<string, Answer[]>,
  definition: FleetDefinition = {},
) {
  const left = new Map(Object.entries(answers).map(([text, all]) => [text, [...all]]))
  const provider = await startProvider(t, ({ body }, response) => {
    const messages = JSON.stringify(body['messages'])
    const text = [...left.keys()].find((each) => messages.includes(each)) ?? ''
    const isSummary = body['tools'] === undefined && !messages.includes('final_answer')
    const answer = isSummary ? says('NOTES') : left.get(text)?.shift()
    ;(answer ?? refuses(400, 'nothing is left to say'))(response)
  })
  const whole: FleetDefinition = {
    tools: [echo],
    overrides: { mode: true, maxSteps: 100, timeoutMs: 86_400_000 },
    agents: { default: { mode: 'tools', profile: 'both' } },
    defaultAgent: 'default',
    models: {
      default: 'one/m',
      profiles: { both },
      providers: { one: { baseUrl: provider.url }, two: { baseUrl: provider.url } },
      prices: [
        { model: 'one/', input: 1, output: 1 },
        { model: 'two/', input: 2, output: 2 },
      ],
    },
    ...definition,
  }
  const fleet = await startTestFleet({ definition: whole })
  t.after(() => fleet.stop())
  const { log, codec, stores } = fleet.process
  const environment = readEnvironment({ FLOTILLA_SCRIPTED_URL: fleet.model.url })
  const parts = { log, codec, ...stores, environment, fleet: completeFleet(whole, environment, 'test') }
  return { fleet, operator: directOperator(openParts(parts, taskStages)) }
}

export async function run(fleet: TestFleet, task: TaskInput): Promise<TaskResult> {
  const { taskId } = await fleet.client.submit(task)
  return fleet.client.result(taskId, { timeoutMs: 120_000 })
}

/** Every decision comes out the same. */
export async function assertSame(operator: Operator, { taskId }: Pick<TaskResult, 'taskId'>): Promise<void> {
  const { stages, same } = await operator.forks.replay(taskId)
  assert.deepEqual(
    stages.flatMap(({ divergence }) => divergence ?? []),
    [],
  )
  assert.ok(same)
}

/** What the history has of a task, oldest first. */
export async function historyOf(fleet: TestFleet, taskId: string) {
  const events: { kind: string; detail: unknown }[] = []
  const { log, codec } = fleet.process
  for (const { partition } of await log.ranges(['tasks.history']))
    for (const record of await log.read('tasks.history', partition, 0, 10_000)) {
      if (record.key !== taskId || record.value === null) continue
      const { type, data } = await codec.decode(record.value, record.topic)
      if (type === 'TaskProgressed') events.push(data)
    }
  return events
}
