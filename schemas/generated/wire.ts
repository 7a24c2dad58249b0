// Generated from schemas/*.avsc by `npm run generate`. Do not edit.

import type { WireInput, WireOutput } from '../wire.ts'

import type {
  EventMap,
  EventType,
  TaskSubmitted,
  ApprovalDecided,
  FeedbackGiven,
  QualityScored,
  TaskCancelled,
  TaskAdmitted,
  DelegationEnded,
  TaskDelegated,
  TaskClosed,
  ToolRequested,
  WorkCancelled,
  CallHeld,
  CallReleased,
  DelegationHeld,
  ToolCompleted,
  CodeRequested,
  CodeCompleted,
  TaskCompleted,
  TaskProgressed,
  TokensStreamed,
  UsageRecorded,
  SessionDeleted,
  SessionSummarised,
  TurnEnded,
  TurnRequested,
  SummaryRequested,
  TaskSteered,
  TurnGranted,
  TurnQueried,
  TurnSettled,
  SessionProgressed,
  OutcomesTallied,
  AlertRaised,
  AlertResolved,
  AlertSilenced,
  AlertTested,
  NotificationEnded,
  NotificationRequested,
  BreakerChanged,
  BudgetWarned,
  McpToolChanged,
  StagePaused,
  DeadLettered,
  AskedBy,
  Child,
  Delegation,
  Failure,
  Usage,
} from './events.ts'

function writeAskedBy(out: WireOutput, data: AskedBy): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.array(data.agents, (item) => out.string(item))
}

function readAskedBy(from: WireInput): AskedBy {
  return {
    taskId: from.string(),
    callId: from.string(),
    agents: from.array(() => from.string()),
  }
}

function writeChild(out: WireOutput, data: Child): void {
  out.string(data.taskId)
  out.string(data.agent)
  out.string(data.status)
  out.double(data.cost)
  out.boolean(data.costIsGuess)
}

function readChild(from: WireInput): Child {
  return {
    taskId: from.string(),
    agent: from.string(),
    status: from.string() as Child['status'],
    cost: from.double(),
    costIsGuess: from.boolean(),
  }
}

function writeDelegation(out: WireOutput, data: Delegation): void {
  out.array(data.agents, (item) => out.string(item))
  if (out.some(data.maxCost)) out.double(data.maxCost)
  out.int(data.priority)
}

function readDelegation(from: WireInput): Delegation {
  return {
    agents: from.array(() => from.string()),
    maxCost: from.some() ? from.double() : null,
    priority: from.int(),
  }
}

function writeFailure(out: WireOutput, data: Failure): void {
  out.string(data.code)
  out.string(data.severity)
  out.boolean(data.retryable)
  out.string(data.message)
  if (out.some(data.retryAfterMs)) out.long(data.retryAfterMs)
}

function readFailure(from: WireInput): Failure {
  return {
    code: from.string(),
    severity: from.string() as Failure['severity'],
    retryable: from.boolean(),
    message: from.string(),
    retryAfterMs: from.some() ? from.long() : null,
  }
}

function writeUsage(out: WireOutput, data: Usage): void {
  out.long(data.inputTokens)
  out.long(data.outputTokens)
  out.double(data.cost)
  out.boolean(data.costIsGuess)
  out.int(data.modelCalls)
  out.int(data.toolCalls)
}

function readUsage(from: WireInput): Usage {
  return {
    inputTokens: from.long(),
    outputTokens: from.long(),
    cost: from.double(),
    costIsGuess: from.boolean(),
    modelCalls: from.int(),
    toolCalls: from.int(),
  }
}

const modeOfTaskSubmitted = ['code', 'tools'] as const

const strategyOfTaskSubmitted = ['aggressive', 'balanced', 'conservative'] as const

const complexityOfTaskSubmitted = ['simple', 'moderate', 'complex'] as const

const qualityOfTaskSubmitted = ['low', 'normal', 'high', 'critical'] as const

const toolPolicyOfTaskSubmitted = ['live', 'recorded', 'ask', 'refuse'] as const

const whenBusyOfTaskSubmitted = ['queue', 'steer', 'interrupt', 'reject'] as const

function writeTaskSubmitted(out: WireOutput, data: TaskSubmitted): void {
  out.string(data.text)
  if (out.some(data.taskId)) out.string(data.taskId)
  if (out.some(data.userId)) out.string(data.userId)
  if (out.some(data.agent)) out.string(data.agent)
  if (out.some(data.mode)) out.oneOf(data.mode, modeOfTaskSubmitted)
  if (out.some(data.profile)) out.string(data.profile)
  if (out.some(data.model)) out.string(data.model)
  if (out.some(data.maxSteps)) out.int(data.maxSteps)
  if (out.some(data.timeoutMs)) out.long(data.timeoutMs)
  if (out.some(data.maxCost)) out.double(data.maxCost)
  if (out.some(data.priority)) out.int(data.priority)
  if (out.some(data.sessionId)) out.string(data.sessionId)
  out.someJson(data.outputSchema)
  if (out.some(data.parent)) out.string(data.parent)
  if (out.some(data.strategy)) out.oneOf(data.strategy, strategyOfTaskSubmitted)
  if (out.some(data.complexity)) out.oneOf(data.complexity, complexityOfTaskSubmitted)
  if (out.some(data.quality)) out.oneOf(data.quality, qualityOfTaskSubmitted)
  if (out.some(data.estimatedTokens)) out.int(data.estimatedTokens)
  out.someJson(data.history)
  out.someJson(data.metadata)
  if (out.some(data.temperature)) out.double(data.temperature)
  if (out.some(data.maxOutputTokens)) out.int(data.maxOutputTokens)
  if (out.some(data.forkedFrom)) out.string(data.forkedFrom)
  if (out.some(data.forkedFromStep)) out.int(data.forkedFromStep)
  if (out.some(data.toolPolicy)) out.oneOf(data.toolPolicy, toolPolicyOfTaskSubmitted)
  if (out.some(data.instructions)) out.string(data.instructions)
  out.someJson(data.recording)
  if (out.some(data.whenBusy)) out.oneOf(data.whenBusy, whenBusyOfTaskSubmitted)
}

