// What anyone may write or ask, against a whole fleet on the embedded log: no id acts on another task, no header lends a task
// another's identity, and every way in answers a bad id with the remedy.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { HttpClient } from '../../client/http/client.ts'
import { DirectDeadLetters } from '../../operator/direct/dead-letters/dead-letters.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { EventMap, EventType } from '../../schemas/generated/events.ts'
import { headers as names, type TopicName } from '../../schemas/topics.ts'
import { eventually } from '../conformance/waiting.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'
import { decision } from '../support/decisions.ts'

const PARTITIONS = 4
const charged: string[] = []
/** Ends the call of `hold` that waits. */
let release: (() => void) | undefined
const input = z.object({ text: z.string() })
const tools = [
  echo,
  defineTool({
    name: 'hold',
    description: 'Waits until the test lets it go.',
    input,
    output: z.string(),
    idempotent: true,
    run: ({ text }) => new Promise<string>((resolve) => (release = () => resolve(text))),
  }),
  defineTool({
    name: 'pay',
    description: 'Has an effect.',
    input,
    output: z.string(),
    requiresApproval: true,
    run: ({ text }) => {
      charged.push(text)
      return text
    },
  }),
]

let fleet: TestFleet
before(async () => {
  const uses = (tool: string, task: string) => ({
    title: tool,
    task,
    mode: 'tools' as const,
    turns: [{ toolCalls: [{ name: tool, arguments: { text: 'x' } }] }, { text: 'done' }],
  })
  const conversations = [uses('hold', 'wait for it'), uses('pay', 'pay the bill')]
  fleet = await startTestFleet({ definition: { tools }, http: true, model: { conversations } })
})
after(() => fleet.stop())

/** A suffix that lies in the same lane. */
function beside(taskId: string, separator = '/'): string {
  const home = homeOf(taskId, PARTITIONS)
  for (let n = 0; ; n++)
    if (homeOf(taskId + separator + n, PARTITIONS) === home) return taskId + separator + n
}

async function publish(topic: TopicName, key: string | null, value: Uint8Array, headers = {}, at?: number) {
  const partition = at ?? homeOf(key ?? '', PARTITIONS)
  const [position] = await fleet.process.log.publish([{ topic, partition, key, value, headers }])
  assert.ok(position)
  return position
}

const control = <T extends EventType>(type: T, data: EventMap[T] & { taskId: string }, headers = {}) =>
  publish('tasks.control', data.taskId, fleet.process.codec.encode(type, data, 'tasks.control'), headers)

const url = (): string => fleet.process.url ?? ''
const json = (task: object) => Buffer.from(JSON.stringify(task))
const result = (taskId: string) => fleet.client.result(taskId, { timeoutMs: 120_000 })

async function results(): Promise<EventMap['TaskCompleted'][]> {
  const found: EventMap['TaskCompleted'][] = []
  for (let partition = 0; partition < PARTITIONS; partition++)
    for (const { value } of await fleet.process.log.read('tasks.completed', partition, 0, 10_000)) {
      const decoded = await fleet.process.codec.decode(value as Uint8Array, 'tasks.completed')
      if (decoded.type === 'TaskCompleted') found.push(decoded.data)
    }
  return found
}
const statusesOf = async (taskId: string) =>
  (await results()).filter((data) => data.taskId === taskId).map(({ status }) => status)

const letterAt = (position: { topic: string; partition: number; offset: number }) =>
  eventually('its dead letter came', async () => {
    const letters = await new DirectDeadLetters(fleet.process.log, fleet.process.codec).list(1_000)
    return letters.find(
      (letter) =>
        letter.sourceTopic === position.topic &&
        letter.sourcePartition === position.partition &&
        letter.sourceOffset === position.offset,
    )
  })

