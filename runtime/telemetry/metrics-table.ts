// Every metric of the fleet: its name without the prefix `flotilla_`, kind, labels and meaning. Docs and
// dashboard follow it.

interface MetricRow {
  readonly help: string
  readonly labels: readonly string[]
}

const row = <const L extends readonly string[]>(help: string, ...labels: L) => ({ help, labels })

/** They only grow. Prometheus sees `flotilla_<name>_total`. */
export const counters = {
  handlings: row('Events handled and committed.', 'stage', 'topic', 'type'),
  handlings_failed: row('Times that a stage threw while handling an event.', 'stage', 'topic', 'type'),
  bugs: row('Errors that escaped every handling: unhandled_rejection, uncaught_exception.', 'kind'),
  events_quarantined: row('Events given up because their process died of them.', 'stage', 'type'),
  records_skipped: row('Records that a stage does not take, left undecoded.', 'stage', 'topic'),
  records_forwarded: row('Records moved to the home partition of their key.', 'stage', 'topic'),
  events_emitted: row('Events committed to the log.', 'stage', 'topic', 'type'),
  timers_fired: row('Timers that came due.', 'stage'),
  commits: row('Commits by result: committed, fenced, refused, uncertain, failed.', 'stage', 'result'),
  calls: row('Outside calls made, by outcome: ok, or an error code.', 'stage', 'kind', 'target', 'outcome'),
  calls_changed: row('Calls answered from the journal although their request has changed.', 'stage', 'kind'),
  calls_replayed: row('Calls answered from the journal instead of being made again.', 'stage', 'kind'),
  calls_in_doubt: row(
    'Calls that may have been made and left no outcome: repeated, if they are idempotent, or unknown.',
    'stage',
    'kind',
    'target',
    'outcome',
  ),
  calls_held_back: row(
    'Model calls that a limit of ours refused: RATE_LIMITED waits, BUDGET_EXCEEDED ends the model for its task.',
    'target',
    'reason',
  ),
  budgets_warned: row('Daily token budgets that reached the share at which they are reported.', 'setting'),
  dead_letters: row('Records given up, by error code.', 'stage', 'topic', 'code'),
  lanes_opened: row('Lanes opened.', 'stage'),
  lanes_lost: row('Lanes lost: fenced, uncertain, refused, failed.', 'stage', 'reason'),
  commits_refused: row(
    'Commits that the log refused for good, by the refused part: record, position.',
    'stage',
    'part',
  ),
  records_lost: row('Records that were deleted before their stage had read them.', 'stage', 'topic'),
  task_ids_reused: row(
    'Submissions under an id that was used before for another text: the first one counts.',
  ),
  positions_reset: row(
    'Positions that went back, and state topics that lost rows, by cause: truncated, recreated, deleted.',
    'stage',
    'topic',
    'cause',
  ),
  store_losses: row('Times that the key-value store was found to have lost what it held.'),
  mcp_tools_changed: row(
    'Calls refused because an MCP server describes the tool differently from what is pinned.',
    'server',
    'tool',
  ),
  breaker_changes: row('Circuit breakers as they change state.', 'stage', 'breaker', 'to'),
  tasks: row('Tasks completed, by status.', 'status', 'agent', 'model', 'profile'),
  task_errors: row('Tasks that did not succeed, by error code.', 'code', 'severity'),
  tool_runs: row('Tool calls completed, by status.', 'tool', 'status', 'cached'),
  code_runs: row('Python steps completed, by status.', 'status'),
  code_rebuilds: row('Python sessions that ran their log again in a new interpreter.', 'executor'),
  alerts: row('Alerts as they are raised, raised again and resolved.', 'rule', 'severity', 'change'),
  notifications: row(
    'Notifications of alerts, by how they ended: delivered, failed, dropped.',
    'channel',
    'status',
  ),
  tokens: row('Tokens used, by kind: input, output.', 'kind', 'model', 'agent'),
  cost_usd: row('Estimated cost in US dollars.', 'model', 'agent'),
} as const satisfies Record<string, MetricRow>

/** They go up and down. Prometheus sees `flotilla_<name>`. */
export const gauges = {
  lanes: row('Lanes that this process owns.', 'stage'),
  paused: row('1 while an operator has paused the stage, else 0.', 'stage'),
  problems: row('1 while this part of the process does not work, as /ready says, else 0.', 'part'),
  input_problems: row(
    'Topics that are missing or have another number of partitions, and partitions that can not be read on.',
    'stage',
  ),
  in_flight: row('Handlings running.', 'stage'),
  waiting: row('Records fetched and not running: buffered, or behind an earlier one of their key.', 'stage'),
  calls_in_flight: row('Outside calls under way.', 'stage', 'kind'),
  slots_held: row('Slots of a provider in use.', 'stage', 'target'),
  slots_waited_for: row('Calls waiting for a slot.', 'stage', 'target'),
  breaker_state: row('0 closed, 1 half open, 2 open.', 'stage', 'breaker'),
  code_sessions: row('Python sessions that hold an interpreter.', 'executor'),
  lag: row('Records behind the end of the topic.', 'stage', 'topic', 'lane'),
  user_tasks_today: row(
    'Tasks completed since midnight UTC, of the users who spend most, by their rank from 1 on; of metering.',
    'rank',
  ),
  user_tokens_today: row('Tokens of these tasks.', 'rank'),
  user_cost_usd_today: row('Cost of these tasks in US dollars.', 'rank'),
} as const satisfies Record<string, MetricRow>

/** Durations in seconds. Prometheus sees `flotilla_<name>_seconds`. */
export const histograms = {
  handling: row(
    'From taking an event to the end of its handling, before the commit.',
    'stage',
    'topic',
    'type',
  ),
  commit: row('One group commit.', 'stage'),
  lane_opening: row('Fencing, restoring rows and positions of a lane.', 'stage'),
  call: row('One outside call.', 'stage', 'kind', 'target'),
  task: row('Submission to completion of a task.', 'status', 'agent', 'model'),
  tool: row('One tool call.', 'tool', 'status'),
  code_run: row('One Python step.', 'status'),
} as const satisfies Record<string, MetricRow>

/** Plain numbers. Prometheus sees `flotilla_<name>`. */
export const distributions = {
  commit_handlings: row('Handlings that share one commit.', 'stage'),
  task_steps: row('Steps of a completed task.', 'status', 'agent'),
  task_satisfaction: row('Feedback given by users, 0 to 1.'),
  task_quality: row('Quality of outputs as evaluators scored it, 0 to 1.'),
} as const satisfies Record<string, MetricRow>

export type CounterName = keyof typeof counters
export type GaugeName = keyof typeof gauges
export type HistogramName = keyof typeof histograms
export type DistributionName = keyof typeof distributions

/** The labels of a row, every one of them: a rule or panel that groups by a label needs it. Undefined: it has no value. */
export type Labels<R extends MetricRow> = { readonly [L in R['labels'][number]]: string | undefined }
export type CounterLabels<N extends CounterName> = Labels<(typeof counters)[N]>
export type GaugeLabels<N extends GaugeName> = Labels<(typeof gauges)[N]>
export type HistogramLabels<N extends HistogramName> = Labels<(typeof histograms)[N]>
export type DistributionLabels<N extends DistributionName> = Labels<(typeof distributions)[N]>
