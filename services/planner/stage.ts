// Carries a task from admission to its one result: calls the model, sends out its tool calls or its code,
// gives it their outcome, until it answers or a limit ends the task.
//
// 1. One result for each task: TaskCompleted and TaskClosed are emitted by the transition that deletes the
//    task's rows.
// 2. An event for an unknown task, or one that nothing waits for, changes nothing.
// 3. A cancel or the deadline stops the running call (which then only adds to the task's cost) and is handled
//    next.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { merge } from '../../runtime/decisions.ts'
import { failure } from '../../runtime/errors.ts'
import { turnLost } from '../../runtime/task/session-turns.ts'
import type {
  Call,
  CallFailure,
  CallOutcome,
  Decision,
  Failure,
  Stage,
  StageEvent,
} from '../../runtime/stage.ts'
import { headers } from '../../schemas/topics.ts'
import { takeChecked, askForCode, checkCall, keepAnswer, takeText } from './result/final-answer.ts'
import { codeBehindThought, readCode, withoutThinking, type FoundCode } from './code/blocks.ts'
import { codeInCalls } from './code/in-calls.ts'
import { completeCode, runCode } from './code/step.ts'
import { cancel, fail, stop, timeOut, timeOutUnbegun } from './result/task-end.ts'
import { compact, squeeze, takeSummary, withoutSummary } from './conversation/compaction.ts'
import { withinCost, withPrompt } from './cost-bound.ts'
import { learnt } from './conversation/context-size.ts'
import { REMEMBER_AFTER_DEADLINE_MS, REMEMBER_ENDED_MS } from './constants.ts'
import type { ModelReply, ModelRequest } from './call.ts'
import { handleFailedCall } from './failed-call.ts'
import { progressEvent } from './events.ts'
import { PROMPT_VERSION } from './prompts/system.ts'
import { change, currentModel, isCold, put, situation } from './rows.ts'
import type { Changes, Move, PlannerRows, Run, Situation, State } from './rows.ts'
import { concludeSummaryCall, keyOfSummary, noSummary, summaryCall } from './conversation/session-summary.ts'
import { steer, withSeen } from './conversation/steering.ts'
import { recordedStep, recordingRows, toolNames } from './recorded.ts'
import { repeatStep } from './repeat.ts'
import { keptAtFirst, withoutLostVariables } from './code/kept-variables.ts'
import { callTools, completeTool } from './tools/step.ts'
import { followDelegation, holdCall, releaseCall } from './held.ts'
import { toolBook } from './tools/catalogue.ts'
import { costSpent, endStep, firstRun, modelCall, newStep, openingMessages, stepLimit } from './step.ts'
import { spend } from './usage.ts'

type Event<T> = Extract<StageEvent, { type: T }>
type Planned = Decision<PlannerRows>

