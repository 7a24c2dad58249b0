// A task with the tasks that it delegated, and theirs, in order of depth first: what each has cost, and all below it.
//
// 1. Only tasks of the same user count, begun while their parent ran: delegated ones are. Anybody may label a task with
//    somebody's task as its parent.
// 2. A figure of a task that still runs is what it has cost so far.
import type { TaskList, TaskOperator, TaskView } from './tasks.ts'

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

interface TreeParts extends Pick<TaskOperator, 'get'> {
  /** Tasks with this parent, as the ledger has them, the latest submitted first. */
  children(parent: string, limit: number): Promise<TaskList>
  /** The same tasks as they are now: asked once, because it reads the end of the log. */
  current(views: readonly TaskView[]): Promise<readonly TaskView[]>
}

interface Node {
  readonly view: TaskView
  readonly depth: number
  readonly below: Node[]
}

export async function taskTree({ get, children, current }: TreeParts, taskId: string): Promise<TaskTree> {
  const found: Node[] = []
  let more = false
  const add = async (view: TaskView, depth: number): Promise<Node> => {
    const node: Node = { view, depth, below: [] }
    found.push(node)
    const limit = Math.min(100, MAX_TASKS - found.length)
    const page = limit > 0 && depth < MAX_DEPTH ? await children(view.taskId, limit) : null
    if (page === null || page.next !== null) more = true
    for (const child of (page?.tasks ?? []).filter((each) => isOf(each, view)).toReversed()) {
      if (found.length >= MAX_TASKS) more = true
      else node.below.push(await add(child, depth + 1))
    }
    return node
  }
  const { textHash: _hash, events: _events, eventsWhole: _whole, ...root } = await get(taskId)
  await add(root, 0)
  const views = new Map((await current(found.map(({ view }) => view))).map((view) => [view.taskId, view]))
  const viewOf = ({ view }: Node): TaskView => views.get(view.taskId) ?? view
  const totalOf = (node: Node): number =>
    node.below.reduce((sum, each) => sum + totalOf(each), viewOf(node).cost)
  return {
    tasks: found.map((node) => ({ ...viewOf(node), depth: node.depth, totalCost: totalOf(node) })),
    more,
  }
}

const isOf = (child: TaskView, { userId, submittedAtMs, completedAtMs }: TaskView): boolean =>
  child.userId === userId &&
  child.submittedAtMs >= submittedAtMs &&
  child.submittedAtMs <= (completedAtMs ?? Infinity)
