// The dashboards as data. Long because it is a table. docs/generate.ts writes deploy/grafana/dashboards/*.json from it; a test holds every query
// against the /metrics of a running fleet.
import { average, gauge, increase, mean, processGauge, processRate, quantile, rate, total } from './query.ts'

export interface Query {
  readonly expr: string
  readonly legend: string
}

export interface Panel {
  readonly title: string
  readonly description: string
  readonly kind: 'timeseries' | 'stat'
  /** Grafana's id of the unit. */
  readonly unit: string
  readonly queries: readonly Query[]
  /** The event before which there is no series: until then the panel is empty, and that is good. */
  readonly emptyUntil?: string
}

export interface Dashboard {
  /** Of the file, and of the link. */
  readonly name: string
  readonly title: string
  readonly description: string
  readonly panels: readonly Panel[]
}

type Given = readonly [expr: string, legend: string]

const panel =
  (kind: Panel['kind']) =>
  (title: string, description: string, unit: string, ...queries: readonly Given[]): Panel => ({
    kind,
    title,
    description,
    unit,
    queries: queries.map(([expr, legend]) => ({ expr, legend })),
  })
const graph = panel('timeseries')
const figure = panel('stat')
const until = (emptyUntil: string, shown: Panel): Panel => ({ ...shown, emptyUntil })

const quantiles = (of: (q: number) => string): readonly Given[] => [
  [of(0.5), 'p50'],
  [of(0.95), 'p95'],
  [of(0.99), 'p99'],
]
// Grafana's own units of rates count requests.
const TASKS = 'suffix:tasks/s'
const CALLS = 'suffix:calls/s'
const STEPS = 'suffix:steps/s'
const TOKENS = 'suffix:tokens/s'
const PRICED = 'a model with a price was called'
const FAILED = 'failed|timed_out'
const ENDED = 'succeeded|failed|timed_out'

const overview: Dashboard = {
  name: 'overview',
  title: 'Flotilla / Overview',
  description: 'What users notice: tasks, how they end, how long they take, what they cost.',
  panels: [
    figure('Tasks per second', 'Tasks completed.', TASKS, [rate('tasks'), 'tasks']),
    until(
      'the first task failed',
      figure('Failed', 'Share of completed tasks that failed or timed out.', 'percentunit', [
        `${rate('tasks', [], { status: FAILED })} / ${rate('tasks', [], { status: ENDED })}`,
        'failed',
      ]),
    ),
    figure('Latency', '95 % of tasks took less, from submission.', 's', [quantile(0.95, 'task'), 'p95']),
    until(
      PRICED,
      figure('Cost', 'Estimated cost in the time shown.', 'currencyUSD', [increase('cost_usd'), 'cost']),
    ),
    graph('Tasks by status', 'Tasks completed, by status.', TASKS, [rate('tasks', ['status']), '{{status}}']),
    graph('Latency of tasks', 'Submission to completion.', 's', ...quantiles((q) => quantile(q, 'task'))),
    until(
      'the first task failed',
      graph('Errors', 'Tasks that did not succeed, by error code.', TASKS, [
        rate('task_errors', ['code']),
        '{{code}}',
      ]),
    ),
    graph('Lag', 'Records behind the end of the topic; the worst lane of each stage.', 'short', [
      gauge('lag', ['stage'], 'max'),
      '{{stage}}',
    ]),
    graph('Tasks by agent', 'Tasks completed, by agent.', TASKS, [rate('tasks', ['agent']), '{{agent}}']),
    graph('Steps', 'Steps of a completed task, on average.', 'short', [
      mean('task_steps', ['agent']),
      '{{agent}}',
    ]),
    until(
      'the first feedback was given',
      graph('Satisfaction', 'Feedback given by users, 0 to 1.', 'percentunit', [
        mean('task_satisfaction'),
        'users',
      ]),
    ),
    until(
      'an evaluator scored an output',
      graph('Quality', 'Quality of outputs as evaluators scored it, 0 to 1.', 'percentunit', [
        mean('task_quality'),
        'evaluators',
      ]),
    ),
    graph('Processor', 'Processor seconds a second, of each process.', 'short', [
      processRate('process_cpu_seconds_total'),
      '{{instance}}',
    ]),
    graph('Memory', 'Resident memory of each process.', 'bytes', [
      processGauge('process_resident_memory_bytes'),
      '{{instance}}',
    ]),
    graph('Event loop', 'Delay of the event loop, 99 % of the time less.', 's', [
      processGauge('nodejs_eventloop_lag_p99_seconds'),
      '{{instance}}',
    ]),
    graph('Escaped errors', 'Errors that escaped every handling, since the processes began: bugs.', 'short', [
      `${total('bugs', ['kind'])} or vector(0)`,
      '{{kind}}',
    ]),
  ],
}