export function createPlannerStage(fleet: Fleet): Stage<PlannerRows> {
  const book = toolBook(fleet)

  function decide(event: StageEvent, given: State): Planned {
    const rows = withoutLostVariables(given)
    if (event.type === 'SummaryRequested') return { call: summaryCall(event.data, fleet) }
    const now = situation(event, rows, event.atMs)
    if (now === null) return withoutTask(event, rows)
    const { changes, ask, check } = transition(event, now)
    if (check) return { ...changes, call: checkCall(now, check, fleet.agents[now.task.agent]?.outputSchema) }
    return ask ? merge(changes, takeTurn(ask)) : changes
  }

  /** The model is called, unless the step was recorded. */
  function takeTurn(now: Situation): Planned {
    const recorded = recordedStep(now)
    if (recorded === null) return askModel(now)
    return withFollowUp(repeatStep(now, recorded, fleet, book), now.atMs)
  }

  /** The model's next step; before it, what makes a conversation shorter that is too long. */
  function askModel(now: Situation): Planned {
    const shorter = compact(now, book, fleet)
    switch (shorter.do) {
      case 'nothing':
        return callModel(now, modelCall(now, book, fleet))
      case 'change':
        return merge(shorter.changes, callModel(shorter.to, modelCall(shorter.to, book, fleet)))
      case 'summarise':
        return callModel(now, modelCall(now, book, fleet, shorter.request))
    }
  }

  /** A task in a tree never costs more than its maxCost: it ends before such a call. */
  function callModel(now: Situation, call: Call): Planned {
    const bounded = withinCost(now, call, fleet)
    return 'stop' in bounded ? stop(now, bounded.stop) : bounded
  }

  /** A cancel of an unknown task changes nothing: router passes it on behind the task, if the task comes. */
  function withoutTask(event: StageEvent, rows: State): Planned {
    switch (event.type) {
      case 'TaskAdmitted':
        return rows.ended ? refuseAgain(event) : begin(event)
      case 'TimerFired':
        return { clear: true }
      case 'TurnQueried':
        return { emit: [lostTurn(event)] }
      default:
        return {}
    }
  }

  function begin(event: Event<'TaskAdmitted'>): Planned {
    const opening = openTask(event)
    if (event.atMs >= opening.task.deadlineMs) return timeOutUnbegun(opening)
    const heard = openingMessages(opening.task, fleet, book)
    // The conversation has the history; kept twice, it would be stored twice.
    const kept = keptAtFirst(opening.task)
    const run = { ...opening.run, ...kept.run }
    const task = { ...opening.task, history: null, recording: null, variables: null }
    const recorded = recordingRows(opening.task)
    const { to, rows: begun } = change(opening, { task, run, 'heard:0': heard, ...recorded, ...kept.rows })
    return merge({ rows: begun, timers: { deadline: to.task.deadlineMs } }, takeTurn(to))
  }

  function transition(event: StageEvent, now: Situation): Move {
    switch (event.type) {
      case 'TaskCancelled':
        return { changes: cancel(now, event.data.reason) }
      case 'ToolCompleted':
        return completeTool(now, event.data, book)
      case 'CodeCompleted':
        return completeCode(now, event.data, book, fleet)
      case 'CallHeld':
        return { changes: holdCall(now, event.data) }
      case 'CallReleased':
        return { changes: releaseCall(now, event.data) }
      case 'DelegationHeld':
        return { changes: followDelegation(now, event.data) }
      case 'TaskSteered':
        return { changes: steer(now, event.data) }
      case 'TimerFired':
        return handleTimer(event.data.name, now)
      default:
        return { changes: {} }
    }
  }

  function handleTimer(name: string, now: Situation): Move {
    if (name === 'deadline') return { changes: timeOut(now) }
    const due = (name === 'turn' || name === 'retry') && now.run.phase === 'model'
    if (!due) return { changes: {} }
    return now.rows.answer ? { changes: {}, check: now.rows.answer } : { changes: {}, ask: now }
  }

  function conclude(event: StageEvent, given: State, call: Call, outcome: CallOutcome): Planned {
    if (event.type === 'SummaryRequested') return concludeSummaryCall(event.data, call, outcome, fleet)
    const now = situation(event, withoutLostVariables(given), outcome.endedMs)
    if (now === null) return {}
    return call.kind === 'check'
      ? concludeCheck(event, now, outcome)
      : concludeModelCall(now, call.request as ModelRequest, outcome)
  }

  /** The checked result is where `decide` found it: in the event, or in the row. */
  function concludeCheck(event: StageEvent, now: Situation, outcome: CallOutcome): Planned {
    const { check } = transition(event, now)
    return check ? withFollowUp(takeChecked(now, check, outcome), now.atMs) : {}
  }

  function concludeModelCall(now: Situation, request: ModelRequest, outcome: CallOutcome): Planned {
    const { run, emit, cost } = spend(now, outcome, request, fleet.models.prices)
    const paid = change(now, { run })
    const spent: Planned = { rows: paid.rows, emit }
    if (request.summarises) return merge(spent, concludeSummary(paid.to, request, outcome, cost))
    if (!outcome.ok) return merge(spent, concludeFailure(paid.to, request, outcome.failure))
    const reply = outcome.value as ModelReply
    const counted = withSeen(withPrompt(paid.to, request, reply, fleet), reply)
    const measured = change(paid.to, { run: { ...counted, compacted: learnt(paid.to, request, reply) } })
    const reported = merge(spent, {
      rows: measured.rows,
      emit: [progressEvent(paid.to, 'model_called', describeCall(now, reply, outcome, cost))],
    })
    return merge(reported, withFollowUp(takeReply(measured.to, reply), paid.to.atMs))
  }

  /** A prompt that the model refused as too long is made shorter once. */
  function concludeFailure(from: Situation, request: ModelRequest, error: CallFailure): Changes {
    const shorter = error.code === 'MODEL_CONTEXT_TOO_LONG' ? squeeze(from, request, fleet) : null
    return shorter ?? handleFailedCall(from, error)
  }

  function concludeSummary(
    from: Situation,
    request: ModelRequest,
    outcome: CallOutcome,
    cost: number,
  ): Changes {
    const shorter = outcome.ok
      ? takeSummary(from, request, outcome, cost, book, fleet)
      : withoutSummary(from, request, outcome.failure, book, fleet)
    if (shorter === null) return outcome.ok ? {} : handleFailedCall(from, outcome.failure)
    const over = costSpent(from.run, from.task)
    return over ? merge({ emit: shorter.emit ?? [] }, stop(from, over)) : shorter
  }

  /** A second call needs a handling of its own: the timer is due at once. */
  function withFollowUp({ changes, ask, check }: Move, atMs: number): Planned {
    if (check) return merge(changes, keepAnswer(check, atMs))
    return ask ? merge(changes, { timers: { turn: ask.atMs } }) : changes
  }

  function takeReply(now: Situation, reply: ModelReply): Move {
    const text = withoutThinking(reply.text)
    if (now.task.mode === 'tools' && reply.toolCalls.length > 0) return takeToolCalls(now, text, reply)
    const found = now.task.mode === 'code' ? codeIn(reply, toolNames(now.task)) : null
    if (found !== null) return runCode(now, text || found.said, found, fleet, book)
    const said = change(
      now,
      put(`said:${now.run.step}`, { role: 'assistant', content: text || '(no answer)' }),
    )
    const step = newStep(now, 'answer', text)
    const isCall = now.task.mode === 'code' && reply.toolCalls.length > 0
    const move = isCall
      ? askForCode(said.to, step, book)
      : takeText(said.to, step, reply.finishReason === 'length', book)
    return { ...move, changes: merge({ rows: said.rows }, move.changes) }
  }

  /** In the last step tools are not called: the model could not read their replies. */
  function takeToolCalls(now: Situation, text: string, reply: ModelReply): Move {
    if (now.run.step < now.task.maxSteps) return callTools(now, text, reply, book)
    const limit = stepLimit(now.task.maxSteps)
    const { to, changes } = endStep(now, { ...newStep(now, 'tools', text), error: limit })
    return { changes: merge(changes, fail(to, limit)) }
  }

  return {
    name: 'planner',
    version: 2,
    consumes: [
      { topic: 'tasks.admitted' },
      { topic: 'tasks.control', events: ['TaskCancelled'] },
      // From either requester: a call of Python that waits stops the task's deadline too.
      { topic: 'tools.completed', accepts: (of) => of[headers.requester] === 'planner' || isWait(of) },
      { topic: 'code.completed' },
      {
        topic: 'sessions.turns',
        accepts: ({ [headers.schema]: type = '' }) => ofSessions.has(type),
      },
    ],
    isCold,
    keyOf: (event) => (event.type === 'SummaryRequested' ? keyOfSummary(event.data) : event.key),
    decide,
    conclude,
    interrupts: (event) =>
      event.type === 'TaskCancelled' || (event.type === 'TimerFired' && event.data.name === 'deadline'),
    poisoned(event, given, reason) {
      const rows = withoutLostVariables(given)
      if (event.type === 'SummaryRequested') return noSummary(event.data, reason)
      const now = situation(event, rows, event.atMs)
      if (now) return giveUp(now, reason)
      if (rows.run) return giveUp(remainsOf(event, rows.run, rows), reason)
      return event.type === 'TaskAdmitted' && !rows.ended ? giveUp(openTask(event), reason) : {}
    },
  }
}

