// Generated from schemas/*.avsc by `npm run generate`. Do not edit.

import type { Json } from '../json.ts'

/** The call that a delegated task answers. Only the fleet writes it. */
export interface AskedBy {
  /** The task whose agent asked. */
  taskId: string
  /** Its call; the end of the delegated task answers it. */
  callId: string
  /** Agents of the tasks above, from the root of the tree to the one that asked. */
  agents: string[]
}

/** The task that a call of another agent became. */
export interface Child {
  /** The delegated task. */
  taskId: string
  /** Its agent. */
  agent: string
  /** How it ended. */
  status: 'succeeded' | 'failed' | 'rejected' | 'cancelled' | 'timed_out'
  /** US dollars, with everything that it delegated. */
  cost: number
  /** True when a price was guessed for an unknown model. */
  costIsGuess: boolean
}

/** What a call of another agent goes by. */
export interface Delegation {
  /** Agents from the root of the tree to the task's own. */
  agents: string[]
  /** Most US dollars that it may cost, with everything that it delegates; null: no limit. */
  maxCost: number | null
  /** Priority of the task. */
  priority: number
}

/** Why something did not work: a row of the error table plus what happened this time. */
export interface Failure {
  /** Row of the error table, for example MODEL_TIMEOUT. */
  code: string
  /** How bad it is for the fleet. */
  severity: 'recoverable' | 'degraded' | 'critical'
  /** Whether the same request may succeed later without a change. */
  retryable: boolean
  /** What happened, where, and what to do, for people. */
  message: string
  /** Milliseconds from then until the same request may succeed, where that is known. */
  retryAfterMs: number | null
}

/** What a task used in all. */
export interface Usage {
  /** Tokens sent to models. */
  inputTokens: number
  /** Tokens that models wrote. */
  outputTokens: number
  /** US dollars. */
  cost: number
  /** True when a price was guessed for an unknown model. */
  costIsGuess: boolean
  /** Calls of models, retries included. */
  modelCalls: number
  /** Calls of tools. */
  toolCalls: number
}

/** A task to run. The one event that anyone may write, as Avro or as plain JSON; only the text is required. */
export interface TaskSubmitted {
  /** What the agent is asked to do: 1 to 10,000 characters. */
  text: string
  /** Names the task and makes it run once; without one, the position of its record names it. */
  taskId: string | null
  /** On whose behalf: limits and summaries go by it. */
  userId: string | null
  /** Agent of flotilla.config.ts; null takes the default agent. */
  agent: string | null
  /** code: the model writes Python; tools: it makes JSON tool calls. Null takes the agent's. */
  mode: 'code' | 'tools' | null
  /** Model profile: fast, accurate, economy, local, secure, throughput, or one of your own. */
  profile: string | null
  /** provider/model, which overrides the profile's. */
  model: string | null
  /** Most model turns. */
  maxSteps: number | null
  /** Time limit in milliseconds, counted from submission. */
  timeoutMs: number | null
  /** Most US dollars to spend. */
  maxCost: number | null
  /** Higher goes first where work waits; 0 is normal. */
  priority: number | null
  /** Session that the task is a turn of: one task of it runs at a time, and the agent is given what was said before. */
  sessionId: string | null
  /** JSON Schema that the output must fit, as JSON text. */
  outputSchema: Json
  /** Task id of the task that this one was made from. */
  parent: string | null
  /** How the model is chosen, where neither model nor profile is named; null takes the agent's or the fleet's. */
  strategy: 'aggressive' | 'balanced' | 'conservative' | null
  /** For the strategy; null lets it be estimated. */
  complexity: 'simple' | 'moderate' | 'complex' | null
  /** For the strategy; null is normal. */
  quality: 'low' | 'normal' | 'high' | 'critical' | null
  /** Tokens that the task will use, in and out: for the strategy and for budgets; null lets them be estimated. */
  estimatedTokens: number | null
  /** Earlier messages of the conversation, oldest first, as JSON text: [{role, content}], role system, developer, user or assistant. */
  history: Json
  /** Labels of the sender, as JSON text: {name: text}. Kept with the submission; no model sees them. */
  metadata: Json
  /** Sampling temperature, if the agent lets its tasks choose it. */
  temperature: number | null
  /** Most tokens of one model answer. */
  maxOutputTokens: number | null
  /** Task id of the task that this one is a fork of. */
  forkedFrom: string | null
  /** The first step that runs again, from 1; the recording has the steps before it. */
  forkedFromStep: number | null
  /** How tool calls are answered. live: by the tools; recorded: by the recording, and refused where it has no such call; ask: by the recording, else by the tool once a person approved; refuse: every call is refused. Null: recorded in a fork or with a recording, else live. */
  toolPolicy: 'live' | 'recorded' | 'ask' | 'refuse' | null
  /** Replaces the instructions of the agent, if the agent lets its tasks bring their own. */
  instructions: string | null
  /** What is not asked of the model and the tools again, as JSON text: {steps, outcomes}: steps begin the task in place of the model; outcomes are those of later tool calls, in order. */
  recording: Json
  /** What happens if another task of its session runs. queue: it waits; steer: its text is given to the running task at its next step; interrupt: the running task is cancelled; reject: it is refused. Null takes the agent's. */
  whenBusy: 'queue' | 'steer' | 'interrupt' | 'reject' | null
}

