// Rows that nobody should have written, in every ledger that the console shows.
import { homeOf } from '../../runtime/log/home.ts'
import { headers as names } from '../../schemas/topics.ts'
import { HOSTILE } from './console-fleet.ts'
import type { TestFleet } from './fleet.ts'

export const HUGE_NAME = 'W'.repeat(100_000)

/** Names as tools, users and models may have them. */
export const hostileNames = [
  HOSTILE,
  HUGE_NAME,
  'مرحبا \u202ework\u202c עברית',
  'zero\u200bwidth\u2060\u00adjoined\u{e0041}',
  `Z${'\u0301'.repeat(300)}algo`,
  '\ud83d\ude00'.repeat(400),
  '   ',
  '__proto__',
  'a\nb\tc\r\nd',
  '{{constructor.constructor("x")()}} ${7*7} %s javascript:alert(1)',
] as const

const figures = [1e300, -5, 0.1 + 0.2, 1e15, Number.MAX_SAFE_INTEGER, 0]

export const hostileName = (index: number): string => hostileNames[index % hostileNames.length] ?? ''
const figure = (index: number): number => figures[index % figures.length] ?? 0

export async function hostileLedgers(fleet: TestFleet): Promise<void> {
  const { sql } = fleet.process.stores
  const nowMs = Date.now()
  const times = [nowMs, nowMs + 86_400_000 * 400, nowMs - 1, 0, nowMs - 3_600_000]
  const timeOf = (index: number): number => times[index % times.length] ?? 0
  const rows = <T>(count: number, of: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, at) => of(at))
  await sql
    .insertInto('task_ledger')
    .values(
      rows(60, (at) => ({
        task_id: `hostile-${at}`,
        status: at % 3 === 0 ? 'failed' : 'succeeded',
        user_id: hostileName(at),
        agent: hostileName(at + 1),
        model: hostileName(at + 2),
        profile: hostileName(at + 3),
        execution_ms: figure(at),
        input_tokens: figure(at + 1),
        output_tokens: figure(at + 2),
        cost: figure(at),
        steps: at,
        error_code: at % 3 === 0 ? hostileName(at + 4) : null,
        submitted_at_ms: timeOf(at),
        completed_at_ms: timeOf(at + 1),
        text_start: hostileName(at),
        text_hash: 'x',
        session_id: null,
        parent: null,
      })),
    )
    .execute()
  await sql
    .insertInto('usage_ledger')
    .values(
      rows(60, (at) => ({
        event_id: `hostile-${at}`,
        task_id: `hostile-${at}`,
        call_id: `hostile-${at}`,
        kind: at % 2 === 0 ? 'model' : 'tool',
        user_id: hostileName(at),
        agent: hostileName(at + 1),
        model: hostileName(at + 2),
        provider: hostileName(at + 3),
        tool: hostileName(at + 4),
        input_tokens: figure(at),
        output_tokens: figure(at + 1),
        cost: figure(at),
        cost_is_guess: 0,
        duration_ms: figure(at + 2),
        succeeded: at % 2,
        error_code: null,
        cached: 0,
        at_ms: nowMs - (at % 5) * 3_600_000,
      })),
    )
    .execute()
  await sql
    .insertInto('sessions')
    .values(
      rows(20, (at) => ({
        session_id: `session-${at}`,
        user_id: hostileName(at),
        begun_at_ms: timeOf(at),
        last_at_ms: timeOf(at + 1),
        turns: figure(at),
        summary: hostileName(at),
        summary_through: 1,
        variables: null,
      })),
    )
    .execute()
  for (const id of ['hostile', 'before']) await hostileRun(fleet, id, nowMs)
  await waitingTasks(fleet, 30, (at) => hostileName(at))
}

