// Carries a task from admission to its one result: asks the model, hands out its tool calls or its code, tells it what
// came of them, until it answers or a limit ends it.
//
// 1. One result for each task: TaskCompleted and TaskClosed are emitted by the transition that deletes the task's rows.
// 2. What arrives for a task that is not there, or that nothing waits for, changes nothing.
// 3. A cancel or the deadline stops the call under way (which changes nothing but what the
//    task has cost) and then takes its turn.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import type { Call, CallOutcome, Decision, Failure, Stage, StageEvent } from '../../runtime/stage.ts'
import { headers } from '../../schemas/topics.ts'
import { answerChecked, askForCode, checkCall, keepAnswer, takeText } from './final-answer.ts'
import { readCode, withoutThinking } from './code-blocks.ts'
import { codeCompleted, runCode } from './code-step.ts'
import { cancel, fail, timeOut } from './task-end.ts'
import { REMEMBER_ENDED_MS } from './constants.ts'
import type { ModelReply, ModelRequest } from './call.ts'
import { modelFailed } from './failed-call.ts'
import { progress } from './events.ts'
import { PROMPT_VERSION } from './prompts/system.ts'
import { both, change, currentModel, put, situation } from './rows.ts'
import type { Move, PlannerRows, Run, Situation, State } from './rows.ts'
import { approvalDecided, callTools, toolCompleted } from './tools-step.ts'
import { toolBook } from './tool-catalogue.ts'
import { finished, firstRun, modelCall, newStep, openingMessages, stepLimit } from './step.ts'
import { spend } from './usage.ts'

type Event<T> = Extract<StageEvent, { type: T }>
type Planned = Decision<PlannerRows>

export function createPlannerStage(fleet: Fleet): Stage<PlannerRows> {
  const book = toolBook(fleet)

  function decide(event: StageEvent, rows: State): Planned {
    const now = situation(event, rows, event.atMs)
    if (now === null) return withoutTask(event, rows)
    const { changes, ask, check } = transition(event, now)
    if (check) return { ...changes, call: checkCall(now, check, fleet.agents[now.task.agent]?.outputSchema) }
    return ask ? { ...changes, call: modelCall(ask, book, fleet) } : changes
  }

  /** A cancel of a task that is not here changes nothing: router passes it on behind the task, if there is one to come. */
  function withoutTask(event: StageEvent, rows: State): Planned {
    switch (event.type) {
      case 'TaskAdmitted':
        return rows.ended ? refuseAgain(event) : begin(event)
      case 'TimerFired':
        return { clear: true }
      default:
        return {}
    }
  }

  function begin(event: Event<'TaskAdmitted'>): Planned {
    const opening = opened(event)
    if (event.atMs >= opening.task.deadlineMs) return timeOut(opening)
    const heard = openingMessages(opening.task, fleet, book)
    const { to, rows: begun } = change(opening, { task: opening.task, run: opening.run, 'heard:0': heard })
    return { rows: begun, timers: { deadline: to.task.deadlineMs }, call: modelCall(to, book, fleet) }
  }

  function transition(event: StageEvent, now: Situation): Move {
    switch (event.type) {
      case 'TaskCancelled':
        return { changes: cancel(now, event.data.reason) }
      case 'ToolCompleted':
        return toolCompleted(now, event.data, book)
      case 'CodeCompleted':
        return codeCompleted(now, event.data, book)
      case 'ApprovalDecided':
        return approvalDecided(now, event.data, book)
      case 'TimerFired':
        return timerFired(event.data.name, now)
      default:
        return { changes: {} }
    }
  }

  function timerFired(name: string, now: Situation): Move {
    if (name === 'deadline') return { changes: timeOut(now) }
    const due = (name === 'turn' || name === 'retry') && now.run.phase === 'model'
    if (!due) return { changes: {} }
    return now.rows.answer ? { changes: {}, check: now.rows.answer } : { changes: {}, ask: now }
  }

  function conclude(event: StageEvent, rows: State, call: Call, outcome: CallOutcome): Planned {
    const now = situation(event, rows, outcome.endedMs)
    if (now === null) return {}
    return call.kind === 'check'
      ? outputChecked(event, now, outcome)
      : modelAnswered(now, call.request as ModelRequest, outcome)
  }

  /** What decide asked about is found again as it found it: in the event, or in the row. */
  function outputChecked(event: StageEvent, now: Situation, outcome: CallOutcome): Planned {
    const { check } = transition(event, now)
    return check ? followed(answerChecked(now, check, outcome), now.atMs) : {}
  }

  function modelAnswered(now: Situation, request: ModelRequest, outcome: CallOutcome): Planned {
    const { run, emit, cost } = spend(now, outcome, request, fleet.models.prices)
    const paid = change(now, { run })
    const spent: Planned = { rows: paid.rows, emit }
    if (!outcome.ok) return both(spent, modelFailed(paid.to, outcome.failure))
    const reply = outcome.value as ModelReply
    const told = both(spent, { emit: [progress(paid.to, 'model_called', called(now, reply, outcome, cost))] })
    return both(told, followed(answered(paid.to, reply), paid.to.atMs))
  }

  /** A second call needs a handling of its own: the timer is due at once. */
  function followed({ changes, ask, check }: Move, atMs: number): Planned {
    if (check) return both(changes, keepAnswer(check, atMs))
    return ask ? both(changes, { timers: { turn: ask.atMs } }) : changes
  }

  function answered(now: Situation, reply: ModelReply): Move {
    const text = withoutThinking(reply.text)
    if (now.task.mode === 'tools' && reply.toolCalls.length > 0) return toolsWanted(now, text, reply)
    const found = now.task.mode === 'code' ? readCode(reply.text) : null
    if (found !== null) return runCode(now, text, found, fleet, book)
    const said = change(
      now,
      put(`said:${now.run.step}`, { role: 'assistant', content: text || '(no answer)' }),
    )
    const step = newStep(now, 'answer', text)
    const isCall = now.task.mode === 'code' && reply.toolCalls.length > 0
    const move = isCall
      ? askForCode(said.to, step, book)
      : takeText(said.to, step, reply.finishReason === 'length', book)
    return { ...move, changes: both({ rows: said.rows }, move.changes) }
  }

  /** In the last turn nobody would read what the tools answer: they are not called. */
  function toolsWanted(now: Situation, text: string, reply: ModelReply): Move {
    if (now.run.step < now.task.maxSteps) return callTools(now, text, reply, book)
    const limit = stepLimit(now.task.maxSteps)
    const { to, changes } = finished(now, { ...newStep(now, 'tools', text), error: limit })
    return { changes: both(changes, fail(to, limit)) }
  }

  return {
    name: 'planner',
    version: 1,
    consumes: [
      { topic: 'tasks.admitted' },
      { topic: 'tasks.control', events: ['TaskCancelled', 'ApprovalDecided'] },
      {
        topic: 'tools.completed',
        accepts: (recordHeaders) => recordHeaders[headers.requester] === 'planner',
      },
      { topic: 'code.completed' },
    ],
    decide,
    conclude,
    interrupts: (event) =>
      event.type === 'TaskCancelled' || (event.type === 'TimerFired' && event.data.name === 'deadline'),
    poisoned(event, rows, reason) {
      const now = situation(event, rows, event.atMs)
      if (now) return endedBy(now, reason)
      if (rows.run) return endedBy(remains(event, rows.run, rows), reason)
      return event.type === 'TaskAdmitted' && !rows.ended ? endedBy(opened(event), reason) : {}
    },
  }
}

