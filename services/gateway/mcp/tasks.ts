// The Tasks extension (SEP-2663): a task of the fleet is the task of the protocol, with its id.
import { setTimeout as delay } from 'node:timers/promises'
import { ProtocolError, ProtocolErrorCode, type Result } from '@modelcontextprotocol/server'
import type { AgentTool } from '../../../api/agents.ts'
import { namedAtMs } from '../../../client/log/result-search.ts'
import type { TaskResult } from '../../../client/types.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { topics } from '../../../schemas/topics.ts'
import { requiredScope } from './access.ts'
import type { McpFleet, TaskState } from './fleet.ts'
import { protocolError, toolResult } from './results.ts'
import { decisionAbout, decisionOf, questionsOf } from './forms.ts'
import { waitingCalls } from './waiting.ts'

export const TASKS = 'io.modelcontextprotocol/tasks'

const POLL_MS = 1_000
/** A person takes longer. */
const POLL_WAITING_MS = 5_000

/** As long as the log keeps results. */
const ttlMs = topics.find(({ name }) => name === 'tasks.completed')?.retentionMs ?? null

const iso = (ms: number): string => new Date(ms).toISOString()

interface Times {
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

function taskFields(taskId: string, status: string, { createdAtMs, updatedAtMs }: Times, pollMs = POLL_MS) {
  return {
    taskId,
    status,
    createdAt: iso(createdAtMs),
    lastUpdatedAt: iso(Math.max(createdAtMs, updatedAtMs)),
    ttlMs,
    pollIntervalMs: pollMs,
  }
}

/** The answer to a call, once its task is durable. */
export function createdTask(taskId: string): Result {
  const createdAtMs = namedAtMs(taskId) || Date.now()
  const times = { createdAtMs, updatedAtMs: createdAtMs }
  return { resultType: 'task', ...taskFields(taskId, 'working', times) }
}

export interface TaskAsked {
  readonly taskId: string
  /** Whether the client can ask a person by a form. */
  readonly canAsk: boolean
}

export async function getTask(fleet: McpFleet, { taskId, canAsk }: TaskAsked): Promise<Result> {
  requiredScope(fleet, 'tasks:read')
  const found = await fleet.find(taskId)
  // Also whether the client may read it.
  const state = await fleet.state(taskId)
  const result = found ?? (isOver(state) ? await fleet.find(taskId) : null)
  if (result !== null) return endedTask(result, await toolOf(fleet, result.agent))
  if (isOver(state))
    throw new FlotillaError('EVENTS_GONE', `the log no longer has the result of task ${taskId}`)
  return openTask(fleet, state, canAsk)
}

const isOver = ({ phase, status }: TaskState): boolean =>
  phase === null && status !== 'queued' && status !== 'running' && status !== 'waiting'

/** An agent may be gone since. */
async function toolOf(fleet: McpFleet, agent: string | null): Promise<Pick<AgentTool, 'outputSchema'>> {
  return (await fleet.tools()).find((tool) => tool.agent === agent) ?? { outputSchema: null }
}

function endedTask(result: TaskResult, tool: Pick<AgentTool, 'outputSchema'>): Result {
  const { taskId, submittedAtMs, completedAtMs, status, error } = result
  const times = { createdAtMs: namedAtMs(taskId) || submittedAtMs, updatedAtMs: completedAtMs }
  if (status === 'cancelled')
    return { ...taskFields(taskId, 'cancelled', times), statusMessage: error?.message ?? 'cancelled' }
  try {
    const answer = toolResult(result, { ...tool, isModern: true })
    return { ...taskFields(taskId, 'completed', times), result: { resultType: 'complete', ...answer } }
  } catch (failure) {
    const { code, message, data } = protocolError(failure)
    return { ...taskFields(taskId, 'failed', times), error: { code, message, data } }
  }
}

function openTask(fleet: McpFleet, state: TaskState, canAsk: boolean): Result {
  const { taskId, submittedAtMs, sinceMs } = state
  const times = { createdAtMs: namedAtMs(taskId) || submittedAtMs, updatedAtMs: sinceMs }
  const waiting = waitingCalls(state.events)
  if (waiting.length === 0) return { ...taskFields(taskId, 'working', times), statusMessage: statusOf(state) }
  const tools = waiting.map(({ tool }) => tool).join(', ')
  const statusMessage = `A person has to decide: ${tools}.`
  const asked = waiting.filter(({ isCounted }) => !isCounted)
  if (!canAsk || !fleet.may('approvals:decide') || asked.length === 0)
    return { ...taskFields(taskId, 'working', times, POLL_WAITING_MS), statusMessage }
  return {
    ...taskFields(taskId, 'input_required', times, POLL_WAITING_MS),
    statusMessage,
    inputRequests: questionsOf(asked),
  }
}

const phases: Readonly<Record<string, string>> = {
  submitted: 'Submitted.',
  queued: 'Queued.',
  model: 'The model is asked.',
  work: 'Tools or code run.',
  retry: 'A retry is due.',
  limit: 'A limit is waited for.',
  breaker: 'A provider or tool is waited for.',
}

function statusOf({ phase, step }: TaskState): string {
  const what = phases[phase ?? ''] ?? 'At work.'
  return step === null ? what : `Step ${step}. ${what}`
}

/** Answers to questions that are not open are ignored, as the extension has it. */
export async function updateTask(
  fleet: McpFleet,
  taskId: string,
  responses: Readonly<Record<string, unknown>>,
): Promise<Result> {
  requiredScope(fleet, 'approvals:decide')
  const waiting = waitingCalls((await fleet.state(taskId)).events)
  const answers = waiting.flatMap((call) => {
    if (!Object.hasOwn(responses, call.key)) return []
    const decision = decisionOf(call, responses[call.key])
    if (decision === null && isFilledIn(responses[call.key])) throw badForm(call.key)
    return decision === null ? [] : [{ call, decision }]
  })
  for (const { call, decision } of answers) await fleet.decide(decisionAbout(taskId, call, decision))
  await taken(fleet, taskId, new Set(answers.map(({ call }) => call.key)))
  return {}
}

const TAKEN_MS = 2_000
const LOOK_AGAIN_MS = 50

/** A client that asks at once is not asked the same again: waits a moment for the stage to take the decisions. */
async function taken(fleet: McpFleet, taskId: string, keys: ReadonlySet<string>): Promise<void> {
  const until = performance.now() + TAKEN_MS
  const isOpen = async () =>
    waitingCalls((await fleet.state(taskId)).events).some(({ key, isCounted }) => !isCounted && keys.has(key))
  while (keys.size > 0 && performance.now() < until && (await isOpen())) await delay(LOOK_AGAIN_MS)
}

const isFilledIn = (response: unknown): boolean =>
  typeof response !== 'object' || response === null || Reflect.get(response, 'action') !== 'cancel'

const badForm = (key: string): ProtocolError =>
  new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `the answer to ${key} must be {action: "accept", content: …} that fits its requestedSchema, or {action: "decline"}`,
  )

/** A task that has ended is acknowledged too. */
export async function cancelTask(fleet: McpFleet, taskId: string): Promise<Result> {
  requiredScope(fleet, 'tasks:cancel')
  if (!isOver(await fleet.state(taskId))) await fleet.cancel(taskId, 'cancelled by an MCP client')
  return {}
}