function readTaskSubmitted(from: WireInput): TaskSubmitted {
  return {
    text: from.string(),
    taskId: from.some() ? from.string() : null,
    userId: from.some() ? from.string() : null,
    agent: from.some() ? from.string() : null,
    mode: from.some() ? (from.string() as TaskSubmitted['mode']) : null,
    profile: from.some() ? from.string() : null,
    model: from.some() ? from.string() : null,
    maxSteps: from.some() ? from.int() : null,
    timeoutMs: from.some() ? from.long() : null,
    maxCost: from.some() ? from.double() : null,
    priority: from.some() ? from.int() : null,
    sessionId: from.some() ? from.string() : null,
    outputSchema: from.some() ? from.json() : null,
    parent: from.some() ? from.string() : null,
    strategy: from.some() ? (from.string() as TaskSubmitted['strategy']) : null,
    complexity: from.some() ? (from.string() as TaskSubmitted['complexity']) : null,
    quality: from.some() ? (from.string() as TaskSubmitted['quality']) : null,
    estimatedTokens: from.some() ? from.int() : null,
    history: from.some() ? from.json() : null,
    metadata: from.some() ? from.json() : null,
    temperature: from.some() ? from.double() : null,
    maxOutputTokens: from.some() ? from.int() : null,
    forkedFrom: from.some() ? from.string() : null,
    forkedFromStep: from.some() ? from.int() : null,
    toolPolicy: from.some() ? (from.string() as TaskSubmitted['toolPolicy']) : null,
    instructions: from.some() ? from.string() : null,
    recording: from.some() ? from.json() : null,
    whenBusy: from.some() ? (from.string() as TaskSubmitted['whenBusy']) : null,
  }
}

function writeApprovalDecided(out: WireOutput, data: ApprovalDecided): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.boolean(data.approved)
  if (out.some(data.reason)) out.string(data.reason)
  if (out.some(data.decidedBy)) out.string(data.decidedBy)
  out.json(data.arguments)
  out.json(data.answer)
  if (out.some(data.tookEffect)) out.boolean(data.tookEffect)
  if (out.some(data.scopes)) out.array(data.scopes, (item) => out.string(item))
  if (out.some(data.credential)) out.string(data.credential)
  if (out.some(data.madeBy)) out.array(data.madeBy, (item) => out.string(item))
  if (out.some(data.heldAtMs)) out.long(data.heldAtMs)
}

function readApprovalDecided(from: WireInput): ApprovalDecided {
  return {
    taskId: from.string(),
    callId: from.string(),
    approved: from.boolean(),
    reason: from.some() ? from.string() : null,
    decidedBy: from.some() ? from.string() : null,
    arguments: from.json(),
    answer: from.json(),
    tookEffect: from.some() ? from.boolean() : null,
    scopes: from.some() ? from.array(() => from.string()) : null,
    credential: from.some() ? from.string() : null,
    madeBy: from.some() ? from.array(() => from.string()) : null,
    heldAtMs: from.some() ? from.long() : null,
  }
}

function writeFeedbackGiven(out: WireOutput, data: FeedbackGiven): void {
  out.string(data.taskId)
  if (out.some(data.userId)) out.string(data.userId)
  out.double(data.satisfaction)
  if (out.some(data.comment)) out.string(data.comment)
}

function readFeedbackGiven(from: WireInput): FeedbackGiven {
  return {
    taskId: from.string(),
    userId: from.some() ? from.string() : null,
    satisfaction: from.double(),
    comment: from.some() ? from.string() : null,
  }
}

function writeQualityScored(out: WireOutput, data: QualityScored): void {
  out.string(data.taskId)
  out.double(data.quality)
  if (out.some(data.scorer)) out.string(data.scorer)
}

function readQualityScored(from: WireInput): QualityScored {
  return {
    taskId: from.string(),
    quality: from.double(),
    scorer: from.some() ? from.string() : null,
  }
}

function writeTaskCancelled(out: WireOutput, data: TaskCancelled): void {
  out.string(data.taskId)
  if (out.some(data.reason)) out.string(data.reason)
  if (out.some(data.requestedBy)) out.string(data.requestedBy)
}

function readTaskCancelled(from: WireInput): TaskCancelled {
  return {
    taskId: from.string(),
    reason: from.some() ? from.string() : null,
    requestedBy: from.some() ? from.string() : null,
  }
}

const modeOfTaskAdmitted = ['code', 'tools'] as const

const toolPolicyOfTaskAdmitted = ['live', 'recorded', 'ask', 'refuse'] as const

function writeTaskAdmitted(out: WireOutput, data: TaskAdmitted): void {
  out.string(data.taskId)
  out.string(data.text)
  if (out.some(data.userId)) out.string(data.userId)
  out.string(data.agent)
  out.oneOf(data.mode, modeOfTaskAdmitted)
  if (out.some(data.profile)) out.string(data.profile)
  out.array(data.models, (item) => out.string(item))
  out.string(data.modelReason)
  out.double(data.temperature)
  out.int(data.maxSteps)
  out.long(data.timeoutMs)
  out.long(data.deadlineMs)
  if (out.some(data.maxCost)) out.double(data.maxCost)
  out.int(data.maxOutputTokens)
  out.string(data.executor)
  out.array(data.tools, (item) => out.string(item))
  if (out.some(data.toolCacheTtlMs)) out.long(data.toolCacheTtlMs)
  out.int(data.priority)
  if (out.some(data.sessionId)) out.string(data.sessionId)
  out.json(data.outputSchema)
  if (out.some(data.parent)) out.string(data.parent)
  if (out.some(data.estimatedTokens)) out.int(data.estimatedTokens)
  out.long(data.submittedAtMs)
  out.json(data.history)
  if (out.some(data.forkedFrom)) out.string(data.forkedFrom)
  if (out.some(data.forkedFromStep)) out.int(data.forkedFromStep)
  if (out.some(data.toolPolicy)) out.oneOf(data.toolPolicy, toolPolicyOfTaskAdmitted)
  if (out.some(data.policyTools)) out.array(data.policyTools, (item) => out.string(item))
  if (out.some(data.instructions)) out.string(data.instructions)
  out.json(data.recording)
  if (out.some(data.askedBy)) writeAskedBy(out, data.askedBy)
  out.json(data.variables)
}