/** What a person decided about a call that waits: an approval, the answer to a question, or whether a call in doubt took effect. */
export interface ApprovalDecided {
  /** The task. */
  taskId: string
  /** The waiting call. */
  callId: string
  /** True lets it run, or gives the answer; false declines. */
  approved: boolean
  /** Why; the model is told. */
  reason: string | null
  /** The person who decided: the user of the key or token, as the gateway verified it. */
  decidedBy: string | null
  /** Arguments to run it with, instead of those that were asked for; null leaves them. */
  arguments: Json
  /** The answer to a question, or the result of a call in doubt that took effect. */
  answer: Json
  /** Of a call in doubt: whether it took effect. */
  tookEffect: boolean | null
  /** Scopes of who decided, as the gateway verified them. */
  scopes: string[] | null
  /** The key or token that the decision was sent with, as the gateway verified it. */
  credential: string | null
  /** Other people who may hold the key, because they made it for its user. */
  madeBy: string[] | null
  /** The wait that is meant, as CallHeld names it: a call may wait several times. Needed from its second wait on. */
  heldAtMs: number | null
}

/** What a user thought of a result. */
export interface FeedbackGiven {
  /** The task. */
  taskId: string
  /** Who says so. */
  userId: string | null
  /** 0 (useless) to 1 (perfect). */
  satisfaction: number
  /** In their words. */
  comment: string | null
}

/** How good an evaluator found a result. */
export interface QualityScored {
  /** The task. */
  taskId: string
  /** 0 (useless) to 1 (perfect). */
  quality: number
  /** Who or what says so: a person, a check, a model as judge. */
  scorer: string | null
}

/** Somebody asked to stop a task. */
export interface TaskCancelled {
  /** The task. */
  taskId: string
  /** Why, for people. */
  reason: string | null
  /** Who asked. */
  requestedBy: string | null
}

/** A checked task with every default filled in. */
export interface TaskAdmitted {
  /** The task. */
  taskId: string
  /** What the agent is asked to do, trimmed. */
  text: string
  /** On whose behalf. */
  userId: string | null
  /** Agent that runs it. */
  agent: string
  /** code: the model writes Python; tools: it makes JSON tool calls. */
  mode: 'code' | 'tools'
  /** Profile that the limits came from. */
  profile: string | null
  /** The model to use, then the fallbacks in order. */
  models: string[]
  /** Why this model was chosen. */
  modelReason: string
  /** Sampling temperature. */
  temperature: number
  /** Most model turns. */
  maxSteps: number
  /** Time limit in milliseconds. */
  timeoutMs: number
  /** Epoch milliseconds after which the task is timed out. */
  deadlineMs: number
  /** Most US dollars to spend. */
  maxCost: number | null
  /** Most tokens of one model answer. */
  maxOutputTokens: number
  /** Name of the code executor, such as default, wasm or docker. */
  executor: string
  /** Names of the tools the task may call. */
  tools: string[]
  /** Overrides every tool's cache lifetime (throughput profile); null keeps each tool's own. */
  toolCacheTtlMs: number | null
  /** Higher goes first where work waits. */
  priority: number
  /** Conversation that the task belongs to. */
  sessionId: string | null
  /** JSON Schema that the output must fit; null when anything will do. */
  outputSchema: Json
  /** Task id of the task that this one was made from. */
  parent: string | null
  /** What the sender expects the task to use; null where nothing was said. */
  estimatedTokens: number | null
  /** When it was submitted, epoch milliseconds. */
  submittedAtMs: number
  /** Earlier messages of the conversation, oldest first: [{role, content}]; null when there are none. */
  history: Json
  /** Task id of the task that this one is a fork of. */
  forkedFrom: string | null
  /** The first step that runs again, from 1. */
  forkedFromStep: number | null
  /** How tool calls are answered. live: by the tools; recorded: by the recording, and refused where it has no such call; ask: by the recording, else by the tool once a person approved; refuse: every call is refused. Null: live. */
  toolPolicy: 'live' | 'recorded' | 'ask' | 'refuse' | null
  /** The tools of a task whose calls are not simply made, in place of `tools`, which is then empty: a process that does not know policies calls none. */
  policyTools: string[] | null
  /** Replaces the instructions of the agent. */
  instructions: string | null
  /** What is not asked of the model and the tools again: {steps, outcomes}: steps begin the task in place of the model; outcomes are those of later tool calls, in order. */
  recording: Json
  /** The call that its end answers; null: no agent asked for it. */
  askedBy: AskedBy | null
  /** As in TurnGranted. Null: the task keeps no variables. */
  variables: Json
}

