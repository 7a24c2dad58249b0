// What is reported of a daily token budget: that its share is used, and that it has too little left for a task or a call.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { BudgetLimits } from '../../../runtime/config/fleet.ts'
import type { GuardedCall } from '../../../runtime/host/calls/guard.ts'
import type { CallOutcome, Emit } from '../../../runtime/stage.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { memoryLimits } from '../../../runtime/testing/memory/limits.ts'
import { directSchemaChecks } from '../../../runtime/testing/schema-checks.ts'
import type { BudgetWarned, TaskAdmitted } from '../../../schemas/generated/events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import type { ModelRequest } from '../../../services/planner/call.ts'
import { createModelGuard } from '../../../services/planner/model/guard.ts'
import { createLimitsCaller } from '../../../services/router/caller.ts'

const NOW = Date.UTC(2026, 10, 24, 12)

/** The planner's calls and the router's admissions of ann's tasks, on one store of limits. */
function start(budgets: Partial<BudgetLimits>) {
  const clock = { now: () => NOW, schedule: () => () => {} }
  const fleet = { limits: { ...defaultLimits, budgets: { ...defaultLimits.budgets, ...budgets } } }
  const parts = { fleet, limits: memoryLimits({ clock }), instruments: quietInstruments, clock }
  const emitted: Emit[] = []
  const stream = (emit: Emit): void => void emitted.push(emit)
  const guard = createModelGuard(parts)
  const admission = createLimitsCaller({ ...parts, schemas: directSchemaChecks() })
  let count = 0
  const call = (maxOutputTokens: number): GuardedCall => {
    const request = { model: 'mock', userId: 'ann', messages: [], tools: [], maxOutputTokens }
    const made = { kind: 'model', target: 'mock', request: request as unknown as ModelRequest }
    return { id: `c${++count}`, key: 'task', stream, call: { ...made, timeoutMs: 9_000, idempotent: true } }
  }
  const used = (inputTokens: number): CallOutcome => ({
    ok: true,
    value: { inputTokens, outputTokens: 0 },
    ...{ startedMs: NOW, endedMs: NOW + 5, callId: 'c' },
  })
  return {
    /** A call that has used so much. */
    spend: (tokens: number) => guard.settle(call(0), used(tokens)),
    settle: (made: GuardedCall, tokens: number) => guard.settle(made, used(tokens)),
    call,
    /** The code of its refusal; null: it is reserved. */
    reserve: async (made: GuardedCall) => (await guard.reserve(made))?.code ?? null,
    admit: async (models: readonly string[]) => {
      const times = { submittedAtMs: NOW, deadlineMs: NOW + 60_000 }
      const task = { ...emptyTask, taskId: `t${++count}`, text: '', userId: 'ann', models, ...times }
      const answer = await admission({ task: task as unknown as TaskAdmitted }, { stream })
      if (answer === null) throw new Error('an admission has an answer')
      return answer.granted ? answer.model : answer.reason.code
    },
    /** Budgets, and the tokens used where something was refused. */
    reports: () =>
      emitted.map(({ data }) => [(data as BudgetWarned).name, (data as BudgetWarned).usedTokens]),
    emitted,
  }
}

test('80 % of a budget is reported once: an event, with whose it is and when it resets', async () => {
  const { spend, emitted } = start({ fleetTokens: 1_000_000, users: { ann: 10_000 } })
  await spend(7_999)
  assert.deepEqual(emitted, [])
  for (const tokens of [1, 1]) await spend(tokens)
  const data = {
    ...{ budget: 'user "ann"', name: 'user:ann', setting: 'limits.budgets.users.ann', limitTokens: 10_000 },
    ...{ warnAtTokens: 8_000, usedTokens: null, resetsAtMs: Date.UTC(2026, 10, 25), atMs: NOW },
  }
  assert.deepEqual(emitted, [{ topic: 'ops.health', type: 'BudgetWarned', key: 'fleet', data }])
})

test('a call that does not fit into what is left is reported once; one that waits for others is not', async () => {
  const { spend, call, reserve, settle, reports } = start({ users: { ann: 10_000 } })
  const long = call(9_000)
  assert.equal(await reserve(long), null)
  assert.equal(await reserve(call(4_000)), 'RATE_LIMITED')
  assert.deepEqual(reports(), [])
  await settle(long, 7_000)
  for (const made of [call(4_000), call(4_000)]) assert.equal(await reserve(made), 'BUDGET_EXCEEDED')
  assert.deepEqual(reports(), [['user:ann', 7_000]])
  await spend(1_000)
  assert.deepEqual(reports().slice(1), [['user:ann', null]], 'its share is reported too')
})

test('a task that does not fit into what is left is reported once; one that waits for others is not', async () => {
  const { spend, admit, reports } = start({ fleetTokens: 12_000, estimateTokens: 5_000 })
  for (let task = 0; task < 2; task++) assert.equal(await admit(['mock']), 0)
  assert.equal(await admit(['mock']), 'BUDGET_EXCEEDED')
  assert.deepEqual(reports(), [], 'all of it is reserved only')
  await spend(7_500)
  for (let task = 0; task < 2; task++) assert.equal(await admit(['mock']), 'BUDGET_EXCEEDED')
  assert.deepEqual(reports(), [['fleet', 7_500]])
})

test("a model's budget is reported where the task goes on with another model", async () => {
  const { spend, admit, reports } = start({ models: { mock: 6_000 }, estimateTokens: 5_000 })
  await spend(2_000)
  assert.equal(await admit(['mock', 'other']), 1)
  assert.deepEqual(reports(), [['model:mock', 2_000]])
})