function readTaskAdmitted(from: WireInput): TaskAdmitted {
  return {
    taskId: from.string(),
    text: from.string(),
    userId: from.some() ? from.string() : null,
    agent: from.string(),
    mode: from.string() as TaskAdmitted['mode'],
    profile: from.some() ? from.string() : null,
    models: from.array(() => from.string()),
    modelReason: from.string(),
    temperature: from.double(),
    maxSteps: from.int(),
    timeoutMs: from.long(),
    deadlineMs: from.long(),
    maxCost: from.some() ? from.double() : null,
    maxOutputTokens: from.int(),
    executor: from.string(),
    tools: from.array(() => from.string()),
    toolCacheTtlMs: from.some() ? from.long() : null,
    priority: from.int(),
    sessionId: from.some() ? from.string() : null,
    outputSchema: from.json(),
    parent: from.some() ? from.string() : null,
    estimatedTokens: from.some() ? from.int() : null,
    submittedAtMs: from.long(),
    history: from.json(),
    forkedFrom: from.some() ? from.string() : null,
    forkedFromStep: from.some() ? from.int() : null,
    toolPolicy: from.some() ? (from.string() as TaskAdmitted['toolPolicy']) : null,
    policyTools: from.some() ? from.array(() => from.string()) : null,
    instructions: from.some() ? from.string() : null,
    recording: from.json(),
    askedBy: from.some() ? readAskedBy(from) : null,
    variables: from.json(),
  }
}

function writeDelegationEnded(out: WireOutput, data: DelegationEnded): void {
  out.string(data.taskId)
  out.string(data.callId)
  writeChild(out, data.child)
  out.json(data.output)
  if (out.some(data.error)) writeFailure(out, data.error)
}

function readDelegationEnded(from: WireInput): DelegationEnded {
  return {
    taskId: from.string(),
    callId: from.string(),
    child: readChild(from),
    output: from.json(),
    error: from.some() ? readFailure(from) : null,
  }
}

function writeTaskDelegated(out: WireOutput, data: TaskDelegated): void {
  out.string(data.taskId)
  writeAskedBy(out, data.askedBy)
  out.string(data.agent)
  out.string(data.text)
  if (out.some(data.userId)) out.string(data.userId)
  out.int(data.priority)
  out.long(data.deadlineMs)
  if (out.some(data.maxCost)) out.double(data.maxCost)
}

function readTaskDelegated(from: WireInput): TaskDelegated {
  return {
    taskId: from.string(),
    askedBy: readAskedBy(from),
    agent: from.string(),
    text: from.string(),
    userId: from.some() ? from.string() : null,
    priority: from.int(),
    deadlineMs: from.long(),
    maxCost: from.some() ? from.double() : null,
  }
}

function writeTaskClosed(out: WireOutput, data: TaskClosed): void {
  out.string(data.taskId)
  out.string(data.status)
  if (out.some(data.deadlineMs)) out.long(data.deadlineMs)
}

function readTaskClosed(from: WireInput): TaskClosed {
  return {
    taskId: from.string(),
    status: from.string(),
    deadlineMs: from.some() ? from.long() : null,
  }
}

const requesterOfToolRequested = ['planner', 'code-sandbox'] as const

function writeToolRequested(out: WireOutput, data: ToolRequested): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.string(data.tool)
  out.json(data.arguments)
  out.oneOf(data.requester, requesterOfToolRequested)
  out.int(data.step)
  out.long(data.deadlineMs)
  if (out.some(data.userId)) out.string(data.userId)
  if (out.some(data.cacheTtlMs)) out.long(data.cacheTtlMs)
  if (out.some(data.agent)) out.string(data.agent)
  out.boolean(data.ask)
  if (out.some(data.delegation)) writeDelegation(out, data.delegation)
}

function readToolRequested(from: WireInput): ToolRequested {
  return {
    taskId: from.string(),
    callId: from.string(),
    tool: from.string(),
    arguments: from.json(),
    requester: from.string() as ToolRequested['requester'],
    step: from.int(),
    deadlineMs: from.long(),
    userId: from.some() ? from.string() : null,
    cacheTtlMs: from.some() ? from.long() : null,
    agent: from.some() ? from.string() : null,
    ask: from.boolean(),
    delegation: from.some() ? readDelegation(from) : null,
  }
}

function writeWorkCancelled(out: WireOutput, data: WorkCancelled): void {
  out.string(data.taskId)
  out.array(data.callIds, (item) => out.string(item))
  out.string(data.reason)
  if (out.some(data.deadlineMs)) out.long(data.deadlineMs)
}

function readWorkCancelled(from: WireInput): WorkCancelled {
  return {
    taskId: from.string(),
    callIds: from.array(() => from.string()),
    reason: from.string(),
    deadlineMs: from.some() ? from.long() : null,
  }
}

const requesterOfCallHeld = ['planner', 'code-sandbox'] as const

const whyOfCallHeld = ['approval', 'question', 'doubt'] as const

function writeCallHeld(out: WireOutput, data: CallHeld): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.string(data.tool)
  out.oneOf(data.requester, requesterOfCallHeld)
  out.int(data.step)
  out.oneOf(data.why, whyOfCallHeld)
  out.json(data.arguments)
  if (out.some(data.userId)) out.string(data.userId)
  if (out.some(data.agent)) out.string(data.agent)
  out.long(data.heldAtMs)
  if (out.some(data.expiresAtMs)) out.long(data.expiresAtMs)
  out.json(data.terms)
  out.json(data.votes)
}

function readCallHeld(from: WireInput): CallHeld {
  return {
    taskId: from.string(),
    callId: from.string(),
    tool: from.string(),
    requester: from.string() as CallHeld['requester'],
    step: from.int(),
    why: from.string() as CallHeld['why'],
    arguments: from.json(),
    userId: from.some() ? from.string() : null,
    agent: from.some() ? from.string() : null,
    heldAtMs: from.long(),
    expiresAtMs: from.some() ? from.long() : null,
    terms: from.json(),
    votes: from.json(),
  }
}

const requesterOfCallReleased = ['planner', 'code-sandbox'] as const

const outcomeOfCallReleased = ['approved', 'declined', 'answered', 'settled', 'expired', 'withdrawn'] as const