/** The end of a delegated task, for the call that asked for it; in the transaction that ends the task. */
export interface DelegationEnded {
  /** The task whose agent asked. */
  taskId: string
  /** Its call. */
  callId: string
  /** The delegated task. */
  child: Child
  /** Its answer; null unless it succeeded. */
  output: Json
  /** Why it did not succeed. */
  error: Failure | null
}

/** A task that an agent gives to another one. Router runs it as any other task, and emits its TaskSubmitted. */
export interface TaskDelegated {
  /** The new task: a hash of the asking task, its call, and the event that asked. */
  taskId: string
  /** The call that its end answers. */
  askedBy: AskedBy
  /** Agent that is asked. */
  agent: string
  /** What it is asked to do. */
  text: string
  /** On whose behalf: that of the asking task. */
  userId: string | null
  /** Priority of the asking task. */
  priority: number
  /** Deadline of the asking task, epoch milliseconds: it has no more time than that. */
  deadlineMs: number
  /** Share of what the asking task has left, US dollars; null: no limit. */
  maxCost: number | null
}

/** A task has ended: other stages forget it. */
export interface TaskClosed {
  /** The task. */
  taskId: string
  /** How it ended, as in TaskCompleted. */
  status: string
  /** The task's deadline, epoch milliseconds: until then what it asked for may still arrive; null from older releases. */
  deadlineMs: number | null
}

/** A tool call to make. */
export interface ToolRequested {
  /** The task. */
  taskId: string
  /** Unique for the call; the reply carries it. */
  callId: string
  /** Name of the tool. */
  tool: string
  /** Arguments: an object. */
  arguments: Json
  /** Stage that waits for the reply. */
  requester: 'planner' | 'code-sandbox'
  /** Step of the task, from 1. */
  step: number
  /** Epoch milliseconds after which nobody waits for the reply. */
  deadlineMs: number
  /** On whose behalf. */
  userId: string | null
  /** Overrides the tool's cache lifetime; null keeps it. */
  cacheTtlMs: number | null
  /** Agent of the task; null from versions that did not say it. */
  agent: string | null
  /** True: it waits for a person's approval, even if the tool needs none. */
  ask: boolean
  /** Given with a call of another agent: its share of what the task has left, and the agents above; null for every other tool. */
  delegation: Delegation | null
}

/** Work of a task that is no longer wanted. */
export interface WorkCancelled {
  /** The task. */
  taskId: string
  /** Call or request ids to stop; empty stops all work of the task. */
  callIds: string[]
  /** Why. */
  reason: string
  /** The task's deadline, epoch milliseconds: until then what it asked for may still arrive; null from older releases. */
  deadlineMs: number | null
}

/** A tool call waits for a person. Meanwhile its task's deadline stands still and its slot is free. Emitted again when its votes change. */
export interface CallHeld {
  /** The task. */
  taskId: string
  /** The call. */
  callId: string
  /** Name of the tool. */
  tool: string
  /** Stage that waits for the reply. */
  requester: 'planner' | 'code-sandbox'
  /** Step of the task. */
  step: number
  /** What a person is asked: to approve it, to answer, or whether it took effect. */
  why: 'approval' | 'question' | 'doubt'
  /** The frozen arguments. */
  arguments: Json
  /** On whose behalf. */
  userId: string | null
  /** Agent of the task. */
  agent: string | null
  /** Epoch milliseconds. */
  heldAtMs: number
  /** When it stops waiting, epoch milliseconds; null: never. */
  expiresAtMs: number | null
  /** Who may decide, how many must agree, and what then happens: {rule, needed, approvers, onExpiry, answer}. */
  terms: Json
  /** Approvals so far: [{by, atMs, reason, arguments}]. */
  votes: Json
}

