// A fleet for tests of the console: tasks of every kind that a page has to show.
import { z } from 'zod'
import { defineTool } from '../../runtime/config/define.ts'
import type { Tool } from '../../runtime/config/fleet.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'
import type { Json } from '../../schemas/json.ts'
import { headers as names } from '../../schemas/topics.ts'
import { echo, startTestFleet, type TestFleet, type TestFleetOptions } from './fleet.ts'

const STORY = Array.from({ length: 60 }, (_, index) => `Sentence ${index} of the story goes on and on.`).join(
  ' ',
)

/** Markup, text that runs backwards, and what ends a script: none of it may be more than text. */
export const HOSTILE =
  '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>\u202egnp.exe\u202c </div></body> {{1+1}} \u0000'
export const HUGE =
  `${'A line of a long report, with some figures: 1,234,567.89 and more. '.repeat(20)}\n`.repeat(290)

const orders = new Map([
  [4711, { status: 'shipped', carrier: 'DHL', days: 3, items: ['lamp', 'shade'] }],
  [4712, { status: 'lost', carrier: 'UPS', days: 19, items: ['desk'] }],
])

export const consoleTools: Tool[] = [
  echo,
  defineTool({
    name: 'lookup_order',
    description: 'Looks up an order.',
    input: z.object({ order: z.number() }),
    idempotent: true,
    cacheTtlMs: 60_000,
    run: ({ order }) => orders.get(order) ?? { status: 'unknown' },
  }),
  defineTool({
    name: 'carrier_status',
    description: 'Asks the carrier.',
    input: z.object({ carrier: z.string() }),
    idempotent: true,
    run: ({ carrier }) => ({ carrier, onTime: carrier === 'DHL', delayDays: carrier === 'DHL' ? 0 : 12 }),
  }),
  defineTool({
    name: 'refund',
    description: 'Pays money back.',
    input: z.object({ order: z.number(), amount: z.number() }),
    requiresApproval: true,
    run: ({ order, amount }) => `refunded ${amount} for ${order}`,
  }),
  defineTool({
    name: 'broken_service',
    description: 'Does not work.',
    input: z.object({}),
    idempotent: true,
    retries: 1,
    run: () => {
      throw new Error('the service answered 503: maintenance until 18:00')
    },
  }),
]

const PYTHON = `# Orders that are late, and what they cost us.
late = []
for number in [4711, 4712]:
    order = lookup_order(order=number)
    if order["days"] > 7:
        late.append((number, order["carrier"]))
        print(f"{number}: {order['carrier']} took {order['days']} days")
status = [carrier_status(carrier=c) for _, c in late]
final_answer({"late": late, "status": status})`

const call = (name: string, args: Record<string, string | number>) => ({ name, arguments: args })

/** The word in the task's text says what happens. */
export const consoleScript: Script = ({ task, turn, mode }) => {
  if (mode === 'code') return { text: `I look at both orders.\n\`\`\`python\n${PYTHON}\n\`\`\`` }
  if (task.includes('story')) return { text: STORY }
  if (task.includes('hostile')) return { text: HOSTILE }
  if (task.includes('huge')) return { text: HUGE }
  if (task.includes('refund'))
    return turn === 0
      ? {
          text: 'The order is lost, so I pay it back.',
          toolCalls: [call('refund', { order: 4712, amount: 129.9 })],
        }
      : { text: 'The customer was paid back.' }
  if (task.includes('broken'))
    return turn === 0
      ? { toolCalls: [call('broken_service', {})] }
      : { text: 'The service is down; I can not say.' }
  if (task.includes('order'))
    return [
      {
        text: 'I look the order up.',
        toolCalls: [call('lookup_order', { order: 4711 }), call('lookup_order', { order: 4712 })],
      },
      {
        text: 'One of them is late. I ask both carriers.',
        toolCalls: [call('carrier_status', { carrier: 'DHL' }), call('carrier_status', { carrier: 'UPS' })],
      },
      {
        text: 'Order 4711 was shipped with DHL and is on time. Order 4712 is lost at UPS, 12 days late: offer a refund.',
      },
    ][Math.min(turn, 2)]
  return { text: `Fine: ${task.slice(0, 60)}` }
}

export function startConsoleFleet(options: Partial<TestFleetOptions> = {}): Promise<TestFleet> {
  return startTestFleet({
    http: true,
    model: { script: consoleScript },
    ...options,
    definition: {
      tools: consoleTools,
      agents: {
        default: { mode: 'tools', description: 'Answers customers.' },
        analyst: { mode: 'code', description: 'Writes Python.' },
      },
      ...options.definition,
    },
  })
}

