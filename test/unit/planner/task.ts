// A task under test: admitted to a driven planner, and what models, tools and the sandbox answer.
import assert from 'node:assert/strict'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { directSchemaChecks } from '../../../runtime/testing/schema-checks.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { CodeCompleted, TaskAdmitted, ToolCompleted } from '../../../schemas/generated/events.ts'
import type { Message, ModelReply, ModelRequest } from '../../../services/planner/call.ts'
import type { OutputCheck } from '../../../services/planner/result/output-schema.ts'
import { createOutputCaller } from '../../../services/planner/result/output-check.ts'
import { createPlannerStage } from '../../../services/planner/stage.ts'
import type { Step } from '../../../services/planner/rows.ts'
import { fleetOf } from '../router/fleet.ts'

export const START = 1_750_000_000_000

export function admitted(changes: Partial<TaskAdmitted> = {}): TaskAdmitted {
  const timeoutMs = changes.timeoutMs ?? 60_000
  return {
    taskId: 't1',
    text: 'How warm is it in Rome?',
    userId: 'u1',
    agent: 'default',
    mode: 'code',
    profile: 'accurate',
    models: ['gpt-4o'],
    modelReason: 'default model of the fleet',
    temperature: 0.3,
    maxSteps: 5,
    timeoutMs,
    deadlineMs: START + timeoutMs,
    maxCost: null,
    maxOutputTokens: 1_000,
    executor: 'default',
    tools: ['get_weather', 'transfer_money'],
    toolCacheTtlMs: null,
    priority: 0,
    sessionId: 's1',
    outputSchema: null,
    parent: null,
    estimatedTokens: null,
    submittedAtMs: START,
    history: null,
    forkedFrom: null,
    forkedFromStep: null,
    toolPolicy: null,
    policyTools: null,
    instructions: null,
    recording: null,
    askedBy: null,
    variables: null,
    ...changes,
  }
}

export function start(changes: Partial<TaskAdmitted> = {}, fleet: Fleet = fleetOf()): StageDriver {
  const driver = drive(createPlannerStage(fleet), { now: START })
  driver.send('tasks.admitted', 'TaskAdmitted', admitted(changes), { traceId: 'trace' })
  return driver
}

export const startTools = (changes: Partial<TaskAdmitted> = {}, fleet?: Fleet): StageDriver =>
  start({ mode: 'tools', ...changes }, fleet)

export function says(text: string, changes: Partial<ModelReply> = {}): ModelReply {
  const tokens = { inputTokens: 1_000, outputTokens: 100, usageIsEstimate: false }
  return { text, toolCalls: [], ...tokens, finishReason: 'stop', model: 'gpt-4o-2024', ...changes }
}

export const writes = (code: string): ModelReply => says(`Thought.\n\`\`\`python\n${code}\n\`\`\``)

export function calls(...wanted: [name: string, argumentsText: string, id?: string][]): ModelReply {
  const toolCalls = wanted.map(([name, argumentsText, id], index) => ({
    id: id ?? `c${index}`,
    name,
    argumentsText,
  }))
  return says('', { toolCalls, finishReason: 'tool_calls' })
}

export function tool(callId: string, changes: Partial<ToolCompleted> = {}): ToolCompleted {
  const none = { error: null, approval: null, child: null } as const
  const fixed = { taskId: 't1', requester: 'planner', cached: false, ...none } as const
  const rest = { tool: 'get_weather', step: 1, status: 'succeeded', output: { celsius: 21 } } as const
  return { ...fixed, ...rest, callId, startedAtMs: START, durationMs: 7, ...changes }
}

export function ran(changes: Partial<CodeCompleted> = {}): CodeCompleted {
  const step = changes.step ?? 1
  const nothing = {
    output: null,
    isFinal: false,
    finalAnswer: null,
    prints: '',
    error: null,
    toolCalls: [],
    childrenCost: null,
    kept: null,
  }
  const rest = {
    requestId: `t1.${step}`,
    step,
    status: 'finished',
    startedAtMs: START,
    durationMs: 5,
  } as const
  return { taskId: 't1', ...nothing, ...rest, ...changes }
}

export function answerTool(driver: StageDriver, callId: string, changes: Partial<ToolCompleted> = {}) {
  return driver.send('tools.completed', 'ToolCompleted', tool(callId, changes))
}

export function answerCode(driver: StageDriver, changes: Partial<CodeCompleted> = {}) {
  return driver.send('code.completed', 'CodeCompleted', ran(changes))
}

/** The request of the model call that is held. */
export function asked(driver: StageDriver): ModelRequest {
  assert.ok(driver.pendingCall, 'the model is not being asked')
  return driver.pendingCall.request as ModelRequest
}

const answerCheck = createOutputCaller({ schemas: directSchemaChecks() })

/** Answers the check of the result that is held, as the planner's caller does. */
export async function checkOutput(driver: StageDriver): Promise<void> {
  const call = driver.pendingCall
  assert.equal(call?.kind, 'check', 'no result is being checked')
  const context = { key: 't1', signal: new AbortController().signal }
  driver.answer(await answerCheck(call.request as OutputCheck, context))
}

/** What the model was told last. */
export function heard(driver: StageDriver): Message {
  const last = asked(driver).messages.at(-1)
  assert.ok(last)
  return last
}

export const heardText = (driver: StageDriver): string => String(heard(driver).content)

export function stepsOf(driver: StageDriver): Step[] {
  return driver.only('TaskCompleted').steps as unknown as Step[]
}

/** The task is over: one result, the end told to whoever may work on it, nothing left. */
export function assertEnded(driver: StageDriver, status: string, code: string | null): void {
  const completed = driver.only('TaskCompleted')
  assert.deepEqual(
    [completed.status, completed.error?.code ?? null],
    [status, code],
    completed.error?.message,
  )
  const closed = driver.emitted.filter((emit) => emit.type === 'TaskClosed').map((emit) => emit.topic)
  const withCode = completed.mode === 'code' ? ['code.requested'] : []
  assert.deepEqual(closed.sort(), [...withCode, 'tools.requested'])
  assert.deepEqual([driver.rows('t1'), driver.timers('t1')], [{}, {}])
  assert.equal(driver.pendingCall, null)
}
