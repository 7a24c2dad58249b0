import type { EventType } from './generated/events.ts'

/** One topic of the contract. Names are logical: every adapter adds the fleet's prefix. */
export interface TopicSpec {
  readonly name: TopicName
  /** The records it may carry. */
  readonly events: readonly EventType[]
  /** The record key. */
  readonly key: string
  /** The one key of every record, where anyone may write a topic whose records are about no task. */
  readonly fixedKey?: string
  /** Task topics share one fixed partition count, so that lane i of every stage holds the same tasks. */
  readonly partitions: 'shared' | number
  readonly retentionMs: number
  readonly compacted?: boolean
  /** Readers look for one record by its key: the embedded log has an index of them. */
  readonly lookedUp?: boolean
  /** Who writes it: a stage's name, `operators` (the command, the gateway), or `anyone`. */
  readonly writers: readonly string[]
  readonly purpose: string
}

export type TopicName =
  | 'tasks.submitted'
  | 'tasks.control'
  | 'tasks.admitted'
  | 'tasks.delegated'
  | 'tools.requested'
  | 'tools.completed'
  | 'code.requested'
  | 'code.completed'
  | 'tasks.completed'
  | 'tasks.history'
  | 'tasks.streaming'
  | 'usage.recorded'
  | 'sessions.requested'
  | 'sessions.turns'
  | 'sessions.history'
  | 'outcomes.tallied'
  | 'alerts.raised'
  | 'alerts.control'
  | 'alerts.notifications'
  | 'ops.health'
  | 'ops.control'
  | 'dead-letters'

/** Partition count shared by all task topics unless configured otherwise; `doctor` compares it with the broker's. */
export const DEFAULT_PARTITIONS = 12

const DAY = 86_400_000