/** An open task of so many steps, as its stages would have written it: a model call and a tool call each. */
export async function longTask(fleet: TestFleet, taskId: string, steps: number): Promise<void> {
  const { log, codec, stores } = fleet.process
  const beginMs = Date.now() - steps * 2_000
  const records: TaskProgressed[] = []
  const add = (kind: TaskProgressed['kind'], step: number | null, atMs: number, detail: Json) =>
    records.push({
      taskId,
      stage: kind === 'tool_called' ? 'tool-executor' : 'planner',
      kind,
      step,
      atMs,
      detail,
    })
  add('admitted', null, beginMs, {
    agent: 'default',
    mode: 'tools',
    model: 'scripted/scripted',
    maxSteps: steps,
  })
  for (let step = 1; step <= steps; step++) {
    const atMs = beginMs + step * 2_000
    const callId = `${taskId}.${step}.0`
    add('model_called', step, atMs - 900, {
      model: 'scripted/scripted',
      text: `Thought ${step}: look further.`,
      inputTokens: 900 + step,
      outputTokens: 40,
      cost: 0.0004,
      durationMs: 800 + (step % 7) * 40,
    })
    add('tool_requested', step, atMs - 890, { callId, tool: 'lookup_order', arguments: { order: step } })
    add('tool_called', step, atMs - 300, {
      callId,
      tool: 'lookup_order',
      status: 'succeeded',
      cached: step % 9 === 0,
      durationMs: 500,
      arguments: JSON.stringify({ order: step }),
      output: '{"status":"shipped"}',
    })
    add('step_completed', step, atMs, {
      kind: 'tools',
      durationMs: 1_900,
      observation: 'shipped',
      next: step + 1,
    })
  }
  await stores.sql
    .insertInto('open_tasks')
    .values({
      ...openRow(taskId, 'Look at every order of the year', beginMs),
      lane: homeOf(taskId, log.partitions),
    })
    .execute()
  const partition = homeOf(taskId, log.partitions)
  const outgoing = records.map((data) => ({
    topic: 'tasks.history' as const,
    partition,
    key: taskId,
    value: codec.encode('TaskProgressed', data, 'tasks.history'),
    headers: { [names.schema]: 'TaskProgressed' },
  }))
  for (let from = 0; from < outgoing.length; from += 500) await log.publish(outgoing.slice(from, from + 500))
}

const openRow = (task_id: string, text_start: string, submitted_at_ms: number) => ({
  task_id,
  text_start,
  text_hash: 'x',
  user_id: null,
  agent: null,
  model: null,
  profile: null,
  submitted_at_ms,
  session_id: null,
  parent: null,
})

const statuses = [
  'succeeded',
  'succeeded',
  'succeeded',
  'failed',
  'cancelled',
  'succeeded',
  'timed_out',
] as const
const asked = [
  'Where is order 4711?',
  'Summarise the tickets of the day',
  'Refund order 4712',
  'Compare last month’s shipping costs',
  'Draft an answer to the complaint of M. Okafor',
]
const users = ['ana', 'ben', 'chidi', 'dora', null]

/** Ended tasks in the ledger, the latest a moment ago, or a minute before `nowMs`. */
export async function ledgerTasks(
  fleet: TestFleet,
  count: number,
  mark = 'ticket',
  nowMs = Date.now(),
): Promise<void> {
  const rows = Array.from({ length: count }, (_, index) => {
    const status = statuses[index % statuses.length] ?? 'succeeded'
    const submitted_at_ms = nowMs - 60_000 - index * 41_000
    const execution_ms = 900 + ((index * 7_919) % 95_000)
    return {
      ...openRow(
        `${mark}-${String(count - index).padStart(5, '0')}`,
        asked[index % asked.length] ?? '',
        submitted_at_ms,
      ),
      status,
      user_id: users[index % users.length] ?? null,
      agent: index % 3 === 0 ? 'analyst' : 'default',
      model: index % 4 === 0 ? 'groq/llama-3.3-70b' : 'openai/gpt-5-mini',
      execution_ms,
      input_tokens: 400 + ((index * 613) % 9_000),
      output_tokens: 30 + ((index * 61) % 900),
      cost: ((index * 37) % 400) / 1_000,
      steps: 1 + (index % 9),
      error_code:
        status === 'failed' ? 'MODEL_UNAVAILABLE' : status === 'timed_out' ? 'TASK_TIMED_OUT' : null,
      completed_at_ms: submitted_at_ms + execution_ms,
    }
  })
  for (let from = 0; from < rows.length; from += 500)
    await fleet.process.stores.sql
      .insertInto('task_ledger')
      .values(rows.slice(from, from + 500))
      .execute()
}

const models = ['openai/gpt-5-mini', 'groq/llama-3.3-70b', 'anthropic/claude', 'local/qwen'] as const
const toolNames = ['lookup_order', 'carrier_status', 'refund'] as const

/** Model and tool calls in the ledger over the last days, three model calls for each tool call. */
export async function ledgerCalls(fleet: TestFleet, count: number): Promise<void> {
  const nowMs = Date.now()
  const rows = Array.from({ length: count }, (_, index) => {
    const isModel = index % 4 !== 3
    return {
      event_id: `call-${index}`,
      task_id: `ticket-${String(index).padStart(5, '0')}`,
      call_id: `call-${index}`,
      kind: isModel ? 'model' : 'tool',
      user_id: users[index % users.length] ?? null,
      agent: 'default',
      model: isModel ? (models[(index * 7) % models.length] ?? null) : null,
      provider: null,
      tool: isModel ? null : (toolNames[index % toolNames.length] ?? null),
      input_tokens: isModel ? 400 + ((index * 613) % 9_000) : 0,
      output_tokens: isModel ? 30 + ((index * 61) % 900) : 0,
      cost: isModel ? ((index * 37) % 400) / 10_000 : 0,
      cost_is_guess: 0,
      duration_ms: 200 + ((index * 7_919) % 9_000),
      succeeded: index % 13 === 0 ? 0 : 1,
      error_code: null,
      cached: index % 5 === 0 ? 1 : 0,
      at_ms: nowMs - 60_000 - index * 350_000,
    }
  })
  for (let from = 0; from < rows.length; from += 500)
    await fleet.process.stores.sql
      .insertInto('usage_ledger')
      .values(rows.slice(from, from + 500))
      .execute()
}