function opened(event: Event<'TaskAdmitted'>): Situation {
  const task = { ...event.data, taskId: event.key, traceId: event.traceId, promptVersion: PROMPT_VERSION }
  return { task, run: firstRun(task, event.atMs), rows: {}, event, atMs: event.atMs }
}

/** A task whose own row the blob store has lost: what its result can still say. */
function remains(event: StageEvent, run: Run, rows: State): Situation {
  const unknown = {
    text: '',
    userId: null,
    agent: '',
    profile: '',
    sessionId: null,
    parent: null,
    outputSchema: null,
  }
  const choices = {
    models: [],
    modelReason: '',
    temperature: 0,
    maxSteps: 0,
    maxCost: null,
    maxOutputTokens: 0,
  }
  const tools = { executor: '', tools: [], toolCacheTtlMs: null, priority: 0, estimatedTokens: null }
  const times = { timeoutMs: 0, deadlineMs: event.atMs, submittedAtMs: run.stepStartedAtMs }
  const ids = {
    taskId: event.key,
    mode: 'code' as const,
    traceId: event.traceId,
    promptVersion: PROMPT_VERSION,
  }
  return { task: { ...unknown, ...choices, ...tools, ...times, ...ids }, run, rows, event, atMs: event.atMs }
}

/** It is kept that the task has ended: what was given up may be replayed. */
function endedBy(now: Situation, reason: Failure): Planned {
  const timers = { forget: now.atMs + REMEMBER_ENDED_MS }
  return { ...fail(now, reason), rows: { ended: { atMs: now.atMs } }, timers }
}

function refuseAgain(event: Event<'TaskAdmitted'>): Planned {
  const message = 'The task had ended before, and was not begun again. Submit it under another id.'
  const error = failure('TASK_INVALID', message)
  return { emit: [progress(opened(event), 'completed', { status: 'failed', error: { ...error } })] }
}

function called(now: Situation, reply: ModelReply, outcome: CallOutcome, cost: number) {
  const { text, inputTokens, outputTokens, finishReason } = reply
  const toolCalls = reply.toolCalls.map(({ name, argumentsText }) => ({ name, argumentsText }))
  const durationMs = outcome.endedMs - outcome.startedMs
  return {
    model: currentModel(now),
    promptVersion: now.task.promptVersion,
    text,
    toolCalls,
    inputTokens,
    outputTokens,
    cost,
    durationMs,
    finishReason,
  }
}