function writeCallReleased(out: WireOutput, data: CallReleased): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.string(data.tool)
  out.oneOf(data.requester, requesterOfCallReleased)
  out.int(data.step)
  out.oneOf(data.outcome, outcomeOfCallReleased)
  out.long(data.heldAtMs)
  out.long(data.atMs)
  out.json(data.approval)
  if (out.some(data.failsTask)) writeFailure(out, data.failsTask)
}

function readCallReleased(from: WireInput): CallReleased {
  return {
    taskId: from.string(),
    callId: from.string(),
    tool: from.string(),
    requester: from.string() as CallReleased['requester'],
    step: from.int(),
    outcome: from.string() as CallReleased['outcome'],
    heldAtMs: from.long(),
    atMs: from.long(),
    approval: from.json(),
    failsTask: from.some() ? readFailure(from) : null,
  }
}

function writeDelegationHeld(out: WireOutput, data: DelegationHeld): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.string(data.child)
  out.long(data.heldAtMs)
  if (out.some(data.releasedAtMs)) out.long(data.releasedAtMs)
}

function readDelegationHeld(from: WireInput): DelegationHeld {
  return {
    taskId: from.string(),
    callId: from.string(),
    child: from.string(),
    heldAtMs: from.long(),
    releasedAtMs: from.some() ? from.long() : null,
  }
}

const requesterOfToolCompleted = ['planner', 'code-sandbox'] as const

const statusOfToolCompleted = ['succeeded', 'failed', 'unknown', 'cancelled', 'refused', 'undecided'] as const

function writeToolCompleted(out: WireOutput, data: ToolCompleted): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.string(data.tool)
  out.oneOf(data.requester, requesterOfToolCompleted)
  out.int(data.step)
  out.oneOf(data.status, statusOfToolCompleted)
  out.json(data.output)
  if (out.some(data.error)) writeFailure(out, data.error)
  out.long(data.startedAtMs)
  out.long(data.durationMs)
  out.boolean(data.cached)
  out.json(data.approval)
  if (out.some(data.child)) writeChild(out, data.child)
}

function readToolCompleted(from: WireInput): ToolCompleted {
  return {
    taskId: from.string(),
    callId: from.string(),
    tool: from.string(),
    requester: from.string() as ToolCompleted['requester'],
    step: from.int(),
    status: from.string() as ToolCompleted['status'],
    output: from.json(),
    error: from.some() ? readFailure(from) : null,
    startedAtMs: from.long(),
    durationMs: from.long(),
    cached: from.boolean(),
    approval: from.json(),
    child: from.some() ? readChild(from) : null,
  }
}

const toolPolicyOfCodeRequested = ['live', 'recorded', 'ask', 'refuse'] as const

function writeCodeRequested(out: WireOutput, data: CodeRequested): void {
  out.string(data.taskId)
  out.string(data.requestId)
  out.int(data.step)
  out.string(data.code)
  out.string(data.executor)
  out.array(data.tools, (item) => out.string(item))
  if (out.some(data.toolCacheTtlMs)) out.long(data.toolCacheTtlMs)
  if (out.some(data.userId)) out.string(data.userId)
  out.long(data.timeoutMs)
  out.long(data.deadlineMs)
  if (out.some(data.agent)) out.string(data.agent)
  if (out.some(data.toolPolicy)) out.oneOf(data.toolPolicy, toolPolicyOfCodeRequested)
  if (out.some(data.policyTools)) out.array(data.policyTools, (item) => out.string(item))
  out.json(data.recording)
  if (out.some(data.delegation)) writeDelegation(out, data.delegation)
  out.json(data.prior)
  out.boolean(data.keepLog)
}

function readCodeRequested(from: WireInput): CodeRequested {
  return {
    taskId: from.string(),
    requestId: from.string(),
    step: from.int(),
    code: from.string(),
    executor: from.string(),
    tools: from.array(() => from.string()),
    toolCacheTtlMs: from.some() ? from.long() : null,
    userId: from.some() ? from.string() : null,
    timeoutMs: from.long(),
    deadlineMs: from.long(),
    agent: from.some() ? from.string() : null,
    toolPolicy: from.some() ? (from.string() as CodeRequested['toolPolicy']) : null,
    policyTools: from.some() ? from.array(() => from.string()) : null,
    recording: from.json(),
    delegation: from.some() ? readDelegation(from) : null,
    prior: from.json(),
    keepLog: from.boolean(),
  }
}

const statusOfCodeCompleted = ['finished', 'failed', 'cancelled'] as const

function writeCodeCompleted(out: WireOutput, data: CodeCompleted): void {
  out.string(data.taskId)
  out.string(data.requestId)
  out.int(data.step)
  out.oneOf(data.status, statusOfCodeCompleted)
  out.json(data.output)
  out.boolean(data.isFinal)
  out.json(data.finalAnswer)
  out.string(data.prints)
  if (out.some(data.error)) writeFailure(out, data.error)
  out.json(data.toolCalls)
  out.long(data.startedAtMs)
  out.long(data.durationMs)
  if (out.some(data.childrenCost)) out.double(data.childrenCost)
  out.json(data.kept)
}

function readCodeCompleted(from: WireInput): CodeCompleted {
  return {
    taskId: from.string(),
    requestId: from.string(),
    step: from.int(),
    status: from.string() as CodeCompleted['status'],
    output: from.json(),
    isFinal: from.boolean(),
    finalAnswer: from.json(),
    prints: from.string(),
    error: from.some() ? readFailure(from) : null,
    toolCalls: from.json(),
    startedAtMs: from.long(),
    durationMs: from.long(),
    childrenCost: from.some() ? from.double() : null,
    kept: from.json(),
  }
}

const statusOfTaskCompleted = ['succeeded', 'failed', 'rejected', 'cancelled', 'timed_out'] as const

const toolPolicyOfTaskCompleted = ['live', 'recorded', 'ask', 'refuse'] as const