/** A call no longer waits for a person: it runs, or it is over. */
export interface CallReleased {
  /** The task. */
  taskId: string
  /** The call. */
  callId: string
  /** Name of the tool. */
  tool: string
  /** Stage that waits for the reply. */
  requester: 'planner' | 'code-sandbox'
  /** Step of the task. */
  step: number
  /** expired: nobody decided in time. withdrawn: its work was cancelled. */
  outcome: 'approved' | 'declined' | 'answered' | 'settled' | 'expired' | 'withdrawn'
  /** Since when it waited. Epoch milliseconds. */
  heldAtMs: number
  /** Epoch milliseconds. */
  atMs: number
  /** As in ToolCompleted. */
  approval: Json
  /** The task fails with this, because its tool says so of a call that nobody decided about. */
  failsTask: Failure | null
}

/** Calls of a delegated task wait for people, or none does any more: the call that asked for the task waits with them, and so does the task of that call. */
export interface DelegationHeld {
  /** The task whose agent asked. */
  taskId: string
  /** Its call. */
  callId: string
  /** The delegated task. */
  child: string
  /** Since when the delegated task waits for people. Epoch milliseconds. */
  heldAtMs: number
  /** Since when it does not. Epoch milliseconds; null: it waits. */
  releasedAtMs: number | null
}

/** The outcome of a tool call. */
export interface ToolCompleted {
  /** The task. */
  taskId: string
  /** The call. */
  callId: string
  /** Name of the tool. */
  tool: string
  /** Stage that waits for the reply. */
  requester: 'planner' | 'code-sandbox'
  /** Step of the task. */
  step: number
  /** unknown: begun by a process that died, and not safe to repeat. refused: a person declined it. undecided: no person decided in time; neither was made. */
  status: 'succeeded' | 'failed' | 'unknown' | 'cancelled' | 'refused' | 'undecided'
  /** What the tool returned; null unless succeeded. */
  output: Json
  /** Why it did not succeed. */
  error: Failure | null
  /** Epoch milliseconds. */
  startedAtMs: number
  /** Milliseconds of work; 0 when it was answered from the cache. */
  durationMs: number
  /** True when the cache answered. */
  cached: boolean
  /** How people decided about it: {why, rule, outcome, heldAtMs, endedAtMs, arguments, edited, decisions}; null if it did not wait. */
  approval: Json
  /** The task that the call became; null for every other tool. */
  child: Child | null
}

/** Python to run. */
export interface CodeRequested {
  /** The task. */
  taskId: string
  /** Unique for the step; also names the sandbox step. */
  requestId: string
  /** Step of the task, from 1. */
  step: number
  /** The Python source. */
  code: string
  /** Name of the code executor. */
  executor: string
  /** Names of the tools it may call. */
  tools: string[]
  /** Overrides every tool's cache lifetime; null keeps each tool's own. */
  toolCacheTtlMs: number | null
  /** On whose behalf. */
  userId: string | null
  /** Time limit of the step in milliseconds, without the time spent waiting for tools. */
  timeoutMs: number
  /** Epoch milliseconds after which nobody waits for the reply. */
  deadlineMs: number
  /** Agent of the task; null from versions that did not say it. */
  agent: string | null
  /** How the step's tool calls are answered, as in TaskAdmitted; null: live. */
  toolPolicy: 'live' | 'recorded' | 'ask' | 'refuse' | null
  /** The tools of a step whose calls are not simply made, in place of `tools`, which is then empty: a process that does not know policies calls none. */
  policyTools: string[] | null
  /** {step, outcomes}: seed and time of a step that is repeated; recorded outcomes, in the first request of a task. Null when there are none. */
  recording: Json
  /** What calls of other agents in this step go by; its maxCost is what the task has left. Null: its agent has no delegates. */
  delegation: Delegation | null
  /** Python steps of earlier turns of its session, in the first request of a task: they are run again first, with their recorded results. Null when there are none. */
  prior: Json
  /** True: the reply has what runs the step again. */
  keepLog: boolean
}

/** The outcome of a Python step. */
export interface CodeCompleted {
  /** The task. */
  taskId: string
  /** The step's request. */
  requestId: string
  /** Step of the task. */
  step: number
  /** How it ended. */
  status: 'finished' | 'failed' | 'cancelled'
  /** Value of the last expression; null when there is none. */
  output: Json
  /** True when the code called final_answer(x); finalAnswer then holds x. */
  isFinal: boolean
  /** The argument of final_answer. */
  finalAnswer: Json
  /** What the code printed. */
  prints: string
  /** Why it failed. */
  error: Failure | null
  /** Tool calls made by the step, in order: [{callId, tool, arguments, status, durationMs, cached}]. */
  toolCalls: Json
  /** Epoch milliseconds. */
  startedAtMs: number
  /** Milliseconds from start to end. */
  durationMs: number
  /** US dollars of the tasks that the step delegated; null: none. */
  childrenCost: number | null
  /** {after, step}: what runs the step again, null if it left nothing; after is the number of the step before it, null if there is none. Null when it was not asked for. */
  kept: Json
}