export const topics: readonly TopicSpec[] = [
  {
    name: 'tasks.submitted',
    events: ['TaskSubmitted'],
    key: 'task id, or any: not read',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    lookedUp: true,
    writers: ['anyone', 'router'],
    purpose: 'Tasks to run. Also takes plain JSON.',
  },
  {
    name: 'tasks.control',
    events: ['TaskCancelled', 'ApprovalDecided', 'FeedbackGiven', 'QualityScored'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['anyone', 'router', 'tool-executor', 'sessions'],
    purpose: 'Cancels, approvals, feedback and scores for submitted tasks. Never paused.',
  },
  {
    name: 'tasks.admitted',
    events: ['TaskAdmitted', 'TaskCancelled'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['router'],
    purpose: 'Checked tasks with every default filled in; cancels of running tasks, behind them.',
  },
  {
    name: 'tasks.delegated',
    events: ['TaskDelegated', 'DelegationEnded'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['router', 'planner', 'tool-executor'],
    purpose: 'Tasks that agents give to other agents, and their ends. Only the fleet writes it.',
  },
  {
    name: 'tools.requested',
    events: ['ToolRequested', 'WorkCancelled', 'TaskClosed'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['planner', 'code-sandbox'],
    purpose: 'Tool calls to make.',
  },
  {
    name: 'tools.completed',
    events: ['ToolCompleted', 'CallHeld', 'CallReleased', 'DelegationHeld'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['tool-executor', 'planner'],
    purpose:
      'Outcomes of tool calls, for the stage named in the requester header; calls that wait for a person, of the task or of those that it delegated.',
  },
  {
    name: 'code.requested',
    events: ['CodeRequested', 'WorkCancelled', 'TaskClosed'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['planner'],
    purpose: 'Python to run.',
  },
  {
    name: 'code.completed',
    events: ['CodeCompleted'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['code-sandbox'],
    purpose: 'Outcomes of Python steps.',
  },
  {
    name: 'tasks.completed',
    events: ['TaskCompleted'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 30 * DAY,
    lookedUp: true,
    writers: ['router', 'planner'],
    purpose: 'Exactly one result for each task id.',
  },
  {
    name: 'tasks.history',
    events: ['TaskProgressed'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 30 * DAY,
    writers: ['router', 'planner', 'tool-executor', 'code-sandbox'],
    purpose: 'What happened to a task, step by step.',
  },
  {
    name: 'tasks.streaming',
    events: ['TokensStreamed', 'TaskProgressed'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: DAY / 24,
    writers: ['planner', 'tool-executor'],
    purpose:
      'Signs of life: text as the model writes it, what takes long; best effort, outside transactions.',
  },
  {
    name: 'usage.recorded',
    events: ['UsageRecorded'],
    key: 'task id',
    partitions: 'shared',
    retentionMs: 30 * DAY,
    writers: ['planner', 'tool-executor', 'code-sandbox'],
    purpose: 'What each model, tool and code call used and cost.',
  },
  {
    name: 'sessions.requested',
    events: ['TurnRequested', 'TurnEnded', 'SessionSummarised', 'SessionDeleted'],
    key: 'session id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['router', 'planner', 'operators'],
    purpose: 'Tasks of sessions that ask for their turn, and turns that ended.',
  },
  {
    name: 'sessions.turns',
    events: ['TurnGranted', 'TurnSettled', 'TurnQueried', 'TaskSteered', 'SummaryRequested'],
    key: 'task id, or session id',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['sessions'],
    purpose: 'Answers of sessions to their tasks, and summaries to write.',
  },
  {
    name: 'sessions.history',
    events: ['SessionProgressed'],
    key: 'session id',
    partitions: 'shared',
    retentionMs: 30 * DAY,
    writers: ['sessions'],
    purpose: 'What happened to a session: turns, and what summaries stand for.',
  },
  {
    name: 'outcomes.tallied',
    events: ['OutcomesTallied'],
    key: 'fleet',
    partitions: 'shared',
    retentionMs: DAY,
    writers: ['alerting', 'metering'],
    purpose: 'Counts of each lane and scores of tasks, collected for rules over the whole fleet.',
  },
  {
    name: 'alerts.raised',
    events: ['AlertRaised', 'AlertResolved'],
    key: 'rule',
    partitions: 'shared',
    retentionMs: 30 * DAY,
    writers: ['alerting'],
    purpose: 'Alerts as they fire and resolve.',
  },
  {
    name: 'alerts.control',
    events: ['AlertSilenced', 'AlertTested'],
    key: 'fleet',
    fixedKey: 'fleet',
    partitions: 'shared',
    retentionMs: 30 * DAY,
    writers: ['anyone', 'alerting'],
    purpose: 'Silences and tests of alerts, by operators.',
  },
  {
    name: 'alerts.notifications',
    events: ['NotificationRequested', 'NotificationEnded'],
    key: 'fleet',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['alerting', 'tool-executor'],
    purpose: 'Notifications for channels, and what the channels answered.',
  },
  {
    name: 'ops.health',
    events: ['BreakerChanged', 'BudgetWarned', 'McpToolChanged'],
    key: 'breaker, or fleet',
    partitions: 'shared',
    retentionMs: 7 * DAY,
    writers: ['router', 'planner', 'tool-executor', 'code-sandbox', 'alerting'],
    purpose: 'Breakers as they open and close, budgets that run short, tools of MCP servers that changed.',
  },
  {
    name: 'ops.control',
    events: ['StagePaused'],
    key: 'fleet',
    partitions: 'shared',
    // A pause holds until it is ended.
    retentionMs: 3_650 * DAY,
    writers: ['operators'],
    purpose: 'Pauses of stages and of the fleet, by operators. Every process follows it.',
  },
  {
    name: 'dead-letters',
    events: ['DeadLettered'],
    key: 'source key',
    partitions: 'shared',
    retentionMs: 30 * DAY,
    writers: ['router', 'sessions', 'planner', 'tool-executor', 'code-sandbox', 'metering', 'alerting'],
    purpose: 'Records that no stage could process, with their bytes and the reason.',
  },
]

/** Every stage: each writes dead letters. */
export const stages: readonly string[] = topics.find(({ name }) => name === 'dead-letters')?.writers ?? []

/** Record header names. Values are UTF-8 strings. */
export const headers = {
  traceparent: 'traceparent',
  eventId: 'flotilla-event-id',
  causationId: 'flotilla-causation-id',
  schema: 'flotilla-schema',
  requester: 'flotilla-requester',
  stageVersion: 'flotilla-stage-version',
  /** On a replayed event of the fleet: the one stage that handles it. */
  replayFor: 'flotilla-replay-for',
  /** On dead-letters, of a letter that marks another one as replayed: that one's `partition:offset`. */
  replayOf: 'flotilla-replay-of',
  /** On a record of an open topic that was moved from a data file: the id of its event there. No stage reads it. */
  movedId: 'flotilla-moved-id',
  /** With it: the time of the record there, epoch milliseconds; the broker gave it another. */
  movedAtMs: 'flotilla-moved-at-ms',
  /** On tasks.history, of what a former owner of the lane had begun: the epoch in which it was finished. */
  resumedEpoch: 'flotilla-resumed-epoch',
} as const