function writeTaskCompleted(out: WireOutput, data: TaskCompleted): void {
  out.string(data.taskId)
  out.oneOf(data.status, statusOfTaskCompleted)
  out.json(data.output)
  out.json(data.steps)
  writeUsage(out, data.usage)
  out.long(data.executionTime)
  if (out.some(data.model)) out.string(data.model)
  if (out.some(data.modelReason)) out.string(data.modelReason)
  if (out.some(data.error)) writeFailure(out, data.error)
  if (out.some(data.traceId)) out.string(data.traceId)
  out.string(data.text)
  if (out.some(data.userId)) out.string(data.userId)
  if (out.some(data.agent)) out.string(data.agent)
  if (out.some(data.profile)) out.string(data.profile)
  if (out.some(data.mode)) out.string(data.mode)
  if (out.some(data.sessionId)) out.string(data.sessionId)
  if (out.some(data.parent)) out.string(data.parent)
  out.long(data.submittedAtMs)
  out.long(data.completedAtMs)
  if (out.some(data.forkedFrom)) out.string(data.forkedFrom)
  if (out.some(data.forkedFromStep)) out.int(data.forkedFromStep)
  if (out.some(data.toolPolicy)) out.oneOf(data.toolPolicy, toolPolicyOfTaskCompleted)
  out.json(data.refusedCalls)
  if (out.some(data.childrenCost)) out.double(data.childrenCost)
}

function readTaskCompleted(from: WireInput): TaskCompleted {
  return {
    taskId: from.string(),
    status: from.string() as TaskCompleted['status'],
    output: from.json(),
    steps: from.json(),
    usage: readUsage(from),
    executionTime: from.long(),
    model: from.some() ? from.string() : null,
    modelReason: from.some() ? from.string() : null,
    error: from.some() ? readFailure(from) : null,
    traceId: from.some() ? from.string() : null,
    text: from.string(),
    userId: from.some() ? from.string() : null,
    agent: from.some() ? from.string() : null,
    profile: from.some() ? from.string() : null,
    mode: from.some() ? from.string() : null,
    sessionId: from.some() ? from.string() : null,
    parent: from.some() ? from.string() : null,
    submittedAtMs: from.long(),
    completedAtMs: from.long(),
    forkedFrom: from.some() ? from.string() : null,
    forkedFromStep: from.some() ? from.int() : null,
    toolPolicy: from.some() ? (from.string() as TaskCompleted['toolPolicy']) : null,
    refusedCalls: from.json(),
    childrenCost: from.some() ? from.double() : null,
  }
}

const kindOfTaskProgressed = [
  'queued',
  'admitted',
  'model_called',
  'code_requested',
  'tool_requested',
  'tool_started',
  'tool_called',
  'delegated',
  'code_run',
  'step_completed',
  'retry_scheduled',
  'model_changed',
  'compacted',
  'waiting',
  'approval_requested',
  'approval_decided',
  'cancel_requested',
  'completed',
] as const

function writeTaskProgressed(out: WireOutput, data: TaskProgressed): void {
  out.string(data.taskId)
  out.string(data.stage)
  out.oneOf(data.kind, kindOfTaskProgressed)
  if (out.some(data.step)) out.int(data.step)
  out.long(data.atMs)
  out.json(data.detail)
}

function readTaskProgressed(from: WireInput): TaskProgressed {
  return {
    taskId: from.string(),
    stage: from.string(),
    kind: from.string() as TaskProgressed['kind'],
    step: from.some() ? from.int() : null,
    atMs: from.long(),
    detail: from.json(),
  }
}

function writeTokensStreamed(out: WireOutput, data: TokensStreamed): void {
  out.string(data.taskId)
  out.int(data.step)
  out.int(data.sequence)
  out.string(data.text)
  if (out.some(data.attempt)) out.string(data.attempt)
}

function readTokensStreamed(from: WireInput): TokensStreamed {
  return {
    taskId: from.string(),
    step: from.int(),
    sequence: from.int(),
    text: from.string(),
    attempt: from.some() ? from.string() : null,
  }
}

const kindOfUsageRecorded = ['model', 'tool', 'code'] as const

function writeUsageRecorded(out: WireOutput, data: UsageRecorded): void {
  out.string(data.taskId)
  out.string(data.callId)
  out.oneOf(data.kind, kindOfUsageRecorded)
  if (out.some(data.userId)) out.string(data.userId)
  if (out.some(data.agent)) out.string(data.agent)
  if (out.some(data.model)) out.string(data.model)
  if (out.some(data.provider)) out.string(data.provider)
  if (out.some(data.tool)) out.string(data.tool)
  out.long(data.inputTokens)
  out.long(data.outputTokens)
  out.double(data.cost)
  out.boolean(data.costIsGuess)
  out.long(data.durationMs)
  out.boolean(data.succeeded)
  if (out.some(data.errorCode)) out.string(data.errorCode)
  out.boolean(data.cached)
  out.long(data.atMs)
  out.boolean(data.tokensAreEstimate)
}

function readUsageRecorded(from: WireInput): UsageRecorded {
  return {
    taskId: from.string(),
    callId: from.string(),
    kind: from.string() as UsageRecorded['kind'],
    userId: from.some() ? from.string() : null,
    agent: from.some() ? from.string() : null,
    model: from.some() ? from.string() : null,
    provider: from.some() ? from.string() : null,
    tool: from.some() ? from.string() : null,
    inputTokens: from.long(),
    outputTokens: from.long(),
    cost: from.double(),
    costIsGuess: from.boolean(),
    durationMs: from.long(),
    succeeded: from.boolean(),
    errorCode: from.some() ? from.string() : null,
    cached: from.boolean(),
    atMs: from.long(),
    tokensAreEstimate: from.boolean(),
  }
}

function writeSessionDeleted(out: WireOutput, data: SessionDeleted): void {
  out.string(data.sessionId)
  if (out.some(data.requestedBy)) out.string(data.requestedBy)
  out.long(data.atMs)
}

function readSessionDeleted(from: WireInput): SessionDeleted {
  return {
    sessionId: from.string(),
    requestedBy: from.some() ? from.string() : null,
    atMs: from.long(),
  }
}

function writeSessionSummarised(out: WireOutput, data: SessionSummarised): void {
  out.string(data.sessionId)
  out.string(data.requestId)
  if (out.some(data.summary)) out.string(data.summary)
  if (out.some(data.model)) out.string(data.model)
  out.double(data.cost)
  if (out.some(data.error)) writeFailure(out, data.error)
}

function readSessionSummarised(from: WireInput): SessionSummarised {
  return {
    sessionId: from.string(),
    requestId: from.string(),
    summary: from.some() ? from.string() : null,
    model: from.some() ? from.string() : null,
    cost: from.double(),
    error: from.some() ? readFailure(from) : null,
  }
}