/** The one result of a task. */
export interface TaskCompleted {
  /** The task. */
  taskId: string
  /** How it ended. */
  status: 'succeeded' | 'failed' | 'rejected' | 'cancelled' | 'timed_out'
  /** The answer; null unless succeeded. */
  output: Json
  /** Steps as described in docs: [{step, kind, model, text, code, toolCalls, observation, error, startedAtMs, durationMs, usage}]. */
  steps: Json
  /** What it used in all. */
  usage: Usage
  /** Milliseconds from submission to completion. */
  executionTime: number
  /** Model that gave the answer; null when none was called. */
  model: string | null
  /** Why this model was chosen. */
  modelReason: string | null
  /** Why it did not succeed. */
  error: Failure | null
  /** Trace id, 32 hex digits; null when nothing traced. */
  traceId: string | null
  /** What was asked. */
  text: string
  /** On whose behalf. */
  userId: string | null
  /** Agent that ran it. */
  agent: string | null
  /** Profile that the limits came from. */
  profile: string | null
  /** code or tools. */
  mode: string | null
  /** Conversation that the task belongs to. */
  sessionId: string | null
  /** Task id of the task that this one was made from. */
  parent: string | null
  /** Epoch milliseconds. */
  submittedAtMs: number
  /** Epoch milliseconds. */
  completedAtMs: number
  /** Task id of the task that this one is a fork of. */
  forkedFrom: string | null
  /** The first step that ran again, from 1. */
  forkedFromStep: number | null
  /** How its tool calls were answered; null: live. */
  toolPolicy: 'live' | 'recorded' | 'ask' | 'refuse' | null
  /** Tool calls that its policy refused: [{step, callId, tool, arguments}], at most 100; null when there are none. */
  refusedCalls: Json
  /** US dollars of the tasks that it delegated, and of theirs, as far as they had ended; not in `usage`. Null: it delegated none. */
  childrenCost: number | null
}

/** One thing that happened to a task. */
export interface TaskProgressed {
  /** The task. */
  taskId: string
  /** Stage where it happened. */
  stage: string
  /** What happened. */
  kind:
    | 'queued'
    | 'admitted'
    | 'model_called'
    | 'code_requested'
    | 'tool_requested'
    | 'tool_started'
    | 'tool_called'
    | 'delegated'
    | 'code_run'
    | 'step_completed'
    | 'retry_scheduled'
    | 'model_changed'
    | 'compacted'
    | 'waiting'
    | 'approval_requested'
    | 'approval_decided'
    | 'cancel_requested'
    | 'completed'
  /** Step of the task, where there is one. */
  step: number | null
  /** Epoch milliseconds. */
  atMs: number
  /** What there is to know of it; its shape goes by kind. */
  detail: Json
}

/** Text as the model writes it. Best effort: some may be missing, none counts. */
export interface TokensStreamed {
  /** The task. */
  taskId: string
  /** Step of the task. */
  step: number
  /** Order within the attempt, from 0. */
  sequence: number
  /** The next piece. */
  text: string
  /** The attempt that writes it: a step may be tried again, also by another process. Null: of an older version. */
  attempt: string | null
}

/** What one model, tool or code call used and cost. */
export interface UsageRecorded {
  /** The task. */
  taskId: string
  /** The call. */
  callId: string
  /** What was called. */
  kind: 'model' | 'tool' | 'code'
  /** On whose behalf. */
  userId: string | null
  /** Agent that called. */
  agent: string | null
  /** Model, for model calls. */
  model: string | null
  /** Provider, for model calls. */
  provider: string | null
  /** Tool, for tool calls. */
  tool: string | null
  /** Tokens sent. */
  inputTokens: number
  /** Tokens received. */
  outputTokens: number
  /** US dollars. */
  cost: number
  /** True when a price was guessed for an unknown model. */
  costIsGuess: boolean
  /** Milliseconds. */
  durationMs: number
  /** Whether the call succeeded. */
  succeeded: boolean
  /** Row of the error table when it did not. */
  errorCode: string | null
  /** True when a cache answered. */
  cached: boolean
  /** When it ended, epoch milliseconds. */
  atMs: number
  /** True when the provider did not report the tokens and they were counted here: it never does, or the call was stopped. */
  tokensAreEstimate: boolean
}

