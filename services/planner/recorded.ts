// What a fork shares with the task that it was made from: recorded steps, and recorded outcomes of tool calls.
//
// 1. Recorded steps come first. The model is not asked for them, and no tool is called. In code mode their
//    Python runs again, with its recorded seed, clock and outcomes, so that its variables are there; it must
//    print what it printed.
// 2. A call that a policy answers or refuses is never requested: no other stage can make it. Only a call that
//    is `live`, or that a person approved, is.
// 3. A recorded step is a row until it was repeated. An outcome that has answered is marked by a row of its
//    own, so that no row is rewritten for each call.
import { boundedText, glimpse } from '../../runtime/text/bounded-text.ts'
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import {
  isRefusedByPolicy,
  keptOutcomes,
  notRecorded,
  outcomeFor,
  type RecordedStep,
  type Recording,
} from '../../runtime/task/recording.ts'
import type { Emit, Failure, Json } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import { progressEvent } from './events.ts'
import {
  put,
  type PlannerRows,
  type RowChanges,
  type Situation,
  type Step,
  type StepToolCall,
} from './rows.ts'

/** Names of the tools that the task may call, whether it or a recording answers. */
export const toolNames = ({ tools, policyTools }: Pick<TaskAdmitted, 'tools' | 'policyTools'>) =>
  policyTools ?? tools

/** The rows that a task's recording becomes. */
export function recordingRows({ recording, mode, toolPolicy }: PlannerRows['task']): RowChanges {
  if (recording === null) return {}
  const given = recording as unknown as Recording
  const { steps = [] } = given
  const rows: RowChanges = {}
  for (const [index, step] of steps.entries()) Object.assign(rows, put(`recorded:${index + 1}`, step))
  // In code mode code-sandbox answers calls, those of repeated steps under any policy.
  const isNeeded = mode === 'code' || toolPolicy === 'recorded' || toolPolicy === 'ask'
  const outcomes = isNeeded ? keptOutcomes(given) : []
  if (outcomes.length > 0) rows.outcomes = outcomes
  if (mode === 'code') return rows
  // Calls of repeated steps keep their outcomes.
  const used = steps.reduce((sum, { toolCalls }) => sum + toolCalls.length, 0)
  for (let index = 0; index < Math.min(used, outcomes.length); index++)
    Object.assign(rows, put(`used:${index}`, true))
  return rows
}

/** Tools of the steps that a task shares in tools mode, before its recording became rows. */
export function sharedTools({ mode, recording }: PlannerRows['task']): readonly string[] {
  if (mode === 'code') return []
  const { steps = [] } = (recording ?? {}) as unknown as Recording
  return [...new Set(steps.flatMap(({ toolCalls }) => toolCalls.map(({ tool }) => tool)))]
}

/** The recording of the step that begins now; null if it is run. */
export const recordedStep = ({ rows, run }: Situation): RecordedStep | null =>
  rows[`recorded:${run.step}`] ?? null

/** A recorded step as one of this task. It has cost this task nothing. */
export function repeated(from: Situation, recorded: RecordedStep, begun: Step): Step {
  const { step } = from.run
  const toolCalls = recorded.toolCalls.map((call, index): StepToolCall => {
    const { tool, arguments: args, status, output, error = null } = call
    const rest = { durationMs: 0, cached: false, recorded: true } as const
    const callId = `${from.task.taskId}.${step}.${index}`
    return { callId, tool, arguments: args, status, output: output ?? null, error, ...rest }
  })
  const { observation, error } = recorded
  return { ...begun, model: recorded.model ?? '', recorded: true, toolCalls, observation, error }
}

/** Null if the repeated step did what its recording says. `ends`: it would have ended the task. */
export function divergence(from: Situation, step: Step, ends = false): Failure | null {
  const recorded = recordedStep(from)
  if (recorded === null || (!ends && step.observation === recorded.observation)) return null
  const now = ends ? 'it ended the task' : `its observation is now ${quoted(step.observation)}`
  const message =
    `Step ${step.step} of ${from.task.forkedFrom ?? 'the recording'} came out differently when it was repeated: ` +
    `${now}, and was ${quoted(recorded.observation)}. Fork from step ${step.step} or an earlier one`
  return failure('FORK_DIVERGED', boundedText(message))
}

const MAX_QUOTED = 200

const quoted = (text: string | null): string =>
  text === null ? 'none' : JSON.stringify(text.slice(0, MAX_QUOTED))

/** Rows of tasks that an older version began name no policy. */
export const isLive = (policy: TaskAdmitted['toolPolicy'] | undefined): policy is 'live' | null =>
  (policy ?? 'live') === 'live'

type Answered = Pick<StepToolCall, 'status' | 'output' | 'error' | 'recorded'>

/** How the task's policy has one call answered; null: the tool is called; ask: if a person approves. `taken`: rows of calls of this turn. */
export function answerByPolicy(
  { task: { toolPolicy }, rows }: Situation,
  call: { readonly tool: string; readonly arguments: Json },
  spec: ToolSpec,
  taken: RowChanges,
): Answered | 'ask' | null {
  if (isLive(toolPolicy)) return null
  if (toolPolicy === 'refuse') return refused(call.tool, notRecorded.refuse)
  const isUsed = (index: number) => Boolean(rows[`used:${index}`] ?? taken[`used:${index}`])
  const found = outcomeFor(call, rows.outcomes ?? [], { isUsed, isIdempotent: spec.idempotent })
  if (found) {
    Object.assign(taken, put(`used:${found.index}`, true))
    const { status, output, error } = found.outcome
    return { status, output: output ?? null, error: error ?? null, recorded: true }
  }
  return toolPolicy === 'ask' && !spec.delegate ? 'ask' : refused(call.tool, notRecorded[toolPolicy])
}

function refused(tool: string, why: string): Answered {
  const message = `${tool} was not called: ${why}. Go on without it`
  return { status: 'refused', output: null, error: failure('TOOL_NOT_RECORDED', message) }
}

/** The lines in the history of a call that no tool answered. */
export function answeredEvents(from: Situation, call: StepToolCall): Emit[] {
  const { callId, tool, status, error, durationMs, cached } = call
  const detail = {
    callId,
    tool,
    status,
    durationMs,
    cached,
    recorded: call.recorded ?? false,
    error: error && { ...error },
    arguments: glimpse(call.arguments),
    output: glimpse(call.output ?? null),
  }
  return [
    progressEvent(from, 'tool_requested', { callId, tool, arguments: call.arguments }),
    progressEvent(from, 'tool_called', detail),
  ]
}

/** Refused calls that the result names; its steps have all. */
const MAX_REFUSED = 100

/** The calls that the policy refused, for the result; null if there are none. */
export function refusedCalls({ task }: Situation, steps: readonly Step[]): Json {
  if (isLive(task.toolPolicy)) return null
  const refused = steps.flatMap(({ step, recorded, toolCalls }) =>
    recorded
      ? []
      : toolCalls
          .filter(isRefusedByPolicy)
          .map(({ callId, tool, arguments: args }) => ({ step, callId, tool, arguments: args })),
  )
  return refused.length === 0 ? null : refused.slice(0, MAX_REFUSED)
}