async function hostileRun(fleet: TestFleet, id: string, nowMs: number): Promise<void> {
  const { sql } = fleet.process.stores
  await sql
    .insertInto('evaluation_runs')
    .values({
      id,
      name: HOSTILE,
      dataset: HUGE_NAME,
      dataset_hash: 'x',
      agent: hostileName(2),
      models: JSON.stringify([hostileName(0), hostileName(3)]),
      epochs: 1,
      cases: 12,
      status: 'completed',
      started_at_ms: nowMs + 1e9,
      ended_at_ms: nowMs,
      settings: '{}',
      summary: null,
    })
    .execute()
  await sql
    .insertInto('evaluation_cases')
    .values(
      Array.from({ length: 12 }, (_, at) => ({
        run_id: id,
        case_id: `case-${at}`,
        model: hostileName(0),
        epoch: 1,
        task_id: `hostile-${at}`,
        case_hash: `h${at}`,
        status: 'succeeded',
        passed: at % 2,
        score: figure(at),
        scores: JSON.stringify([
          { name: hostileName(at), score: figure(at), passed: false, reason: hostileName(at) },
        ]),
        problem: at % 3 === 0 ? hostileName(at) : null,
        input: hostileName(at),
        output: JSON.stringify(hostileName(at + 1)),
        metadata: '{}',
        answered_by: hostileName(at),
        cost: figure(at),
        judge_cost: figure(at + 1),
        cost_is_guess: 0,
        latency_ms: figure(at),
        steps: at,
        input_tokens: figure(at + 1),
        output_tokens: figure(at),
        error_code: null,
        scored_at_ms: nowMs,
      })),
    )
    .execute()
}

/** Open tasks of which each has a call that waits for a person. */
export async function waitingTasks(
  fleet: TestFleet,
  count: number,
  nameOf: (index: number) => string,
): Promise<void> {
  const { log, codec, stores } = fleet.process
  const nowMs = Date.now()
  const ids = Array.from({ length: count }, (_, at) => `waiting-${count}-${at}`)
  for (let from = 0; from < count; from += 500)
    await stores.sql
      .insertInto('open_tasks')
      .values(
        ids.slice(from, from + 500).map((task_id, at) => ({
          task_id,
          text_start: nameOf(from + at).slice(0, 200),
          text_hash: 'x',
          user_id: nameOf(from + at + 1).slice(0, 200),
          agent: null,
          model: null,
          profile: null,
          lane: homeOf(task_id, log.partitions),
          submitted_at_ms: nowMs - from - at,
          session_id: null,
          parent: null,
        })),
      )
      .execute()
  await stores.sql
    .insertInto('approvals')
    .values(
      ids.map((task_id, at) => ({
        ...{ task_id, call_id: `${task_id}.1.0`, tool: nameOf(at).slice(0, 1_000), why: 'approval' },
        ...{
          status: 'waiting',
          step: 1,
          user_id: nameOf(at + 1).slice(0, 200),
          agent: nameOf(at).slice(0, 200),
        },
        ...{
          arguments: JSON.stringify({ text: nameOf(at).slice(0, 5_000), amount: 1e300 }),
          terms: '{}',
          votes: '[]',
        },
        ...{ held_at_ms: nowMs - at, expires_at_ms: null, ended_at_ms: null, approval: null },
      })),
    )
    .execute()
  const records = ids.map((taskId, at) => {
    const detail = {
      callId: `${taskId}.1.0`,
      tool: nameOf(at).slice(0, 1_000),
      why: 'approval',
      arguments: { text: nameOf(at).slice(0, 5_000), amount: 1e300 },
      terms: {},
    }
    const data = {
      taskId,
      stage: 'tool-executor',
      kind: 'approval_requested',
      step: 1,
      atMs: nowMs - at,
      detail,
    } as const
    return {
      topic: 'tasks.history' as const,
      partition: homeOf(taskId, log.partitions),
      key: taskId,
      value: codec.encode('TaskProgressed', data, 'tasks.history'),
      headers: { [names.schema]: 'TaskProgressed' },
    }
  })
  for (let from = 0; from < count; from += 500) await log.publish(records.slice(from, from + 500))
}
