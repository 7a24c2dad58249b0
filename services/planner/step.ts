// A step of the model: calls it, and ends a step so that the next one can begin.
//
// 1. One model answer is one step; retries of the same call are not.
// 2. Steps and money are checked before a call, never after: an answer that was paid for counts.
import { packagesOf } from '../../runtime/config/executors.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { merge } from '../../runtime/decisions.ts'
import { failure } from '../../runtime/errors.ts'
import { plural } from '../../runtime/text/quantities.ts'
import { callLimitsOf } from '../../runtime/models/call-limits.ts'
import { parseModel } from '../../runtime/models/names.ts'
import type { Call, Failure } from '../../runtime/stage.ts'
import type { HistoryMessage } from '../../schemas/history.ts'
import { noUsage } from '../../runtime/task/result.ts'
import { restarted } from './held.ts'
import { fail, stop } from './result/task-end.ts'
import { MODEL_MARGIN_MS } from './constants.ts'
import type { Message, ModelRequest } from './call.ts'
import { divergence, recordedStep, sharedTools } from './recorded.ts'
import { portable } from './conversation/portable.ts'
import { progressEvent } from './events.ts'
import { tellVariables } from './code/kept-variables.ts'
import { keepStep } from './conversation/kept-steps.ts'
import { lastTurn, truncated } from './prompts/replies.ts'
import { systemPrompt } from './prompts/system.ts'
import {
  change,
  conversation,
  currentModel,
  put,
  type Changes,
  type Move,
  type PlannerRows,
  type Run,
  type Situation,
  type Step,
} from './rows.ts'
import { takeSteers } from './conversation/steering.ts'
import type { ToolBook } from './tools/catalogue.ts'

/** Longest observation kept in history, in characters; the result keeps all of it. */
const MAX_HISTORY_CHARS = 500

export function firstRun(task: PlannerRows['task'], atMs: number): Run {
  return {
    phase: 'model',
    step: 1,
    stepStartedAtMs: atMs,
    model: 0,
    modelReason: task.modelReason,
    failed: [],
    open: [],
    retries: 0,
    waiting: false,
    reminded: false,
    miss: null,
    usage: noUsage,
    stepUsage: noUsage,
    ...(task.askedBy && { askedBy: task.askedBy }),
  }
}

export function openingMessages(task: PlannerRows['task'], fleet: Fleet, book: ToolBook): Message[] {
  const { mode, maxSteps, outputSchema } = task
  const configured = fleet.agents[task.agent] ?? {}
  const agent = task.instructions ? { ...configured, instructions: task.instructions } : configured
  const packages = packagesOf(task.executor, fleet.sandbox)
  const earlier = (task.history ?? []) as unknown as readonly HistoryMessage[]
  const brought = earlier.filter(({ role }) => role === 'system').map(({ content }) => content.trim())
  const tools = book.of(task)
  const sharesData = sharedTools(task).some((name) => book.isUntrusted(name, task))
  const parts = { mode, agent, tools, packages, maxSteps, outputSchema, brought, sharesData }
  const system = systemPrompt({ ...parts, variables: tellVariables(task) })
  return [{ role: 'system', content: system }, ...conversed(earlier), { role: 'user', content: task.text }]
}

/** What was said before the task. Messages of one side in a row are joined: some servers refuse them. */
function conversed(earlier: readonly HistoryMessage[]): Message[] {
  const messages: { role: 'user' | 'assistant'; content: string }[] = []
  for (const { role, content } of earlier) {
    if (role !== 'user' && role !== 'assistant') continue
    const last = messages.at(-1)
    if (last?.role === role) last.content += `\n\n${content}`
    else messages.push({ role, content })
  }
  return messages
}

/** `summary`: asks this instead of for the next step. */
export function modelCall(
  from: Situation,
  book: ToolBook,
  { models }: Pick<Fleet, 'models'>,
  summary?: ModelRequest,
): Call {
  const { task, atMs } = from
  const model = currentModel(from)
  const request = summary ?? stepRequest(from, book)
  const { provider } = parseModel(model)
  const limitMs = callLimitsOf(provider, models.providers[provider]).timeoutMs
  const untilMs = task.deadlineMs
  const timeoutMs = Math.max(1, Math.min(limitMs + MODEL_MARGIN_MS, untilMs - atMs))
  return { kind: 'model', target: provider, request, timeoutMs, untilMs, idempotent: true }
}