/** Somebody asked to delete a session. */
export interface SessionDeleted {
  /** The session. */
  sessionId: string
  /** The user whose session it is: a session of another user stays; null: whoever's it is. */
  requestedBy: string | null
  /** Epoch milliseconds. */
  atMs: number
}

/** The summary that a session asked for, or why there is none. */
export interface SessionSummarised {
  /** The session. */
  sessionId: string
  /** The request. */
  requestId: string
  /** The summary; null where there is none. */
  summary: string | null
  /** The model that wrote it. */
  model: string | null
  /** US dollars. */
  cost: number
  /** Why there is none. */
  error: Failure | null
}

/** A task of a session has ended, or does not exist: the next one may run. */
export interface TurnEnded {
  /** The session. */
  sessionId: string
  /** Id of the task. */
  task: string
  /** On whose behalf. */
  userId: string | null
  /** Agent that ran it. */
  agent: string
  /** The model that answered; null where none did. */
  model: string | null
  /** How it ended, as in TaskCompleted. */
  status: 'succeeded' | 'failed' | 'rejected' | 'cancelled' | 'timed_out'
  /** What was asked. */
  text: string
  /** Its result. */
  output: Json
  /** Why it did not succeed. */
  error: Failure | null
  /** Task ids of the messages that it took along. */
  steered: string[]
  /** Epoch milliseconds. */
  endedAtMs: number
  /** {after, fresh, gone, steps}: the Python steps of this turn, behind the step numbered after or, if fresh, in place of all before; gone says why they cannot be kept. Null: the task keeps no variables. */
  variables: Json
}

/** A task of a session asks for its turn. */
export interface TurnRequested {
  /** The session. */
  sessionId: string
  /** Id of the task. */
  task: string
  /** On whose behalf. */
  userId: string | null
  /** Agent that runs it. */
  agent: string
  /** What happens if another task of the session runs. queue: it waits; steer: its text is given to the running task; interrupt: the running task is cancelled; reject: it is refused. */
  whenBusy: 'queue' | 'steer' | 'interrupt' | 'reject'
  /** What the agent is asked to do. */
  text: string
  /** Task id of the task that this one was made from. */
  parent: string | null
  /** When it was submitted, epoch milliseconds. */
  submittedAtMs: number
  /** Epoch milliseconds after which the task is timed out. */
  deadlineMs: number
  /** JSON Schema that its answer must fit, if its text may be given to the running task; null otherwise. */
  outputSchema: Json
  /** Executor whose Python variables the task takes over from earlier turns and keeps for later ones; null: it has none to do with them. */
  executor: string | null
}

/** A session asks for a summary of its older turns. */
export interface SummaryRequested {
  /** The session. */
  sessionId: string
  /** Names the request; its usage is recorded under it. */
  requestId: string
  /** Who pays. */
  userId: string | null
  /** Agent of the last turn. */
  agent: string
  /** The model that writes it. */
  model: string
  /** The turns, with the earlier summary first, if there is one. */
  transcript: string
  /** First turn. */
  fromTurn: number
  /** Last turn. */
  throughTurn: number
  /** Most tokens of the summary. */
  mostTokens: number
}

/** A message of a session for its running task. */
export interface TaskSteered {
  /** The running task. */
  taskId: string
  /** The session. */
  sessionId: string
  /** Id of the task that brought the message. */
  fromTask: string
  /** The message. */
  text: string
  /** JSON Schema that its answer must fit: a task whose answer must fit another one does not take it along. */
  outputSchema: Json
  /** True: the task that brought the message has ended; a message that no prompt has yet is not taken along. */
  withdrawn: boolean
}

/** The turn of a task of a session has come: it may run. */
export interface TurnGranted {
  /** The task. */
  taskId: string
  /** The session. */
  sessionId: string
  /** Number of the turn, from 1. */
  turn: number
  /** What the session remembers, oldest first: [{role, content}]; null when there is nothing. */
  history: Json
  /** {after, steps, gone}: the Python steps of earlier turns, whose variables are defined in this one; after is the number of the last; gone says why those before are not there. Null: the task keeps no variables. */
  variables: Json
}

/** A session asks whether a task of it, whose deadline has passed, still runs. */
export interface TurnQueried {
  /** The task. */
  taskId: string
  /** The session. */
  sessionId: string
  /** On whose behalf. */
  userId: string | null
  /** Agent that runs it. */
  agent: string
}

