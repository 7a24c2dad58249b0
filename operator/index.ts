/// <reference types="node" preserve="true" />
// The operator's interface: on the fleet's own log and stores (direct/), or through a gateway
// (http.ts). `usingOperator` connects to the fleet.
import type { LedgerReader } from '../runtime/ledger/reader.ts'
import type { ApprovalQuery, ApprovalView } from '../runtime/ledger/approvals.ts'
import type { LimitsReader } from '../runtime/limits/budget-report.ts'
import type { AlertOperator } from './direct/alerts.ts'
import type { ForkOperator } from './direct/tasks/forks.ts'
import type { BreakerOperator } from './direct/breakers.ts'
import type { EvaluationOperator } from './direct/evaluations.ts'
import type { DeadLetterOperator } from './direct/dead-letters/dead-letters.ts'
import type { ConfigurationOperator } from './direct/configured.ts'
import type { KeyOperator } from './direct/keys.ts'
import type { McpServerOperator } from './direct/mcp-servers.ts'
import type { LaneOperator } from './direct/lanes.ts'
import type { PauseOperator } from './direct/pauses.ts'
import type { ResultOperator } from './direct/tasks/result-pages.ts'
import type { SessionOperator } from './direct/sessions.ts'
import type { TaskOperator } from './direct/tasks/tasks.ts'
import type { TopicOperator } from './direct/topics.ts'

export interface ApprovalOperator {
  /** Those that wait longest first; with status `all` the latest first. */
  list(query?: ApprovalQuery): Promise<ApprovalView[]>
}

export type { ApprovalQuery, ApprovalView } from '../runtime/ledger/approvals.ts'

export interface Operator {
  /** Tasks: those that wait or run, and those that have ended. */
  readonly tasks: TaskOperator
  /** Ended tasks in the order of the log. */
  readonly results: ResultOperator
  /** Forks of tasks, their recordings, and tasks side by side. */
  readonly forks: ForkOperator
  /** Calls that wait for people. */
  readonly approvals: ApprovalOperator
  /** Agents, tools, models and settings. */
  readonly configuration: ConfigurationOperator
  /** MCP servers whose tools the fleet uses. */
  readonly mcpServers: McpServerOperator
  /** Pauses of stages and of the fleet. */
  readonly pauses: PauseOperator
  /** Lanes of every stage: owner and lag. */
  readonly lanes: LaneOperator
  /** The fleet's topics and what they hold. */
  readonly topics: TopicOperator
  /** Records that could not be handled: list, look at, replay. */
  readonly deadLetters: DeadLetterOperator
  /** Circuit breakers of providers and tools. */
  readonly breakers: BreakerOperator
  /** Alert rules: their state, silences, tests of their channels. */
  readonly alerts: AlertOperator
  /** Sessions: conversations whose turns are tasks. */
  readonly sessions: SessionOperator
  /** The usage ledger: sums and exports. */
  readonly usage: LedgerReader
  /** Runs of evaluations and their scored cases. */
  readonly evaluations: EvaluationOperator
  /** The day's token budgets. */
  readonly limits: LimitsReader
  /** Keys of the HTTP API. */
  readonly keys: KeyOperator
}

export { usingOperator, type Reached } from './connect.ts'
export { httpOperator, type HttpOperatorOptions } from './http.ts'
export type { AlertOperator, AlertView, TestAnswer } from './direct/alerts.ts'
export type { BreakerOperator, BreakerView } from './direct/breakers.ts'
export type {
  BulkAnswer,
  BulkOptions,
  DeadLetterContent,
  DeadLetterOperator,
  DeadLetterView,
  Replayed,
} from './direct/dead-letters/dead-letters.ts'
export type { EvaluationCase, EvaluationRun, EvaluationScore } from '../api/schemas/evaluations.ts'
export type { EvaluationOperator } from './direct/evaluations.ts'
export type { ReplayOptions } from './direct/dead-letters/replay.ts'
export type { AgentView, ConfigurationOperator, ModelView, ToolView } from './direct/configured.ts'
export type { CreatedKey, KeyView, NewKey } from '../api/keys.ts'
export type { KeyOperator } from './direct/keys.ts'
export type { LaneOperator, LaneView } from './direct/lanes.ts'
export type { McpServerOperator } from './direct/mcp-servers.ts'
export type { McpCalls, McpServerView, McpToolView } from '../api/schemas/mcp-servers.ts'
export type { PauseChange, PauseOperator } from './direct/pauses.ts'
export type { CancelAnswer, CancelOptions } from './direct/tasks/cancel.ts'
export type { Comparison } from './direct/tasks/comparison.ts'
export type { Forked, ForkOptions } from './direct/tasks/forks.ts'
export type { SessionDetail, SessionList, SessionView, TurnView } from '../api/sessions.ts'
export type { ResultOperator } from './direct/tasks/result-pages.ts'
export type { SessionOperator, SessionQuery } from './direct/sessions.ts'
export type { TaskReplay } from './direct/tasks/replay.ts'
export type { TaskTree, TreeTask } from './direct/tasks/tree.ts'
export type { TaskDetail, TaskList, TaskOperator, TaskView } from './direct/tasks/tasks.ts'
export type { TopicOperator, TopicView } from './direct/topics.ts'
