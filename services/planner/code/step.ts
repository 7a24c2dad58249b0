// A step in code mode: the model's Python goes to the sandbox, its outcome goes back to the model.
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { merge } from '../../../runtime/decisions.ts'
import type { Emit, Json } from '../../../runtime/stage.ts'
import type { CodeCompleted } from '../../../schemas/generated/events.ts'
import { asJson } from '../../../runtime/python/kept-variables.ts'
import type { RecordedStep } from '../../../runtime/task/recording.ts'
import { isLive, recordedStep } from '../recorded.ts'
import { delegationOf, withChild } from '../delegation.ts'
import { progressEvent } from '../events.ts'
import { takeValue } from '../result/final-answer.ts'
import { readCode, type FoundCode } from './blocks.ts'
import { keepReported } from './kept-variables.ts'
import { fail } from '../result/task-end.ts'
import { currentStep, requestId } from '../step-replies.ts'
import { imaginedObservation, markedAsData, tellCode, tellEdited } from '../prompts/replies.ts'
import { change, put, type Move, type Situation, type Step, type StepToolCall } from '../rows.ts'
import type { ToolBook } from '../tools/catalogue.ts'
import { endStep, newStep, nextStep } from '../step.ts'

export function runCode(
  from: Situation,
  text: string,
  { code, said }: FoundCode,
  fleet: Fleet,
  book: ToolBook,
): Move {
  const { task, run } = from
  const recorded = recordedStep(from)
  const begun = newStep(from, 'code', text, code)
  const step = recorded ? { ...begun, model: recorded.model ?? '', recorded: true as const } : begun
  const delegation = book.of(task).some(({ delegate }) => delegate) ? delegationOf(from, 1) : null
  const { rows } = change(from, {
    run: { ...run, phase: 'code', reminded: false, ...(delegation && { lent: [requestId(from)] }) },
    ...put(`said:${run.step}`, { role: 'assistant', content: said }),
    ...put(`step:${run.step}`, step),
    // code-sandbox keeps them.
    ...(from.rows.outcomes ? { outcomes: null } : {}),
    ...(from.rows.prior ? { prior: null } : {}),
  })
  const data = {
    taskId: task.taskId,
    requestId: requestId(from),
    step: run.step,
    code,
    executor: task.executor,
    ...toolsOf(from, recorded, book),
    toolCacheTtlMs: task.toolCacheTtlMs,
    userId: task.userId,
    timeoutMs: fleet.limits.codeStepTimeoutMs,
    deadlineMs: task.deadlineMs,
    agent: task.agent,
    prior: asJson(from.rows.prior ?? null),
    keepLog: run.variables !== undefined,
    delegation,
  }
  const { requestId: id } = data
  const emit: Emit[] = [
    { topic: 'code.requested', type: 'CodeRequested', data },
    progressEvent(from, 'code_requested', { requestId: id, code }),
  ]
  return { changes: { rows, emit } }
}

/** The step's tools, who answers them, and with what. Calls of a repeated step are answered by its recording. */
function toolsOf({ task, rows: { outcomes } }: Situation, recorded: RecordedStep | null, book: ToolBook) {
  const names = book.of(task).map((spec) => spec.name)
  const toolPolicy = recorded ? ('recorded' as const) : task.toolPolicy
  const { seed, atMs } = recorded ?? {}
  const step = recorded ? { step: { ...(seed && { seed }), ...(atMs && { atMs }) } } : {}
  const kept = outcomes ? { outcomes: outcomes as unknown as Json } : {}
  return {
    tools: isLive(toolPolicy) ? names : [],
    policyTools: isLive(toolPolicy) ? null : names,
    toolPolicy: toolPolicy ?? null,
    recording: recorded || outcomes ? { ...step, ...kept } : null,
  }
}

/** Ignored if the task does not wait for it. */
export function completeCode(waiting: Situation, done: CodeCompleted, book: ToolBook, fleet: Fleet): Move {
  if (!isAwaited(waiting, done)) return { changes: {} }
  const { childrenCost = null } = done
  const run = childrenCost === null ? waiting.run : withChild(waiting.run, childrenCost)
  const { to, rows } = change(waiting, { run, ...keepReported({ ...waiting, run }, done, fleet) })
  const move = takeOutcome(to, done, book)
  return { ...move, changes: merge({ rows }, move.changes) }
}

const isAwaited = (from: Situation, done: CodeCompleted): boolean =>
  from.run.phase === 'code' && done.requestId === requestId(from)

function takeOutcome(from: Situation, done: CodeCompleted, book: ToolBook): Move {
  const begun = currentStep(from)
  if (begun === null) return { changes: {} }
  const step = withObservation(begun, done)
  if (done.isFinal) return takeValue(from, step, done.finalAnswer)
  // The model can't fix a sandbox that does not start.
  if (done.error?.code === 'SANDBOX_UNAVAILABLE') {
    const { to, changes } = endStep(from, step)
    return { changes: merge(changes, fail(to, done.error)) }
  }
  // Python mixes data it read with data it made: if any of its tools reads from outside, all output is
  // marked.
  const observation = step.observation ?? ''
  const content = book.isUntrusted(null, from.task) ? markedAsData(observation) : observation
  return nextStep(from, step, [{ role: 'user', content }])
}

/** Adds the observation. A final answer alone has none; printed text does. */
function withObservation(step: Step, done: CodeCompleted): Step {
  const silent = done.isFinal && done.prints === '' && done.error === null
  const toolCalls = callsOf(done.toolCalls)
  const edited = toolCalls.map(({ tool, approval = null }) => ({ tool, text: tellEdited(approval) }))
  const notes = edited.filter(({ text }) => text !== '').map(({ tool, text }) => `${tool}: ${text}`)
  const observed = [...notes, tellCode(done)].join('')
  const observation = silent
    ? null
    : readCode(step.text)?.imagined
      ? `${imaginedObservation}\n\n${observed}`
      : observed
  return { ...step, observation, error: done.error, toolCalls }
}

/** The tool calls of the code, from the sandbox's JSON; missing fields are filled in. */
function callsOf(calls: Json): StepToolCall[] {
  if (!Array.isArray(calls)) return []
  return calls.flatMap((call) => {
    if (typeof call !== 'object' || call === null || Array.isArray(call)) return []
    const blank = { callId: '', tool: '', arguments: null, status: 'succeeded' } as const
    const rest = { error: null, durationMs: 0, cached: false } as const
    return [{ ...blank, ...rest, ...call } as StepToolCall]
  })
}
