import type { Command } from 'commander'
import type { TaskView } from '../../operator/direct/tasks/tasks.ts'
import { usingOperator } from '../../operator/connect.ts'
import { queryFrom } from '../../api/schemas/task-query.ts'
import type { TaskQuery } from '../../runtime/ledger/tasks.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { addTaskFilters, filtersOf } from '../program/task-filters.ts'
import { doing, pauseLines, sayNotRunning, statusColours } from '../output/task-state.ts'
import { elapsed, money } from '../output/units.ts'

export function definePs(command: Command): void {
  addTaskFilters(command)
    .description('tasks that wait or run: what each does now, and for how long')
    .option('-a, --all', 'also tasks that have ended')
    .option('--limit <n>', 'how many at most (default: 100)')
    .option('--after <next>', 'the next page: the "next" of the page before')
    .option('--json', '{"tasks": …, "next": …} on stdout')
    .action(ps)
}

/** What is asked for by how it ended is not looked for among open tasks. */
const isOfEnded = ({ status, errorCode }: TaskQuery): boolean =>
  status !== undefined || errorCode !== undefined

type Options = { all?: boolean; json?: boolean } & Record<string, unknown>

async function ps({ all, json, ...filters }: Options): Promise<void> {
  const query = queryFrom(filtersOf(filters))
  const wanted = all || isOfEnded(query) ? query : { ...query, status: 'open' as const }
  await usingOperator(async ({ tasks, pauses }, reached) => {
    const page = await tasks.list(wanted)
    if (json) return printJson(page)
    if (page.tasks.length === 0)
      print(all ? 'No tasks.' : 'No task waits or runs. Those that have ended: flotilla ps --all')
    else
      printTable(
        columns,
        page.tasks.map(cellsOf),
        (index) => statusColours[page.tasks[index]?.status ?? 'running'],
      )
    if (reached === 'file' && page.tasks.some(({ completedAtMs }) => completedAtMs === null)) sayNotRunning()
    for (const line of pauseLines(await pauses.list())) say(paint('yellow', line))
    if (page.next !== null) say(`There are more: flotilla ps --after '${page.next}' with the same options`)
  })
  process.exit(0)
}

const columns: readonly Column[] = [
  { name: 'id', keep: true },
  { name: 'status', keep: true },
  { name: 'doing', optional: true },
  { name: 'for', kind: 'figure' },
  { name: 'age', kind: 'figure', optional: true },
  { name: 'agent', optional: true },
  // Ids of the fleet take nearly half of a terminal; what was asked says which task it is.
  { name: 'task', readable: 36 },
  { name: 'step', kind: 'figure', optional: true },
  { name: 'user', optional: true },
  { name: 'cost', kind: 'figure', optional: true },
  { name: 'model', optional: true },
  { name: 'lane', kind: 'figure', optional: true },
]

function cellsOf(task: TaskView): string[] {
  const nowMs = Date.now()
  return [
    task.taskId,
    task.status.replace('_', ' '),
    doing(task),
    elapsed(
      Math.max(
        0,
        (task.completedAtMs ?? nowMs) - (task.completedAtMs === null ? task.sinceMs : task.submittedAtMs),
      ),
    ),
    elapsed(Math.max(0, nowMs - task.submittedAtMs)),
    task.agent ?? '–',
    task.text ?? '–',
    String(task.step ?? task.steps ?? '–'),
    task.userId ?? '–',
    money(task.cost),
    task.model ?? '–',
    String(task.lane),
  ]
}