const stages: Dashboard = {
  name: 'stages-and-lanes',
  title: 'Flotilla / Stages and lanes',
  description: 'Whether every lane is open and keeps up, and what stages give up.',
  panels: [
    graph('Lanes', 'Open lanes of each stage, over all processes.', 'short', [
      gauge('lanes', ['stage']),
      '{{stage}}',
    ]),
    graph('Paused', '1 while an operator has paused the stage.', 'short', [
      gauge('paused', ['stage'], 'max'),
      '{{stage}}',
    ]),
    graph('Parts that do not work', 'What /ready of each process says of its parts.', 'short', [
      gauge('problems', ['part'], 'max'),
      '{{part}}',
    ]),
    graph('Input problems', 'Topics and partitions that a stage can not read.', 'short', [
      gauge('input_problems', ['stage'], 'max'),
      '{{stage}}',
    ]),
    graph('Lag by topic', 'Records behind the end of the topic, over all lanes.', 'short', [
      gauge('lag', ['stage', 'topic']),
      '{{stage}} {{topic}}',
    ]),
    graph('Handlings', 'Events handled and committed.', 'ops', [rate('handlings', ['stage']), '{{stage}}']),
    graph('Handling time', '95 % took less, without the commit.', 's', [
      quantile(0.95, 'handling', ['stage']),
      '{{stage}}',
    ]),
    graph('In flight', 'Handlings running.', 'short', [gauge('in_flight', ['stage']), '{{stage}}']),
    graph('Waiting', 'Records fetched and waiting.', 'short', [gauge('waiting', ['stage']), '{{stage}}']),
    graph('Commits', 'Group commits by result.', 'ops', [
      rate('commits', ['stage', 'result']),
      '{{stage}} {{result}}',
    ]),
    graph('Commit time', '95 % took less.', 's', [quantile(0.95, 'commit', ['stage']), '{{stage}}']),
    graph('Handlings in a commit', 'How many share one, on average.', 'short', [
      mean('commit_handlings', ['stage']),
      '{{stage}}',
    ]),
    graph('Events emitted', 'Events committed to the log, by topic.', 'ops', [
      rate('events_emitted', ['topic']),
      '{{topic}}',
    ]),
    graph('Timers', 'Timers that came due.', 'ops', [rate('timers_fired', ['stage']), '{{stage}}']),
    graph('Records skipped', 'Records that a stage does not take, left undecoded.', 'ops', [
      rate('records_skipped', ['stage']),
      '{{stage}}',
    ]),
    graph('Lanes opened', 'Since the processes began.', 'short', [
      total('lanes_opened', ['stage']),
      '{{stage}}',
    ]),
    graph(
      'Opening time',
      'Fencing, restoring rows and positions; on average since the processes began.',
      's',
      [average('lane_opening', ['stage']), '{{stage}}'],
    ),
    ...(
      [
        [
          'lanes_lost',
          ['stage', 'reason'],
          'Lanes lost',
          'Lanes that ended by other than a drain.',
          'a lane was lost',
        ],
        [
          'handlings_failed',
          ['stage', 'type'],
          'Failed handlings',
          'Times that a stage threw: bugs.',
          'a stage threw',
        ],
        ['dead_letters', ['stage', 'code'], 'Dead letters', 'Records given up.', 'a record was given up'],
        [
          'events_quarantined',
          ['stage', 'type'],
          'Quarantined',
          'Events given up because their process died of them.',
          'an event killed its process',
        ],
        [
          'commits_refused',
          ['stage', 'part'],
          'Refused commits',
          'Commits that the log refused for good.',
          'the log refused a commit',
        ],
        [
          'records_lost',
          ['stage', 'topic'],
          'Lost records',
          'Deleted before they were read.',
          'retention ate records',
        ],
        [
          'positions_reset',
          ['stage', 'topic', 'cause'],
          'Positions that went back',
          'The log was truncated or a topic recreated.',
          'a topic was recreated',
        ],
        [
          'records_forwarded',
          ['stage', 'topic'],
          'Forwarded records',
          'Records moved to the home partition of their key.',
          'a client wrote to another partition than the home',
        ],
      ] as const
    ).map(([name, by, title, description, cause]) =>
      until(
        cause,
        graph(title, `${description} Since the processes began.`, 'short', [
          total(name, by as never),
          by.map((label) => `{{${label}}}`).join(' '),
        ]),
      ),
    ),
    graph(
      'Reused ids',
      'Submissions under an id that was used for another text, since the processes began.',
      'short',
      [total('task_ids_reused'), 'submissions'],
    ),
    until(
      'the key-value store lost its journal',
      graph(
        'Lost journals',
        'Times that the key-value store had lost what it held, since the processes began.',
        'short',
        [total('store_losses'), 'losses'],
      ),
    ),
  ],
}