const isWait = ({ [headers.schema]: type = '' }: Readonly<Record<string, string>>): boolean => waits.has(type)

const waits: ReadonlySet<string> = new Set(['CallHeld', 'CallReleased', 'DelegationHeld'])
const ofSessions: ReadonlySet<string> = new Set(['TurnQueried', 'TaskSteered', 'SummaryRequested'])

/** A session asks for a task that does not run here: it has ended, or its rows are lost. */
function lostTurn({ data, atMs }: Event<'TurnQueried'>) {
  const { taskId: task, sessionId, userId, agent } = data
  const error = failure('TURN_LOST', `Nothing is known of task ${task} any more`)
  return turnLost({ task, sessionId, userId, agent }, error, atMs)
}

function codeIn(reply: ModelReply, tools: readonly string[]): FoundCode | null {
  const isWhole = reply.finishReason !== 'length'
  const behindThought = () => (isWhole ? codeBehindThought(reply.text) : null)
  return readCode(reply.text) ?? codeInCalls(reply.toolCalls, tools) ?? behindThought()
}

function openTask(event: Event<'TaskAdmitted'>): Situation {
  const task = { ...event.data, taskId: event.key, traceId: event.traceId, promptVersion: PROMPT_VERSION }
  return { task, run: firstRun(task, event.atMs), rows: {}, event, atMs: event.atMs }
}