/** A task of a session ends without running: it was refused, or another task answered it. */
export interface TurnSettled {
  /** The task. */
  taskId: string
  /** The session. */
  sessionId: string
  /** How it ends. */
  status: 'succeeded' | 'failed' | 'rejected' | 'cancelled' | 'timed_out'
  /** The answer of the task that took its text along; null where there is none. */
  output: Json
  /** Why it did not succeed. */
  error: Failure | null
  /** Task id of the task that answered it. */
  by: string | null
}

/** One thing that happened to a session. */
export interface SessionProgressed {
  /** The session. */
  sessionId: string
  /** Whose session it is. */
  userId: string | null
  /** What happened. compacted: its detail names the turns that a summary now stands for. */
  kind: 'turn_ended' | 'compacted' | 'deleted' | 'expired'
  /** Task of the turn, where there is one. */
  task: string | null
  /** Number of the turn, where there is one. */
  turn: number | null
  /** Epoch milliseconds. */
  atMs: number
  /** What there is to know of it; its shape goes by kind. */
  detail: Json
}

/** Counts of one lane, brought together for rules over the whole fleet. */
export interface OutcomesTallied {
  /** Start of the bucket, epoch milliseconds. */
  bucketMs: number
  /** Lane that was counted. */
  lane: number
  /** Tasks that succeeded. */
  succeeded: number
  /** Tasks that ended otherwise. */
  failed: number
  /** Tokens used, input and output. */
  tokens: number
  /** executionTime of each task of the bucket, at most 500. */
  executionTimesMs: number[]
  /** Distinct error messages of the bucket, at most 20. */
  errors: string[]
  /** One score of an evaluator, 0 to 1. */
  quality: number | null
  /** One rating of a user, 0 to 1. */
  satisfaction: number | null
}

/** A rule fires. */
export interface AlertRaised {
  /** The same from raise to resolve. */
  alertId: string
  /** Name of the rule. */
  rule: string
  /** How urgent. */
  severity: 'critical' | 'warning'
  /** Whom to tell. */
  channels: string[]
  /** What was measured. */
  value: number
  /** What it was measured against. */
  threshold: number
  /** Window of the measurement in milliseconds. */
  windowMs: number
  /** For people. */
  message: string
  /** Epoch milliseconds. */
  atMs: number
}

/** A rule that fired holds no more. */
export interface AlertResolved {
  /** The alert. */
  alertId: string
  /** Name of the rule. */
  rule: string
  /** What is measured now. */
  value: number
  /** What it is measured against. */
  threshold: number
  /** For people. */
  message: string
  /** Epoch milliseconds. */
  atMs: number
}

/** Channels are not told of a rule for a while; a later one for the same rule takes its place. */
export interface AlertSilenced {
  /** Name of the rule. */
  rule: string
  /** Epoch milliseconds; in the past: the silence ends. */
  untilMs: number
  /** Why, for people. */
  reason: string | null
  /** Who says so. */
  by: string | null
  /** Epoch milliseconds. */
  atMs: number
}

/** Somebody wants to see what the channels of a rule answer. */
export interface AlertTested {
  /** Named by the notifications that follow. */
  testId: string
  /** Name of the rule. */
  rule: string
  /** Epoch milliseconds. */
  atMs: number
}

/** What became of a notification. */
export interface NotificationEnded {
  /** The notification. */
  notificationId: string
  /** Name of the channel. */
  channel: string
  /** How it ended; dropped: its alerts were over before it could be told. */
  status: 'delivered' | 'failed' | 'dropped'
  /** What the channel answered, or why it was not told. */
  answer: string
  /** How often it was tried. */
  tries: number
  /** Ids of its alerts. */
  alerts: string[]
  /** The test that it belongs to. */
  testId: string | null
  /** Epoch milliseconds. */
  atMs: number
}

/** A channel is to be notified of alerts, or of a call that waits for a person. */
export interface NotificationRequested {
  /** The same on every try. */
  notificationId: string
  /** Name of the channel. */
  channel: string
  /** What it is told: [{kind, alertId, rule, severity, value, threshold, message, runbook, atMs}]; kind: raised, resolved, test, approval (a call that waits for a person). */
  notices: Json
  /** The test that it belongs to. */
  testId: string | null
  /** Epoch milliseconds. */
  atMs: number
}

/** A circuit breaker changed state in one process. */
export interface BreakerChanged {
  /** What it guards: a provider or tool. */
  breaker: string
  /** Stage that calls. */
  stage: string
  /** Process that calls. */
  instance: string
  /** State before. */
  from: 'closed' | 'open' | 'half_open'
  /** State now. */
  to: 'closed' | 'open' | 'half_open'
  /** Last failure. */
  reason: string | null
  /** Epoch milliseconds. */
  atMs: number
}

