// The list of tasks that wait for a person has all of them: whatever their other calls do, and however long they wait.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskList } from '../../operator/index.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { eventually } from '../conformance/waiting.ts'
import { consoleScript, startConsoleFleet } from '../support/console-fleet.ts'
import { waitingTasks } from '../support/console-troubles.ts'

const both: Script = (exchange) => {
  if (!exchange.task.includes('both') || exchange.turn > 0) return consoleScript(exchange)
  return {
    toolCalls: [
      { name: 'refund', arguments: { order: 4712, amount: 5 } },
      { name: 'lookup_order', arguments: { order: 4711 } },
    ],
  }
}

async function waitingOf(url: string, more = ''): Promise<TaskList> {
  const response = await fetch(`${url}/v1/tasks?waiting=true${more}`)
  assert.equal(response.status, 200)
  return (await response.json()) as TaskList
}

test('a task waits although another call of the same step has ended since, until somebody decides', async () => {
  await using fleet = await startConsoleFleet({ model: { script: both } })
  const url = fleet.process.url as string
  await fleet.client.submit({ taskId: 'two-calls', text: 'both at once' })
  const kinds = async () => {
    const detail = (await (await fetch(`${url}/v1/tasks/two-calls`)).json()) as {
      phase: string
      events: { kind: string; detail: { callId: string } }[]
    }
    return detail.events
  }
  const events = await eventually('the other call has ended', async () => {
    const seen = await kinds()
    const has = (kind: string) => seen.some((event) => event.kind === kind)
    return has('approval_requested') && has('tool_called') ? seen : null
  })
  const { tasks } = await eventually('it is listed', async () => {
    const list = await waitingOf(url)
    return list.tasks.length > 0 ? list : null
  })
  assert.deepEqual(
    tasks.map(({ taskId, phase, detail }) => [taskId, phase, detail]),
    [['two-calls', 'approval', 'refund']],
  )
  const { callId } = events.find(({ kind }) => kind === 'approval_requested')?.detail ?? { callId: '' }
  await fleet.client.approve({ taskId: 'two-calls', callId, approved: true })
  await fleet.client.result('two-calls', { timeoutMs: 30_000 })
  await eventually('it waits no more', async () => (await waitingOf(url)).tasks.length === 0)
})

test('five thousand tasks that wait are listed page by page, though the log says nothing of them', async () => {
  const many = 5_000
  await using fleet = await startConsoleFleet()
  await waitingTasks(fleet, many)
  const url = fleet.process.url as string
  const seen = new Set<string>()
  for (let after: string | null = ''; after !== null;) {
    const list: TaskList = await waitingOf(url, `&limit=1000${after === '' ? '' : `&after=${after}`}`)
    for (const { taskId, phase } of list.tasks) {
      assert.equal(phase, 'approval')
      seen.add(taskId)
    }
    after = list.next
  }
  assert.equal(seen.size, many)
})