/** The known rest of a task whose own row the blob store has lost, for its result. */
function remainsOf(event: StageEvent, run: Run, rows: State): Situation {
  const unknown = {
    text: '',
    userId: null,
    agent: '',
    profile: '',
    sessionId: null,
    parent: null,
    outputSchema: null,
    instructions: null,
  }
  const fork = {
    forkedFrom: null,
    forkedFromStep: null,
    toolPolicy: null,
    policyTools: null,
    recording: null,
    variables: null,
    askedBy: run.askedBy ?? null,
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
  const times = { timeoutMs: 0, deadlineMs: event.atMs, submittedAtMs: run.stepStartedAtMs, history: null }
  const ids = {
    taskId: event.key,
    mode: 'code' as const,
    traceId: event.traceId,
    promptVersion: PROMPT_VERSION,
  }
  return {
    task: { ...unknown, ...choices, ...tools, ...times, ...ids, ...fork },
    run,
    rows,
    event,
    atMs: event.atMs,
  }
}

/** Fails the task and keeps that it has ended: the event that was given up may be replayed. */
function giveUp(now: Situation, reason: Failure): Planned {
  const { atMs, task } = now
  const timers = {
    forget: Math.max(atMs + REMEMBER_ENDED_MS, task.deadlineMs + REMEMBER_AFTER_DEADLINE_MS),
  }
  return { ...fail(now, reason), rows: { ended: { atMs: now.atMs } }, timers }
}

function refuseAgain(event: Event<'TaskAdmitted'>): Planned {
  const message = 'The task had ended before, and was not begun again. Submit it under another id.'
  const error = failure('TASK_INVALID', message)
  return { emit: [progressEvent(openTask(event), 'completed', { status: 'failed', error: { ...error } })] }
}

function describeCall(now: Situation, reply: ModelReply, outcome: CallOutcome, cost: number) {
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
