// The tasks that a task delegated, and theirs, as a tree with what each has cost.
import { get, type TaskTree } from '../api/client.ts'
import { Failed, Loading } from '../components/states.tsx'
import { TaskState } from '../components/badge.tsx'
import { cost, count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'

const AGAIN_MS = 5_000

type TreeTask = TaskTree['tasks'][number]

interface Node {
  readonly task: TreeTask
  readonly below: Node[]
}

export function Tree({ id }: { readonly id: string }) {
  const tree = useLoaded(id, (signal) => get('/v1/tasks/:id/tree', { params: { id }, signal }), AGAIN_MS)
  if (tree.error !== null && tree.value === null)
    return <Failed error={tree.error} onAgain={tree.again} isAsking={tree.isAsking} />
  if (tree.value === null) return <Loading what="delegated tasks" />
  const { tasks, more } = tree.value
  const root = nested(tasks)
  if (root === null || root.below.length === 0) return null
  const { cost: own, totalCost } = root.task
  return (
    <section class="tree" aria-label="Delegated tasks">
      <p class="muted">
        {count(tasks.length - 1)}
        {more ? '+' : ''} delegated · {cost(own)} own · {cost(totalCost - own)} delegated · {cost(totalCost)}{' '}
        in all
      </p>
      <Branch nodes={root.below} />
    </section>
  )
}

function Branch({ nodes }: { readonly nodes: readonly Node[] }) {
  return (
    <ul>
      {nodes.map(({ task, below }) => (
        <li key={task.taskId}>
          <div class="tree-task">
            <TaskState status={task.status} phase={task.phase} />
            <a href={`/tasks/${encodeURIComponent(task.taskId)}`}>
              <bdi>{line(task.text || task.taskId, 160)}</bdi>
            </a>
            <span class="muted">
              {task.agent !== null && <bdi>{line(task.agent, 40)} · </bdi>}
              {cost(task.totalCost)}
            </span>
          </div>
          {below.length > 0 && <Branch nodes={below} />}
        </li>
      ))}
    </ul>
  )
}

/** The list, which is depth first, as a tree. */
function nested(tasks: readonly TreeTask[]): Node | null {
  const path: Node[] = []
  for (const task of tasks) {
    const node: Node = { task, below: [] }
    path[task.depth - 1]?.below.push(node)
    path.splice(task.depth, path.length, node)
  }
  return path[0] ?? null
}
