// Tasks that were made from this one, with what they cost together.
import { get } from '../api/client.ts'
import { Empty, Failed, Loading } from '../components/states.tsx'
import { Table } from '../components/table.tsx'
import { cost, count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { taskColumns } from '../tasks/page.tsx'

const MOST = 1_000
const AGAIN_MS = 5_000

export function Children({ id }: { readonly id: string }) {
  const children = useLoaded(
    id,
    (signal) => get('/v1/tasks', { query: { parent: id, limit: MOST }, signal }),
    AGAIN_MS,
  )
  if (children.error !== null && children.value === null)
    return <Failed error={children.error} onAgain={children.again} isAsking={children.isAsking} />
  if (children.value === null) return <Loading what="children" />
  const { tasks, next } = children.value
  if (tasks.length === 0) return <Empty title="No task was made from this one" />
  const sum = tasks.reduce((total, task) => total + task.cost, 0)
  return (
    <section class="children">
      <p class="muted">
        {count(tasks.length)}
        {next === null ? '' : '+'} children · {cost(sum)} together
      </p>
      <Table
        label="Children"
        kind="tasks-table"
        columns={taskColumns}
        rows={tasks}
        keyOf={({ taskId }) => taskId}
      />
    </section>
  )
}