function stepRequest(from: Situation, book: ToolBook): ModelRequest {
  const { task, run } = from
  const model = currentModel(from)
  const tools = task.mode === 'tools' ? book.forModel(task) : []
  return {
    model,
    messages: portable(withLastStepNote(conversation(from), from), tools.length > 0, model),
    ...(task.mode === 'tools' ? { tools } : {}),
    temperature: task.temperature,
    maxOutputTokens: task.maxOutputTokens,
    stream: true,
    userId: task.userId,
    step: run.step,
    ...(run.steered && { steered: run.steered }),
  }
}

function withLastStepNote(messages: Message[], { task, run }: Situation): Message[] {
  if (run.step === 1 || run.step < task.maxSteps) return messages
  return [...messages, { role: 'user', content: lastTurn[task.mode] }]
}

/** A new step, from the model's answer. */
export function newStep(from: Situation, kind: Step['kind'], text: string, code: string | null = null): Step {
  const { run, atMs } = from
  return {
    step: run.step,
    kind,
    model: currentModel(from),
    text,
    code,
    toolCalls: [],
    observation: null,
    error: null,
    startedAtMs: run.stepStartedAtMs,
    durationMs: atMs - run.stepStartedAtMs,
    usage: run.stepUsage,
  }
}

/** Ends the step now. `next`: the step that begins with it. */
export function endStep(
  from: Situation,
  step: Step,
  next: number | null = null,
): { to: Situation; changes: Changes } {
  const whole = { ...step, durationMs: from.atMs - step.startedAtMs }
  const kept = keepStep(from, whole)
  const { to, rows } = change(from, { ...kept.rows, run: kept.run })
  const { kind, observation, error, durationMs } = whole
  const shown = observation === null ? null : truncated(observation, MAX_HISTORY_CHARS)
  const detail = { kind, durationMs, code: error?.code ?? null, observation: shown, next }
  return { to, changes: { rows, emit: [progressEvent(from, 'step_completed', detail)] } }
}

/** Ends the step and tells the model `heard`; or ends the task if no step is left. */
export function nextStep(before: Situation, step: Step, heard: Message[], run: Partial<Run> = {}): Move {
  // A step that was given up may leave calls that wait.
  const { to: from, changes } = restarted(before, before.atMs)
  const move = stepAfter(from, step, heard, run)
  return { ...move, changes: merge(changes, move.changes) }
}

function stepAfter(from: Situation, step: Step, heard: Message[], run: Partial<Run>): Move {
  const diverged = divergence(from, step)
  const spent = diverged ?? outOfSteps({ ...from.run, ...run }, from)
  const ended = endStep(from, step, spent ? null : from.run.step + 1)
  if (spent) {
    const end = spent.code === 'COST_LIMIT' ? stop : fail
    return { changes: merge(ended.changes, end(ended.to, spent)) }
  }
  const steered = takeSteers(from)
  const next: Run = {
    ...ended.to.run,
    ...steered.run,
    miss: null,
    ...run,
    phase: 'model',
    step: from.run.step + 1,
    stepStartedAtMs: from.atMs,
    stepUsage: noUsage,
    retries: 0,
    open: [],
    waiting: false,
    waits: 0,
  }
  const isRepeated = recordedStep(from) !== null
  const { to, rows } = change(ended.to, {
    run: next,
    ...put(`heard:${step.step}`, [...heard, ...steered.heard]),
    ...(steered.heard.length > 0 ? { steers: null } : {}),
    ...(ended.to.rows.failedCall ? { failedCall: null } : {}),
    ...(isRepeated ? put(`recorded:${step.step}`, null) : {}),
  })
  return { changes: merge(ended.changes, { rows }), ask: to }
}

function outOfSteps(next: Run, { task, run }: Situation): Failure | null {
  if (run.step >= task.maxSteps) return next.miss ?? stepLimit(task.maxSteps)
  return costSpent(next, task)
}

/** What the task has cost by now, with all that it delegated. */
export const totalCost = ({ usage, childrenCost = 0 }: Run): number => usage.cost + childrenCost

export function costSpent(run: Run, task: Situation['task']): Failure | null {
  const spent = totalCost(run)
  if (task.maxCost === null || spent < task.maxCost) return null
  return failure('COST_LIMIT', `The task has cost $${spent.toFixed(6)} of its maxCost $${task.maxCost}`)
}

export function stepLimit(maxSteps: number): Failure {
  return failure('STEP_LIMIT', `The model did not finish within ${plural(maxSteps, 'step')} (maxSteps)`)
}
