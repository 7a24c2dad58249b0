// The commands of `flotilla`. Help, completion and docs/cli.md are made of this table; what a command needs is
// loaded when it is used.
import type { Command } from 'commander'

export interface CommandRow {
  readonly name: string
  /** One line of at most 60 characters, as the list of commands shows it. */
  readonly summary: string
  readonly group: CommandGroup
  /** Resolves with a function that adds arguments, options and action to the command. */
  readonly load: () => Promise<(command: Command) => void>
}

export type CommandGroup = 'Tasks' | 'Evaluation' | 'Fleet' | 'Operations' | 'Development'

export const commands: readonly CommandRow[] = [
  {
    name: 'run',
    summary: 'run one task on this machine, and show its steps',
    group: 'Tasks',
    load: async () => (await import('../commands/run.ts')).defineRun,
  },
  {
    name: 'chat',
    summary: 'talk with an agent: each message is a turn of a session',
    group: 'Tasks',
    load: async () => (await import('../commands/chat.ts')).defineChat,
  },
  {
    name: 'submit',
    summary: 'submit a task to a running fleet; print its id',
    group: 'Tasks',
    load: async () => (await import('../commands/tasks.ts')).defineSubmit,
  },
  {
    name: 'result',
    summary: 'show the result of a task',
    group: 'Tasks',
    load: async () => (await import('../commands/tasks.ts')).defineResult,
  },
  {
    name: 'watch',
    summary: 'follow one task as it runs, or every result as it comes',
    group: 'Tasks',
    load: async () => (await import('../commands/tasks.ts')).defineWatch,
  },
  {
    name: 'ps',
    summary: 'tasks that wait or run, what they do and for how long',
    group: 'Tasks',
    load: async () => (await import('../commands/ps.ts')).definePs,
  },
  {
    name: 'status',
    summary: 'state of one task, its steps and cost so far',
    group: 'Tasks',
    load: async () => (await import('../commands/status.ts')).defineStatus,
  },
  {
    name: 'logs',
    summary: 'events of a task, or of all tasks as they happen',
    group: 'Tasks',
    load: async () => (await import('../commands/logs.ts')).defineLogs,
  },
  {
    name: 'cancel',
    summary: 'cancel a task, or all open ones that match',
    group: 'Tasks',
    load: async () => (await import('../commands/tasks.ts')).defineCancel,
  },
  {
    name: 'fork',
    summary: 'run an ended task again from a step, with another model',
    group: 'Tasks',
    load: async () => (await import('../commands/fork.ts')).defineFork,
  },
  {
    name: 'replay',
    summary: 'check that an ended task would be decided the same',
    group: 'Tasks',
    load: async () => (await import('../commands/replay.ts')).defineReplay,
  },
  {
    name: 'compare',
    summary: 'two ended tasks side by side, and where they differ',
    group: 'Tasks',
    load: async () => (await import('../commands/fork.ts')).defineCompare,
  },
  {
    name: 'approvals',
    summary: 'calls that wait for a person: list, approve, deny',
    group: 'Tasks',
    load: async () => (await import('../commands/approvals.ts')).defineApprovals,
  },
  {
    name: 'feedback',
    summary: 'rate the result of a task',
    group: 'Tasks',
    load: async () => (await import('../commands/feedback.ts')).defineFeedback,
  },
  {
    name: 'eval',
    summary: 'run a data set through the fleet, and score the answers',
    group: 'Evaluation',
    load: async () => (await import('../commands/eval.ts')).defineEval,
  },
  {
    name: 'shadow',
    summary: 'run real tasks through a candidate, without side effects',
    group: 'Evaluation',
    load: async () => (await import('../commands/shadow.ts')).defineShadow,
  },
  {
    name: 'start',
    summary: 'run the fleet, or services of it, until stopped',
    group: 'Fleet',
    load: async () => (await import('../commands/start.ts')).defineStart,
  },
  {
    name: 'mcp',
    summary: 'serve the agents as tools to an MCP client, on stdio',
    group: 'Fleet',
    load: async () => (await import('../commands/mcp.ts')).defineMcp,
  },
  {
    name: 'doctor',
    summary: 'check everything the fleet needs, each with a reason',
    group: 'Fleet',
    load: async () => (await import('../commands/doctor.ts')).defineDoctor,
  },
  {
    name: 'agents',
    summary: 'agents: mode, model and tools of each',
    group: 'Fleet',
    load: async () => (await import('../commands/fleet.ts')).defineAgents,
  },
  {
    name: 'tools',
    summary: 'tools, and which agents may call them',
    group: 'Fleet',
    load: async () => (await import('../commands/fleet.ts')).defineTools,
  },
  {
    name: 'sessions',
    summary: 'sessions: list, show, export, delete',
    group: 'Tasks',
    load: async () => (await import('../commands/sessions.ts')).defineSessions,
  },
  {
    name: 'models',
    summary: 'models: provider, price, context, what is missing',
    group: 'Fleet',
    load: async () => (await import('../commands/fleet.ts')).defineModels,
  },
  {
    name: 'config',
    summary: 'the effective configuration, and where it comes from',
    group: 'Fleet',
    load: async () => (await import('../commands/fleet.ts')).defineConfig,
  },
  {
    name: 'lanes',
    summary: 'lanes of each stage: owner and lag',
    group: 'Operations',
    load: async () => (await import('../commands/fleet.ts')).defineLanes,
  },
  {
    name: 'pause',
    summary: 'let a stage or the fleet take no new events',
    group: 'Operations',
    load: async () => (await import('../commands/pause.ts')).definePause,
  },
  {
    name: 'resume',
    summary: 'end a pause',
    group: 'Operations',
    load: async () => (await import('../commands/pause.ts')).defineResume,
  },
  {
    name: 'usage',
    summary: 'executions, success rate, time, tokens, cost',
    group: 'Operations',
    load: async () => (await import('../commands/usage.ts')).defineUsage,
  },
  {
    name: 'limits',
    summary: 'token budgets of today, and what is used of them',
    group: 'Operations',
    load: async () => (await import('../commands/limits.ts')).defineLimits,
  },
  {
    name: 'keys',
    summary: 'keys of the HTTP API: create, list, revoke',
    group: 'Operations',
    load: async () => (await import('../commands/keys.ts')).defineKeys,
  },
  {
    name: 'backup',
    summary: 'copy the data of this machine, while the fleet runs',
    group: 'Operations',
    load: async () => (await import('../commands/backup.ts')).defineBackup,
  },
  {
    name: 'migrate',
    summary: 'move the fleet of this machine to Kafka',
    group: 'Operations',
    load: async () => (await import('../commands/migrate.ts')).defineMigrate,
  },
  {
    name: 'alerts',
    summary: 'alert rules, their state, silences and channels',
    group: 'Operations',
    load: async () => (await import('../commands/alerts.ts')).defineAlerts,
  },
  {
    name: 'breakers',
    summary: 'circuit breakers of providers and tools',
    group: 'Operations',
    load: async () => (await import('../commands/breakers.ts')).defineBreakers,
  },
  {
    name: 'topics',
    summary: 'topics, what they carry and how much they hold',
    group: 'Operations',
    load: async () => (await import('../commands/topics.ts')).defineTopics,
  },
  {
    name: 'dead-letters',
    summary: 'records that no stage could process; replay them',
    group: 'Operations',
    load: async () => (await import('../commands/dead-letters.ts')).defineDeadLetters,
  },
  {
    name: 'capacity',
    summary: 'what a load needs: partitions, processes, brokers, disk',
    group: 'Operations',
    load: async () => (await import('../commands/capacity.ts')).defineCapacity,
  },
  {
    name: 'init',
    summary: 'write a project to begin with: agent, tool, its test',
    group: 'Development',
    load: async () => (await import('../commands/init.ts')).defineInit,
  },
  {
    name: 'test',
    summary: "run the tests of this project's tools",
    group: 'Development',
    load: async () => (await import('../commands/test.ts')).defineTest,
  },
  {
    name: 'demo',
    summary: 'four bundled tasks with recorded answers; no setup',
    group: 'Development',
    load: async () => (await import('../commands/demo.ts')).defineDemo,
  },
  {
    name: 'sandbox',
    summary: 'run Python as an agent’s step runs it',
    group: 'Development',
    load: async () => (await import('../commands/sandbox.ts')).defineSandbox,
  },
  {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    group: 'Development',
    load: async () => (await import('../commands/completion.ts')).defineCompletion,
  },
]
