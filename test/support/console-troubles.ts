// Troubles of a fleet, as its stages would have written them: dead letters, and a breaker that is open.
import { homeOf } from '../../runtime/log/home.ts'
import type { DeadLettered, TaskProgressed } from '../../schemas/generated/events.ts'
import { headers as names } from '../../schemas/topics.ts'
import type { TestFleet } from './fleet.ts'

/** Letters about a submission that can be replayed, one that nobody can decode, and one whose stage alone writes it. */
export async function deadLetters(fleet: TestFleet): Promise<void> {
  const { codec } = fleet.process
  const letter = (change: Partial<DeadLettered>): DeadLettered => ({
    sourceTopic: 'tasks.submitted',
    partition: homeOf('buried', fleet.process.log.partitions),
    offset: 4_711,
    key: 'buried',
    value: Buffer.from(JSON.stringify({ taskId: 'buried', text: 'Where is order 4711?' })),
    headers: { 'x-sender': 'crm-7' },
    stage: 'router',
    code: 'UNDECODABLE_RECORD',
    message: 'the registry does not know schema 4711',
    attempts: 1,
    failedAtMs: Date.now() - 5_000,
    valueBlob: null,
    valueBytes: null,
    originBlob: null,
    ...change,
  })
  const letters = [
    letter({}),
    letter({
      offset: 12,
      key: null,
      value: Buffer.from([0xff, 0x00, 0x01]),
      message: 'bytes of "><img src=x onerror=alert(1)>\u202e are no event',
    }),
    letter({ offset: 13, key: 'other', value: Buffer.from('{"text":'), message: 'JSON ends in the middle' }),
    letter({
      sourceTopic: 'tools.completed',
      stage: 'planner',
      code: 'HANDLER_FAILED',
      message: 'planner failed three times: row 7 is missing',
    }),
  ]
  for (const data of letters) {
    const value = codec.encode('DeadLettered', data, 'dead-letters')
    await put(fleet, 'dead-letters', 'DeadLettered', value)
  }
}

export async function openBreaker(fleet: TestFleet): Promise<void> {
  const data = {
    breaker: 'model:openai',
    stage: 'planner',
    instance: 'host-a.1234',
    from: 'closed',
    to: 'open',
    reason: 'openai answered 529: overloaded',
    atMs: Date.now(),
  } as const
  await put(
    fleet,
    'ops.health',
    'BreakerChanged',
    fleet.process.codec.encode('BreakerChanged', data, 'ops.health'),
  )
}

async function put(
  { process: { log } }: TestFleet,
  topic: 'dead-letters' | 'ops.health',
  schema: string,
  value: Uint8Array,
): Promise<void> {
  await log.publish([{ topic, partition: 0, key: 'troubles', value, headers: { [names.schema]: schema } }])
}

/** Open tasks, each with a call that waits for a person, as metering has recorded them: more than the log is read for. */
export async function waitingTasks(fleet: TestFleet, count: number): Promise<void> {
  const { log, stores } = fleet.process
  const nowMs = Date.now()
  const names = Array.from({ length: count }, (_, index) => `held-${String(index).padStart(5, '0')}`)
  for (let from = 0; from < count; from += 500) {
    const page = names.slice(from, from + 500)
    const held = (index: number): number => nowMs - (from + index) * 1_000
    await stores.sql
      .insertInto('open_tasks')
      .values(
        page.map((task_id, index) => ({
          ...{ task_id, text_start: `Refund order ${from + index}`, text_hash: 'x', user_id: 'ana' },
          ...{ agent: 'default', model: null, profile: null, session_id: null, parent: null },
          ...{ submitted_at_ms: held(index) - 500, lane: homeOf(task_id, log.partitions) },
        })),
      )
      .execute()
    await stores.sql
      .insertInto('approvals')
      .values(
        page.map((task_id, index) => ({
          ...{
            task_id,
            call_id: `${task_id}.1.0`,
            tool: 'refund',
            why: 'approval',
            status: 'waiting',
            step: 1,
          },
          ...{
            user_id: 'ana',
            agent: 'default',
            arguments: JSON.stringify({ order: from + index, amount: 5 }),
          },
          ...{
            terms: JSON.stringify({ rule: 'always', needed: 1, approvers: null, answer: null }),
            votes: '[]',
          },
          ...{ held_at_ms: held(index), expires_at_ms: null, ended_at_ms: null, approval: null },
        })),
      )
      .execute()
  }
}

export interface WaitingCall {
  /** It waits for a person from this time on, which names the wait. */
  begins(heldAtMs: number): Promise<void>
  /** Somebody declined. */
  ends(): Promise<void>
}

/** An open task whose one call waits for people as often as a test says, by its history alone. */
export async function waitingCall(fleet: TestFleet, taskId: string, tool: string): Promise<WaitingCall> {
  const { log, codec, stores } = fleet.process
  const partition = homeOf(taskId, log.partitions)
  await stores.sql
    .insertInto('open_tasks')
    .values({
      ...{
        task_id: taskId,
        text_start: 'Refund it',
        text_hash: 'x',
        user_id: null,
        agent: null,
        model: null,
      },
      ...{ profile: null, session_id: null, parent: null, lane: partition, submitted_at_ms: Date.now() },
    })
    .execute()
  const callId = `${taskId}.1.0`
  const tell = async (kind: TaskProgressed['kind'], detail: TaskProgressed['detail']): Promise<void> => {
    const event = { taskId, stage: 'tool-executor', kind, step: 1, atMs: Date.now(), detail }
    const value = codec.encode('TaskProgressed', event, 'tasks.history')
    const headers = { [names.schema]: 'TaskProgressed' }
    await log.publish([{ topic: 'tasks.history', partition, key: taskId, value, headers }])
  }
  await tell('admitted', { agent: 'default', mode: 'tools', model: 'scripted/scripted', maxSteps: 10 })
  return {
    begins: (heldAtMs) =>
      tell('approval_requested', { callId, tool, why: 'approval', arguments: { order: 1 }, heldAtMs }),
    ends: () => tell('approval_decided', { callId, tool, approved: false, outcome: 'denied', final: true }),
  }
}