const statusOfTurnEnded = ['succeeded', 'failed', 'rejected', 'cancelled', 'timed_out'] as const

function writeTurnEnded(out: WireOutput, data: TurnEnded): void {
  out.string(data.sessionId)
  out.string(data.task)
  if (out.some(data.userId)) out.string(data.userId)
  out.string(data.agent)
  if (out.some(data.model)) out.string(data.model)
  out.oneOf(data.status, statusOfTurnEnded)
  out.string(data.text)
  out.json(data.output)
  if (out.some(data.error)) writeFailure(out, data.error)
  out.array(data.steered, (item) => out.string(item))
  out.long(data.endedAtMs)
  out.json(data.variables)
}

function readTurnEnded(from: WireInput): TurnEnded {
  return {
    sessionId: from.string(),
    task: from.string(),
    userId: from.some() ? from.string() : null,
    agent: from.string(),
    model: from.some() ? from.string() : null,
    status: from.string() as TurnEnded['status'],
    text: from.string(),
    output: from.json(),
    error: from.some() ? readFailure(from) : null,
    steered: from.array(() => from.string()),
    endedAtMs: from.long(),
    variables: from.json(),
  }
}

const whenBusyOfTurnRequested = ['queue', 'steer', 'interrupt', 'reject'] as const

function writeTurnRequested(out: WireOutput, data: TurnRequested): void {
  out.string(data.sessionId)
  out.string(data.task)
  if (out.some(data.userId)) out.string(data.userId)
  out.string(data.agent)
  out.oneOf(data.whenBusy, whenBusyOfTurnRequested)
  out.string(data.text)
  if (out.some(data.parent)) out.string(data.parent)
  out.long(data.submittedAtMs)
  out.long(data.deadlineMs)
  out.json(data.outputSchema)
  if (out.some(data.executor)) out.string(data.executor)
}

function readTurnRequested(from: WireInput): TurnRequested {
  return {
    sessionId: from.string(),
    task: from.string(),
    userId: from.some() ? from.string() : null,
    agent: from.string(),
    whenBusy: from.string() as TurnRequested['whenBusy'],
    text: from.string(),
    parent: from.some() ? from.string() : null,
    submittedAtMs: from.long(),
    deadlineMs: from.long(),
    outputSchema: from.json(),
    executor: from.some() ? from.string() : null,
  }
}

function writeSummaryRequested(out: WireOutput, data: SummaryRequested): void {
  out.string(data.sessionId)
  out.string(data.requestId)
  if (out.some(data.userId)) out.string(data.userId)
  out.string(data.agent)
  out.string(data.model)
  out.string(data.transcript)
  out.int(data.fromTurn)
  out.int(data.throughTurn)
  out.int(data.mostTokens)
}

function readSummaryRequested(from: WireInput): SummaryRequested {
  return {
    sessionId: from.string(),
    requestId: from.string(),
    userId: from.some() ? from.string() : null,
    agent: from.string(),
    model: from.string(),
    transcript: from.string(),
    fromTurn: from.int(),
    throughTurn: from.int(),
    mostTokens: from.int(),
  }
}

function writeTaskSteered(out: WireOutput, data: TaskSteered): void {
  out.string(data.taskId)
  out.string(data.sessionId)
  out.string(data.fromTask)
  out.string(data.text)
  out.json(data.outputSchema)
  out.boolean(data.withdrawn)
}

function readTaskSteered(from: WireInput): TaskSteered {
  return {
    taskId: from.string(),
    sessionId: from.string(),
    fromTask: from.string(),
    text: from.string(),
    outputSchema: from.json(),
    withdrawn: from.boolean(),
  }
}

function writeTurnGranted(out: WireOutput, data: TurnGranted): void {
  out.string(data.taskId)
  out.string(data.sessionId)
  out.int(data.turn)
  out.json(data.history)
  out.json(data.variables)
}

function readTurnGranted(from: WireInput): TurnGranted {
  return {
    taskId: from.string(),
    sessionId: from.string(),
    turn: from.int(),
    history: from.json(),
    variables: from.json(),
  }
}

function writeTurnQueried(out: WireOutput, data: TurnQueried): void {
  out.string(data.taskId)
  out.string(data.sessionId)
  if (out.some(data.userId)) out.string(data.userId)
  out.string(data.agent)
}

function readTurnQueried(from: WireInput): TurnQueried {
  return {
    taskId: from.string(),
    sessionId: from.string(),
    userId: from.some() ? from.string() : null,
    agent: from.string(),
  }
}

const statusOfTurnSettled = ['succeeded', 'failed', 'rejected', 'cancelled', 'timed_out'] as const

function writeTurnSettled(out: WireOutput, data: TurnSettled): void {
  out.string(data.taskId)
  out.string(data.sessionId)
  out.oneOf(data.status, statusOfTurnSettled)
  out.json(data.output)
  if (out.some(data.error)) writeFailure(out, data.error)
  if (out.some(data.by)) out.string(data.by)
}

function readTurnSettled(from: WireInput): TurnSettled {
  return {
    taskId: from.string(),
    sessionId: from.string(),
    status: from.string() as TurnSettled['status'],
    output: from.json(),
    error: from.some() ? readFailure(from) : null,
    by: from.some() ? from.string() : null,
  }
}

const kindOfSessionProgressed = ['turn_ended', 'compacted', 'deleted', 'expired'] as const

function writeSessionProgressed(out: WireOutput, data: SessionProgressed): void {
  out.string(data.sessionId)
  if (out.some(data.userId)) out.string(data.userId)
  out.oneOf(data.kind, kindOfSessionProgressed)
  if (out.some(data.task)) out.string(data.task)
  if (out.some(data.turn)) out.int(data.turn)
  out.long(data.atMs)
  out.json(data.detail)
}

function readSessionProgressed(from: WireInput): SessionProgressed {
  return {
    sessionId: from.string(),
    userId: from.some() ? from.string() : null,
    kind: from.string() as SessionProgressed['kind'],
    task: from.some() ? from.string() : null,
    turn: from.some() ? from.int() : null,
    atMs: from.long(),
    detail: from.json(),
  }
}

