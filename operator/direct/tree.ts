// A task with the tasks that it delegated, and theirs, in order of depth first: what each has cost, and all below it.
//
// 1. Only tasks of the same user count, begun while their parent ran: delegated ones are. Anybody may label a task with
//    somebody's task as its parent.
// 2. A figure of a task that still runs is what it has cost so far.
import type { TaskOperator, TaskView } from './tasks.ts'

export interface TreeTask extends TaskView {
  /** 0: the task that was asked for. */
  depth: number
  /** US dollars of the task and of all that is listed below it. */
  totalCost: number
}

export interface TaskTree {
  tasks: TreeTask[]
  /** True: there are more than are listed; the totals lack them. */
  more: boolean
}

const MAX_TASKS = 300
/** As deep as a configuration may let agents ask each other. */
const MAX_DEPTH = 10

export async function taskTree(
  { get, list }: Pick<TaskOperator, 'get' | 'list'>,
  taskId: string,
): Promise<TaskTree> {
  const found: TreeTask[] = []
  let more = false
  const add = async (view: TaskView, depth: number): Promise<number> => {
    const node: TreeTask = { ...view, depth, totalCost: view.cost }
    found.push(node)
    const limit = Math.min(100, MAX_TASKS - found.length)
    const page = limit > 0 && depth < MAX_DEPTH ? await list({ parent: view.taskId, limit }) : null
    if (page === null || page.next !== null) more = true
    for (const child of (page?.tasks ?? []).filter((each) => isOf(each, view)).toReversed()) {
      if (found.length >= MAX_TASKS) more = true
      else node.totalCost += await add(child, depth + 1)
    }
    return node.totalCost
  }
  const { textHash: _hash, events: _events, eventsWhole: _whole, ...root } = await get(taskId)
  await add(root, 0)
  return { tasks: found, more }
}

const isOf = (child: TaskView, { userId, submittedAtMs, completedAtMs }: TaskView): boolean =>
  child.userId === userId &&
  child.submittedAtMs >= submittedAtMs &&
  child.submittedAtMs <= (completedAtMs ?? Infinity)