const post = (path: string, body: object) =>
  fetch(url() + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

test('a cancel for `victim/0` does not touch `victim`: by HTTP 400, by the log a dead letter', async () => {
  await fleet.client.submit({ taskId: 'victim', text: 'wait for it' })
  const finish = await eventually('its tool runs', () => release)
  const evil = beside('victim')
  for (const id of [evil, `${evil}%2F`, 'a b', 'a\u0000', 'é', 'x'.repeat(129)]) {
    const response = await post(`/v1/tasks/${encodeURIComponent(id)}/cancel`, { reason: 'not me' })
    assert.equal(response.status, 400, id)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    assert.equal(error.code, 'TASK_INVALID')
    assert.match(error.message, /taskId may hold letters, digits.* so it can't be ".*"/)
  }
  const position = await control('TaskCancelled', { taskId: evil, reason: null, requestedBy: null })
  assert.match((await letterAt(position)).message, /taskId .* can't be "victim\/\d+"/)
  finish()
  assert.equal((await result('victim')).status, 'succeeded')
  assert.deepEqual(await statusesOf('victim'), ['succeeded'])
})

test('an approval for `buyer/0` decides nothing: the tool runs once, when `buyer` is approved', async () => {
  await fleet.client.submit({ taskId: 'buyer', text: 'pay the bill' })
  const waits = await eventually('it waits for approval', async () => {
    for (const { value } of await fleet.process.log.read(
      'tasks.history',
      homeOf('buyer', PARTITIONS),
      0,
      1_000,
    )) {
      const { data } = await fleet.process.codec.decode(value as Uint8Array, 'tasks.history')
      const { taskId, kind, detail } = data as EventMap['TaskProgressed']
      if (taskId === 'buyer' && kind === 'approval_requested') return detail as { callId: string }
    }
    return undefined
  })
  const { callId } = waits
  const evil = beside('buyer')
  await letterAt(await control('ApprovalDecided', decision({ taskId: evil, callId })))
  const response = await post(`/v1/tasks/${encodeURIComponent(evil)}/approvals/${callId}`, { approved: true })
  assert.equal(response.status, 400)
  assert.deepEqual(charged, [])
  await fleet.client.approve({ taskId: 'buyer', callId, approved: true })
  assert.equal((await result('buyer')).status, 'succeeded')
  assert.equal(charged.length, 1)
})

test('a submission whose id can not be one is answered all the same, under an id of its own', async () => {
  await fleet.client.submit({ taskId: 'order', text: 'say hi task=order' })
  await result('order')
  const bad = [beside('order'), 'a\u0000b', 'x/'.repeat(200_000)]
  for (const taskId of bad) await publish('tasks.submitted', 'k', json({ taskId, text: 'say hi' }), {}, 1)
  const told = await eventually('each has its answer', async () => {
    const found = (await results()).filter(({ error }) => error?.message.includes('taskId may hold'))
    return found.length === bad.length ? found : undefined
  })
  for (const { taskId, status, error, userId } of told) {
    assert.match(taskId, /^[0-9a-f]{32}$/)
    assert.deepEqual([status, error?.code, userId], ['rejected', 'TASK_INVALID', null])
    assert.ok((error?.message.length ?? 0) < 1_000)
    assert.equal((await result(taskId)).status, 'rejected')
    // Whoever has seen the id and submits under it meets the answer that it has.
    await fleet.client.submit({ taskId, text: 'say hi task=again' })
  }
  await fleet.client.submit({ taskId: 'after', text: 'say hi task=after' })
  await result('after')
  for (const { taskId } of told) assert.deepEqual(await statusesOf(taskId), ['rejected'])
})

test('tasks that carry the headers of one record are tasks of their own', async () => {
  const copied = {
    [names.eventId]: 'copied-from-one-result',
    [names.causationId]: 'copied',
    [names.requester]: 'planner',
    [names.schema]: 'TaskCompleted',
    [names.traceparent]: 'no trace at all',
  }
  const ids = Array.from({ length: 40 }, (_, n) => `follow-up-${n}`).filter(
    (id) => homeOf(id, PARTITIONS) === 0,
  )
  const tasks = ids.slice(0, 4)
  for (const taskId of tasks)
    await publish('tasks.submitted', taskId, json({ taskId, text: `say hi task=${taskId}` }), copied)
  for (const taskId of tasks) {
    const { status, output } = await result(taskId)
    assert.deepEqual([status, output], ['succeeded', `done ${taskId}`], taskId)
  }
  const ready = await fetch(`${url()}/ready`)
  assert.equal(ready.status, 200, await ready.text())
})

test('an id of 128 characters can be asked for, cancelled and read by HTTP; the client checks as the gateway does', async () => {
  const taskId = 'x'.repeat(128)
  assert.equal((await post('/v1/tasks', { taskId, text: 'say hi task=long' })).status, 202)
  const client = new HttpClient(url())
  assert.equal((await client.result(taskId, { timeoutMs: 120_000 })).status, 'succeeded')
  await client.cancel(taskId)
  for (const id of ['a/b', '\ud800', ''])
    for (const each of [client, fleet.client]) {
      await assert.rejects(async () => each.cancel(id), { code: 'TASK_INVALID' })
      await assert.rejects(async () => each.find(id), { code: 'TASK_INVALID' })
      await assert.rejects(async () => each.result(id), { code: 'TASK_INVALID' })
      await assert.rejects(async () => each.watch(id)[Symbol.asyncIterator]().next(), {
        code: 'TASK_INVALID',
      })
      await assert.rejects(async () => each.feedback({ taskId: id, satisfaction: 1 }), {
        code: 'TASK_INVALID',
      })
    }
  await client.close()
})

test('a name with a control character is refused by every way in, and the ledger keeps what it can hold', async () => {
  const userId = 'ann\u0000'
  await assert.rejects(fleet.client.submit({ text: 'say hi', userId }), { code: 'TASK_INVALID' })
  assert.equal((await post('/v1/tasks', { text: 'say hi', userId })).status, 400)
  const { taskId } = await fleet.client.submit({ text: 'say hi' })
  assert.equal(
    (await post(`/v1/tasks/${taskId}/feedback`, { satisfaction: 1, comment: 'a\u0000' })).status,
    400,
  )
  await publish('tasks.submitted', 'nul', json({ taskId: 'nul', text: 'say hi', userId }))
  const { status, error, userId: kept } = await result('nul')
  assert.deepEqual([status, error?.code, kept], ['rejected', 'TASK_INVALID', null])
  assert.match(error?.message ?? '', /userId has a control character, \\u\{0000\}/)
})

test('what is said of alerts on any partition reaches the one key that alerts have', async () => {
  const rule = 'high_error_rate'
  const data = { rule, untilMs: Date.now() + 60_000, reason: 'test', by: 'ann', atMs: Date.now() }
  const value = fleet.process.codec.encode('AlertSilenced', data, 'alerts.control')
  const away = (homeOf('fleet', PARTITIONS) + 1) % PARTITIONS
  await publish('alerts.control', 'someone', value, {}, away)
  await eventually('it was moved home', async () => {
    const records = await fleet.process.log.read('alerts.control', homeOf('fleet', PARTITIONS), 0, 100)
    return records.some(({ key }) => key === 'fleet') || undefined
  })
  const unnamed = fleet.process.codec.encode('AlertSilenced', { ...data, rule: 'x\u0000' }, 'alerts.control')
  const letter = await letterAt(await publish('alerts.control', 'fleet', unnamed))
  assert.match(letter.message, /AlertSilenced: rule has a control character/)
})