const models: Dashboard = {
  name: 'models-and-cost',
  title: 'Flotilla / Models and cost',
  description: 'Calls of models, tokens, cost, budgets and breakers.',
  panels: [
    graph('Model calls', 'By provider and outcome: an error code, or ok.', CALLS, [
      rate('calls', ['target', 'outcome'], { kind: 'model' }),
      '{{target}} {{outcome}}',
    ]),
    graph('Time of a model call', 'By provider; 95 % took less.', 's', [
      quantile(0.95, 'call', ['target'], { kind: 'model' }),
      '{{target}}',
    ]),
    graph('Tokens', 'By model and kind.', TOKENS, [rate('tokens', ['model', 'kind']), '{{model}} {{kind}}']),
    until(
      PRICED,
      graph('Cost by model', 'Estimated US dollars in the time shown.', 'currencyUSD', [
        increase('cost_usd', ['model']),
        '{{model}}',
      ]),
    ),
    until(
      PRICED,
      graph('Cost by agent', 'Estimated US dollars in the time shown.', 'currencyUSD', [
        increase('cost_usd', ['agent']),
        '{{agent}}',
      ]),
    ),
    graph('Calls under way', 'Outside calls, by kind.', 'short', [
      gauge('calls_in_flight', ['kind']),
      '{{kind}}',
    ]),
    until(
      'a provider with a limit of concurrency was called',
      graph(
        'Slots',
        'Slots of providers in use, and calls that wait for one.',
        'short',
        [gauge('slots_held', ['target']), '{{target}} held'],
        [gauge('slots_waited_for', ['target']), '{{target}} waited for'],
      ),
    ),
    until(
      'a limit held a call back',
      graph('Held back', 'Calls that a limit of ours refused, since the processes began.', 'short', [
        total('calls_held_back', ['target', 'reason']),
        '{{target}} {{reason}}',
      ]),
    ),
    until(
      'a budget reached the share at which it is reported',
      graph('Budgets near their limit', 'Since the processes began.', 'short', [
        total('budgets_warned', ['setting']),
        '{{setting}}',
      ]),
    ),
    until(
      'a breaker changed its state',
      graph('Breakers', '0 closed, 1 half open, 2 open; the worst of all processes.', 'short', [
        gauge('breaker_state', ['breaker'], 'max'),
        '{{breaker}}',
      ]),
    ),
    until(
      'a breaker changed its state',
      graph('Changes of breakers', 'Since the processes began.', 'short', [
        total('breaker_changes', ['breaker', 'to']),
        '{{breaker}} {{to}}',
      ]),
    ),
    until(
      'an MCP server changed a pinned tool',
      graph('Refused tools of MCP servers', 'Since the processes began.', 'short', [
        total('mcp_tools_changed', ['server', 'tool']),
        '{{server}} {{tool}}',
      ]),
    ),
    until(
      'a process resumed after a crash',
      graph('Answered from the journal', 'Calls not made again, since the processes began.', 'short', [
        total('calls_replayed', ['stage', 'kind']),
        '{{stage}} {{kind}}',
      ]),
    ),
    until(
      'a process died during a call, or a tool did not answer in time',
      graph('In doubt', 'Calls that may have been made and left no outcome: repeated, or unknown.', 'short', [
        total('calls_in_doubt', ['stage', 'kind', 'target', 'outcome']),
        '{{stage}} {{kind}} {{target}} {{outcome}}',
      ]),
    ),
    until(
      'a release changed the request of a call under way',
      graph(
        'Changed requests',
        'Calls answered from the journal although their request has changed.',
        'short',
        [total('calls_changed', ['stage', 'kind']), '{{stage}} {{kind}}'],
      ),
    ),
    graph('Tasks of the users who spend most', 'Since midnight UTC, by rank.', 'short', [
      gauge('user_tasks_today', ['rank'], 'max'),
      '{{rank}}',
    ]),
    graph('Their tokens', 'Since midnight UTC, by rank.', 'short', [
      gauge('user_tokens_today', ['rank'], 'max'),
      '{{rank}}',
    ]),
    graph('Their cost', 'US dollars since midnight UTC, by rank.', 'currencyUSD', [
      gauge('user_cost_usd_today', ['rank'], 'max'),
      '{{rank}}',
    ]),
  ],
}

