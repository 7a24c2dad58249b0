import type { Command } from 'commander'
import type { TaskDetail } from '../../operator/direct/tasks/tasks.ts'
import { fieldsOf } from '../../operator/direct/tasks/progress.ts'
import { usingOperator } from '../../operator/connect.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'
import { taskId } from '../program/arguments.ts'
import { paint, print, printJson } from '../output/output.ts'
import { renderCompaction, shorten } from '../output/render.ts'
import { doing, sayNotRunning, statusColours } from '../output/task-state.ts'
import { treeLines } from '../output/task-tree.ts'
import { beside } from '../output/text-width.ts'
import { count, elapsed, moment, money } from '../output/units.ts'

export function defineStatus(command: Command): void {
  command
    .description('one task: its state, what happened to it so far, and what it has cost')
    .argument('<taskId>', '', taskId)
    .option('--json', 'one JSON object on stdout')
    .action(status)
}

async function status(taskId: string, options: { json?: boolean }): Promise<void> {
  await usingOperator(async ({ tasks }, reached) => {
    const task = await tasks.get(taskId)
    const tree = await tasks.tree(taskId)
    if (options.json) return printJson({ ...task, delegated: tree.tasks.slice(1) })
    show(task)
    for (const line of treeLines(tree)) print(line)
    if (reached === 'file' && task.completedAtMs === null) sayNotRunning()
  })
  process.exit(0)
}

const NAMES_WIDTH = 12

function show(task: TaskDetail): void {
  const nowMs = Date.now()
  const state = [task.status.replace('_', ' '), doing(task)].filter(Boolean).join(': ')
  const colour = statusColours[task.status]
  const used = `${count(task.inputTokens)} + ${count(task.outputTokens)} tokens, ${money(task.cost)}`
  const lines: [string, string][] = [
    ['task', task.taskId],
    ['state', colour === null ? state : paint(colour, state)],
    ['asked', task.text ?? '–'],
    ['agent', `${task.agent ?? '–'}${task.profile === null ? '' : `, profile ${task.profile}`}`],
    ['user', task.userId ?? '–'],
    ['model', task.model ?? '–'],
    [
      'submitted',
      `${moment(task.submittedAtMs)}, ${elapsed(nowMs - task.submittedAtMs)} ago, lane ${task.lane}`,
    ],
    [task.completedAtMs === null ? 'used so far' : 'used', used],
  ]
  if (task.completedAtMs !== null) {
    lines.push([
      'ended',
      `${moment(task.completedAtMs)}, after ${elapsed(task.completedAtMs - task.submittedAtMs)}`,
    ])
    lines.push(['steps', count(task.steps ?? 0)])
  }
  for (const [name, value] of lines)
    print(beside(paint('cyan', name.padEnd(NAMES_WIDTH)), NAMES_WIDTH, value, process.stdout))
  if (task.completedAtMs !== null)
    return print(
      paint('dim', `Its answer: flotilla result ${task.taskId}\nIts events: flotilla logs ${task.taskId}`),
    )
  if (!task.eventsWhole) print(paint('dim', '… earlier events are further back in the log than is read'))
  for (const event of task.events) print(eventLine(event, task.submittedAtMs))
}

function eventLine(event: TaskProgressed, sinceMs: number): string {
  const { kind, step, atMs } = event
  const fields = fieldsOf(event)
  const { model, tool, code, status: ended, durationMs, message, for: what } = fields
  const parts = [
    model,
    tool,
    ended,
    code,
    what,
    message,
    typeof durationMs === 'number' ? elapsed(durationMs) : null,
  ]
  const detail =
    kind === 'compacted'
      ? renderCompaction(fields as Parameters<typeof renderCompaction>[0])
      : parts.filter((part) => typeof part === 'string' && part !== '').join(' ')
  const at = `+${elapsed(Math.max(0, atMs - sinceMs))}`.padStart(9)
  return `${paint('dim', at)}  ${step === null ? '' : `step ${step} `}${kind.replaceAll('_', ' ')} ${paint('dim', shorten(detail))}`
}