function writeOutcomesTallied(out: WireOutput, data: OutcomesTallied): void {
  out.long(data.bucketMs)
  out.int(data.lane)
  out.int(data.succeeded)
  out.int(data.failed)
  out.long(data.tokens)
  out.array(data.executionTimesMs, (item) => out.long(item))
  out.array(data.errors, (item) => out.string(item))
  if (out.some(data.quality)) out.double(data.quality)
  if (out.some(data.satisfaction)) out.double(data.satisfaction)
}

function readOutcomesTallied(from: WireInput): OutcomesTallied {
  return {
    bucketMs: from.long(),
    lane: from.int(),
    succeeded: from.int(),
    failed: from.int(),
    tokens: from.long(),
    executionTimesMs: from.array(() => from.long()),
    errors: from.array(() => from.string()),
    quality: from.some() ? from.double() : null,
    satisfaction: from.some() ? from.double() : null,
  }
}

const severityOfAlertRaised = ['critical', 'warning'] as const

function writeAlertRaised(out: WireOutput, data: AlertRaised): void {
  out.string(data.alertId)
  out.string(data.rule)
  out.oneOf(data.severity, severityOfAlertRaised)
  out.array(data.channels, (item) => out.string(item))
  out.double(data.value)
  out.double(data.threshold)
  out.long(data.windowMs)
  out.string(data.message)
  out.long(data.atMs)
}

function readAlertRaised(from: WireInput): AlertRaised {
  return {
    alertId: from.string(),
    rule: from.string(),
    severity: from.string() as AlertRaised['severity'],
    channels: from.array(() => from.string()),
    value: from.double(),
    threshold: from.double(),
    windowMs: from.long(),
    message: from.string(),
    atMs: from.long(),
  }
}

function writeAlertResolved(out: WireOutput, data: AlertResolved): void {
  out.string(data.alertId)
  out.string(data.rule)
  out.double(data.value)
  out.double(data.threshold)
  out.string(data.message)
  out.long(data.atMs)
}

function readAlertResolved(from: WireInput): AlertResolved {
  return {
    alertId: from.string(),
    rule: from.string(),
    value: from.double(),
    threshold: from.double(),
    message: from.string(),
    atMs: from.long(),
  }
}

function writeAlertSilenced(out: WireOutput, data: AlertSilenced): void {
  out.string(data.rule)
  out.long(data.untilMs)
  if (out.some(data.reason)) out.string(data.reason)
  if (out.some(data.by)) out.string(data.by)
  out.long(data.atMs)
}

function readAlertSilenced(from: WireInput): AlertSilenced {
  return {
    rule: from.string(),
    untilMs: from.long(),
    reason: from.some() ? from.string() : null,
    by: from.some() ? from.string() : null,
    atMs: from.long(),
  }
}

function writeAlertTested(out: WireOutput, data: AlertTested): void {
  out.string(data.testId)
  out.string(data.rule)
  out.long(data.atMs)
}

function readAlertTested(from: WireInput): AlertTested {
  return {
    testId: from.string(),
    rule: from.string(),
    atMs: from.long(),
  }
}

const statusOfNotificationEnded = ['delivered', 'failed', 'dropped'] as const

function writeNotificationEnded(out: WireOutput, data: NotificationEnded): void {
  out.string(data.notificationId)
  out.string(data.channel)
  out.oneOf(data.status, statusOfNotificationEnded)
  out.string(data.answer)
  out.int(data.tries)
  out.array(data.alerts, (item) => out.string(item))
  if (out.some(data.testId)) out.string(data.testId)
  out.long(data.atMs)
}

function readNotificationEnded(from: WireInput): NotificationEnded {
  return {
    notificationId: from.string(),
    channel: from.string(),
    status: from.string() as NotificationEnded['status'],
    answer: from.string(),
    tries: from.int(),
    alerts: from.array(() => from.string()),
    testId: from.some() ? from.string() : null,
    atMs: from.long(),
  }
}

function writeNotificationRequested(out: WireOutput, data: NotificationRequested): void {
  out.string(data.notificationId)
  out.string(data.channel)
  out.json(data.notices)
  if (out.some(data.testId)) out.string(data.testId)
  out.long(data.atMs)
}

function readNotificationRequested(from: WireInput): NotificationRequested {
  return {
    notificationId: from.string(),
    channel: from.string(),
    notices: from.json(),
    testId: from.some() ? from.string() : null,
    atMs: from.long(),
  }
}

const fromOfBreakerChanged = ['closed', 'open', 'half_open'] as const

const toOfBreakerChanged = ['closed', 'open', 'half_open'] as const

function writeBreakerChanged(out: WireOutput, data: BreakerChanged): void {
  out.string(data.breaker)
  out.string(data.stage)
  out.string(data.instance)
  out.oneOf(data.from, fromOfBreakerChanged)
  out.oneOf(data.to, toOfBreakerChanged)
  if (out.some(data.reason)) out.string(data.reason)
  out.long(data.atMs)
}

function readBreakerChanged(from: WireInput): BreakerChanged {
  return {
    breaker: from.string(),
    stage: from.string(),
    instance: from.string(),
    from: from.string() as BreakerChanged['from'],
    to: from.string() as BreakerChanged['to'],
    reason: from.some() ? from.string() : null,
    atMs: from.long(),
  }
}

function writeBudgetWarned(out: WireOutput, data: BudgetWarned): void {
  out.string(data.budget)
  if (out.some(data.name)) out.string(data.name)
  out.string(data.setting)
  out.long(data.limitTokens)
  out.long(data.warnAtTokens)
  if (out.some(data.usedTokens)) out.long(data.usedTokens)
  out.long(data.resetsAtMs)
  out.long(data.atMs)
}

function readBudgetWarned(from: WireInput): BudgetWarned {
  return {
    budget: from.string(),
    name: from.some() ? from.string() : null,
    setting: from.string(),
    limitTokens: from.long(),
    warnAtTokens: from.long(),
    usedTokens: from.some() ? from.long() : null,
    resetsAtMs: from.long(),
    atMs: from.long(),
  }
}

function writeMcpToolChanged(out: WireOutput, data: McpToolChanged): void {
  out.string(data.server)
  out.string(data.tool)
  out.string(data.how)
  out.string(data.taskId)
  out.long(data.atMs)
}