const tools: Dashboard = {
  name: 'tools',
  title: 'Flotilla / Tools',
  description: 'Calls of tools: how often, how long, how they end.',
  panels: [
    graph('Tool calls', 'By tool.', CALLS, [rate('tool_runs', ['tool']), '{{tool}}']),
    graph('By status', 'Tool calls, by how they ended.', CALLS, [
      rate('tool_runs', ['status']),
      '{{status}}',
    ]),
    graph('Time of a tool call', 'By tool; 95 % took less.', 's', [
      quantile(0.95, 'tool', ['tool']),
      '{{tool}}',
    ]),
    graph('From the cache', 'Share of calls that the cache answered.', 'percentunit', [
      `(${rate('tool_runs', [], { cached: 'true' })} or vector(0)) / ${rate('tool_runs')}`,
      'cached',
    ]),
    until(
      'a tool failed',
      graph('Failures', 'Tool calls that did not succeed, by tool and status.', CALLS, [
        rate('tool_runs', ['tool', 'status'], { status: 'failed|timed_out|unknown|refused' }),
        '{{tool}} {{status}}',
      ]),
    ),
    graph('Outside calls', 'Calls of tools as the host made them, by outcome: an error code, or ok.', CALLS, [
      rate('calls', ['target', 'outcome'], { kind: 'tool' }),
      '{{target}} {{outcome}}',
    ]),
  ],
}

const sandbox: Dashboard = {
  name: 'sandbox',
  title: 'Flotilla / Sandbox',
  description: 'Python steps and the interpreters that run them.',
  panels: [
    graph('Python steps', 'By status.', STEPS, [rate('code_runs', ['status']), '{{status}}']),
    graph('Time of a step', 'By status; 95 % took less.', 's', [
      quantile(0.95, 'code_run', ['status']),
      '{{status}}',
    ]),
    graph('Sessions', 'Python sessions that hold an interpreter.', 'short', [
      gauge('code_sessions', ['executor']),
      '{{executor}}',
    ]),
    until(
      'a session lost its interpreter',
      graph(
        'Rebuilt sessions',
        'Sessions that ran their log again in a new interpreter, since the processes began.',
        'short',
        [total('code_rebuilds', ['executor']), '{{executor}}'],
      ),
    ),
  ],
}

const alerts: Dashboard = {
  name: 'alerts',
  title: 'Flotilla / Alerts',
  description: 'Alerts of Flotilla’s own rules, and who was notified.',
  panels: [
    until(
      'an alert was raised',
      graph('Alerts', 'Raised, raised again and resolved, since the processes began.', 'short', [
        total('alerts', ['rule', 'severity', 'change']),
        '{{rule}} {{severity}} {{change}}',
      ]),
    ),
    until(
      'a channel was notified',
      graph('Notifications', 'By channel and how they ended, since the processes began.', 'short', [
        total('notifications', ['channel', 'status']),
        '{{channel}} {{status}}',
      ]),
    ),
    graph(
      'Tasks that rules count',
      'Completed tasks, by status: what the rules on errors and latency see.',
      TASKS,
      [rate('tasks', ['status']), '{{status}}'],
    ),
  ],
}

export const dashboards: readonly Dashboard[] = [overview, stages, models, tools, sandbox, alerts]