/** A daily token budget has reached the share at which it is reported, or has too little left for a task or a call, which is refused. The first once for each budget and day, and once more after it rose; the second once for each limit by each process. Best effort. */
export interface BudgetWarned {
  /** The fleet, a user or a model, for people. */
  budget: string
  /** The same as flotilla limits names it: fleet, user:ann, model:gpt-4o. */
  name: string | null
  /** Where its limit is set in flotilla.config.ts. */
  setting: string
  /** Tokens of the day. */
  limitTokens: number
  /** Settled tokens at which it is reported. */
  warnAtTokens: number
  /** Settled tokens, where a task or a call was refused; null: those of warnAtTokens. */
  usedTokens: number | null
  /** Epoch milliseconds. */
  resetsAtMs: number
  /** Epoch milliseconds. */
  atMs: number
}

/** A call was refused because its MCP server describes the tool differently from what is pinned, or no longer has it. */
export interface McpToolChanged {
  /** The server, as the configuration names it. */
  server: string
  /** Name of the tool on the server. */
  tool: string
  /** What differs, as the error of the call says it. */
  how: string
  /** The task whose call was refused. */
  taskId: string
  /** Epoch milliseconds. */
  atMs: number
}

/** A stage, or the whole fleet, takes no new events from now on, or takes them again. */
export interface StagePaused {
  /** Name of the stage; null: every stage. */
  stage: string | null
  /** False: it goes on. */
  paused: boolean
  /** Why, for people. */
  reason: string | null
  /** Who says so. */
  by: string | null
  /** Epoch milliseconds. */
  atMs: number
}

/** A record that a stage could not process. */
export interface DeadLettered {
  /** Logical topic it was read from. */
  sourceTopic: string
  /** Partition it was read from. */
  partition: number
  /** Offset it was read from. */
  offset: number
  /** Its key. */
  key: string | null
  /** Its bytes, untouched; only the first of them where `valueBlob` names the rest. */
  value: Uint8Array
  /** Its headers. */
  headers: Record<string, string>
  /** Stage that gave up. */
  stage: string
  /** Row of the error table. */
  code: string
  /** What happened. */
  message: string
  /** Times it was tried. */
  attempts: number
  /** Epoch milliseconds. */
  failedAtMs: number
  /** SHA-256 under which the blob store has all of its bytes, where they are too many for this record. */
  valueBlob: string | null
  /** How many bytes it has, where `value` doesn't hold them all. */
  valueBytes: number | null
  /** SHA-256 under which the blob store has its key and headers as JSON, where they are too large for this record; `key` is cut then, and `headers` are empty. */
  originBlob: string | null
}

export interface EventMap {
  TaskSubmitted: TaskSubmitted
  ApprovalDecided: ApprovalDecided
  FeedbackGiven: FeedbackGiven
  QualityScored: QualityScored
  TaskCancelled: TaskCancelled
  TaskAdmitted: TaskAdmitted
  DelegationEnded: DelegationEnded
  TaskDelegated: TaskDelegated
  TaskClosed: TaskClosed
  ToolRequested: ToolRequested
  WorkCancelled: WorkCancelled
  CallHeld: CallHeld
  CallReleased: CallReleased
  DelegationHeld: DelegationHeld
  ToolCompleted: ToolCompleted
  CodeRequested: CodeRequested
  CodeCompleted: CodeCompleted
  TaskCompleted: TaskCompleted
  TaskProgressed: TaskProgressed
  TokensStreamed: TokensStreamed
  UsageRecorded: UsageRecorded
  SessionDeleted: SessionDeleted
  SessionSummarised: SessionSummarised
  TurnEnded: TurnEnded
  TurnRequested: TurnRequested
  SummaryRequested: SummaryRequested
  TaskSteered: TaskSteered
  TurnGranted: TurnGranted
  TurnQueried: TurnQueried
  TurnSettled: TurnSettled
  SessionProgressed: SessionProgressed
  OutcomesTallied: OutcomesTallied
  AlertRaised: AlertRaised
  AlertResolved: AlertResolved
  AlertSilenced: AlertSilenced
  AlertTested: AlertTested
  NotificationEnded: NotificationEnded
  NotificationRequested: NotificationRequested
  BreakerChanged: BreakerChanged
  BudgetWarned: BudgetWarned
  McpToolChanged: McpToolChanged
  StagePaused: StagePaused
  DeadLettered: DeadLettered
}

export type EventType = keyof EventMap