function readMcpToolChanged(from: WireInput): McpToolChanged {
  return {
    server: from.string(),
    tool: from.string(),
    how: from.string(),
    taskId: from.string(),
    atMs: from.long(),
  }
}

function writeStagePaused(out: WireOutput, data: StagePaused): void {
  if (out.some(data.stage)) out.string(data.stage)
  out.boolean(data.paused)
  if (out.some(data.reason)) out.string(data.reason)
  if (out.some(data.by)) out.string(data.by)
  out.long(data.atMs)
}

function readStagePaused(from: WireInput): StagePaused {
  return {
    stage: from.some() ? from.string() : null,
    paused: from.boolean(),
    reason: from.some() ? from.string() : null,
    by: from.some() ? from.string() : null,
    atMs: from.long(),
  }
}

function writeDeadLettered(out: WireOutput, data: DeadLettered): void {
  out.string(data.sourceTopic)
  out.int(data.partition)
  out.long(data.offset)
  if (out.some(data.key)) out.string(data.key)
  out.bytes(data.value)
  out.map(data.headers, (item) => out.string(item))
  out.string(data.stage)
  out.string(data.code)
  out.string(data.message)
  out.int(data.attempts)
  out.long(data.failedAtMs)
  if (out.some(data.valueBlob)) out.string(data.valueBlob)
  if (out.some(data.valueBytes)) out.long(data.valueBytes)
  if (out.some(data.originBlob)) out.string(data.originBlob)
}

function readDeadLettered(from: WireInput): DeadLettered {
  return {
    sourceTopic: from.string(),
    partition: from.int(),
    offset: from.long(),
    key: from.some() ? from.string() : null,
    value: from.bytes(),
    headers: from.map(() => from.string()),
    stage: from.string(),
    code: from.string(),
    message: from.string(),
    attempts: from.int(),
    failedAtMs: from.long(),
    valueBlob: from.some() ? from.string() : null,
    valueBytes: from.some() ? from.long() : null,
    originBlob: from.some() ? from.string() : null,
  }
}

/** Writes an event of each type. */
export const wireWriters: { readonly [T in EventType]: (out: WireOutput, data: EventMap[T]) => void } = {
  TaskSubmitted: writeTaskSubmitted,
  ApprovalDecided: writeApprovalDecided,
  FeedbackGiven: writeFeedbackGiven,
  QualityScored: writeQualityScored,
  TaskCancelled: writeTaskCancelled,
  TaskAdmitted: writeTaskAdmitted,
  DelegationEnded: writeDelegationEnded,
  TaskDelegated: writeTaskDelegated,
  TaskClosed: writeTaskClosed,
  ToolRequested: writeToolRequested,
  WorkCancelled: writeWorkCancelled,
  CallHeld: writeCallHeld,
  CallReleased: writeCallReleased,
  DelegationHeld: writeDelegationHeld,
  ToolCompleted: writeToolCompleted,
  CodeRequested: writeCodeRequested,
  CodeCompleted: writeCodeCompleted,
  TaskCompleted: writeTaskCompleted,
  TaskProgressed: writeTaskProgressed,
  TokensStreamed: writeTokensStreamed,
  UsageRecorded: writeUsageRecorded,
  SessionDeleted: writeSessionDeleted,
  SessionSummarised: writeSessionSummarised,
  TurnEnded: writeTurnEnded,
  TurnRequested: writeTurnRequested,
  SummaryRequested: writeSummaryRequested,
  TaskSteered: writeTaskSteered,
  TurnGranted: writeTurnGranted,
  TurnQueried: writeTurnQueried,
  TurnSettled: writeTurnSettled,
  SessionProgressed: writeSessionProgressed,
  OutcomesTallied: writeOutcomesTallied,
  AlertRaised: writeAlertRaised,
  AlertResolved: writeAlertResolved,
  AlertSilenced: writeAlertSilenced,
  AlertTested: writeAlertTested,
  NotificationEnded: writeNotificationEnded,
  NotificationRequested: writeNotificationRequested,
  BreakerChanged: writeBreakerChanged,
  BudgetWarned: writeBudgetWarned,
  McpToolChanged: writeMcpToolChanged,
  StagePaused: writeStagePaused,
  DeadLettered: writeDeadLettered,
}

/** Reads an event of each type that was written with its current schema. */
export const wireReaders: { readonly [T in EventType]: (from: WireInput) => EventMap[T] } = {
  TaskSubmitted: readTaskSubmitted,
  ApprovalDecided: readApprovalDecided,
  FeedbackGiven: readFeedbackGiven,
  QualityScored: readQualityScored,
  TaskCancelled: readTaskCancelled,
  TaskAdmitted: readTaskAdmitted,
  DelegationEnded: readDelegationEnded,
  TaskDelegated: readTaskDelegated,
  TaskClosed: readTaskClosed,
  ToolRequested: readToolRequested,
  WorkCancelled: readWorkCancelled,
  CallHeld: readCallHeld,
  CallReleased: readCallReleased,
  DelegationHeld: readDelegationHeld,
  ToolCompleted: readToolCompleted,
  CodeRequested: readCodeRequested,
  CodeCompleted: readCodeCompleted,
  TaskCompleted: readTaskCompleted,
  TaskProgressed: readTaskProgressed,
  TokensStreamed: readTokensStreamed,
  UsageRecorded: readUsageRecorded,
  SessionDeleted: readSessionDeleted,
  SessionSummarised: readSessionSummarised,
  TurnEnded: readTurnEnded,
  TurnRequested: readTurnRequested,
  SummaryRequested: readSummaryRequested,
  TaskSteered: readTaskSteered,
  TurnGranted: readTurnGranted,
  TurnQueried: readTurnQueried,
  TurnSettled: readTurnSettled,
  SessionProgressed: readSessionProgressed,
  OutcomesTallied: readOutcomesTallied,
  AlertRaised: readAlertRaised,
  AlertResolved: readAlertResolved,
  AlertSilenced: readAlertSilenced,
  AlertTested: readAlertTested,
  NotificationEnded: readNotificationEnded,
  NotificationRequested: readNotificationRequested,
  BreakerChanged: readBreakerChanged,
  BudgetWarned: readBudgetWarned,
  McpToolChanged: readMcpToolChanged,
  StagePaused: readStagePaused,
  DeadLettered: readDeadLettered,
}
