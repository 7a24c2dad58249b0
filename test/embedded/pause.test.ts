// Pauses: a paused stage takes nothing new, over a restart too, finishes what it has, and goes on when it is resumed.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { httpOperator } from '../../operator/index.ts'
import { defineTool } from '../../runtime/config/define.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { eventually } from '../conformance/waiting.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'

const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({}),
  requiresApproval: true,
  run: () => 'paid',
})

const readinessOf = async ({ process: { url } }: TestFleet) =>
  (await fetch(`${url}/ready`)).json() as Promise<{ ready: boolean; paused?: string[] }>

test('a paused stage takes nothing new, over a restart too, until it is resumed', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-pause-'))
  const turns = [{ toolCalls: [{ name: 'pay', arguments: {} }] }, { text: 'done' }]
  const conversations = [{ title: 'pay', task: 'pay the bill', mode: 'tools' as const, turns }]
  const answered = Promise.withResolvers<void>()
  const until = async ({ taskMark, turn }: Exchange) => taskMark === 'long' && turn === 0 && answered.promise
  const model = { conversations, until }
  const options = { http: true, dataDir, definition: { tools: [echo, pay] }, model }
  let fleet = await startTestFleet(options)
  t.after(async () => {
    await fleet.stop()
    rmSync(dataDir, { recursive: true })
  })
  let operator = httpOperator(fleet.process.url as string)
  const phaseOf = async (id: string) => (await operator.tasks.get(id)).phase
  const ready = () => readinessOf(fleet)
  const planner = async () => (await operator.lanes.list()).filter(({ stage }) => stage === 'planner')
  /** The router has passed the task on, and planner leaves it. */
  const isHeld = async (id: string) => {
    await eventually(`${id} was admitted`, async () => (await phaseOf(id)) === 'paused')
    return (await planner()).some(({ lag }) => lag > 0)
  }

  await fleet.client.submit({ text: 'pay the bill', taskId: 'bill' })
  await eventually('one waits for a person', async () => (await phaseOf('bill')) === 'approval')
  await fleet.client.submit({ text: 'task=long', taskId: 'long' })
  await eventually('its model is asked', () => fleet.model.stats().received === 2)
  const [pause] = await operator.pauses.set({
    stage: 'planner',
    paused: true,
    reason: 'provider moves',
    by: 'bo',
  })
  assert.deepEqual([pause?.stage, pause?.reason, pause?.by], ['planner', 'provider moves', 'bo'])
  await eventually(
    'this process follows it',
    async () => (await ready()).paused?.includes('planner') ?? false,
  )
  assert.equal((await ready()).ready, true)
  assert.ok((await planner()).every(({ paused }) => paused))

  await fleet.client.submit({ text: 'task=held', taskId: 'held' })
  assert.ok(await isHeld('held'))
  answered.resolve()
  await eventually('the call that ran is finished', async () => (await phaseOf('long')) === 'paused')
  await fleet.client.cancel('bill')
  assert.equal(
    (await fleet.client.result('bill', { timeoutMs: 120_000 })).status,
    'cancelled',
    'cancels get through',
  )

  await fleet.stop()
  fleet = await startTestFleet(options)
  operator = httpOperator(fleet.process.url as string)
  assert.deepEqual((await ready()).paused, ['planner'])
  await fleet.client.submit({ text: 'task=later', taskId: 'later' })
  assert.ok(await isHeld('later'))
  assert.deepEqual([await phaseOf('held'), await fleet.client.find('held')], ['paused', null])
  assert.equal(fleet.model.stats().received, 0)

  assert.deepEqual(await operator.pauses.set({ stage: 'planner', paused: false }), [])
  for (const id of ['long', 'held', 'later'])
    assert.equal((await fleet.client.result(id, { timeoutMs: 120_000 })).output, `done ${id}`)
  assert.equal((await ready()).paused, undefined)
})

test('timers wait too, and fire when the fleet is resumed', async (t) => {
  const fleet = await startTestFleet({ http: true })
  t.after(() => fleet.stop())
  const operator = httpOperator(fleet.process.url as string)
  const { pauses, tasks } = operator
  await pauses.set({ paused: true })
  await eventually('this process follows it', async () => (await readinessOf(fleet)).paused !== undefined)
  const { taskId } = await fleet.client.submit({ text: 'task=x latency=60000', timeoutMs: 300 })
  assert.equal((await tasks.get(taskId)).phase, 'submitted')
  await assert.rejects(pauses.set({ paused: true }), {
    code: 'REQUEST_INVALID',
    message: /the fleet is paused since/,
  })
  await assert.rejects(pauses.set({ stage: 'router', paused: false }), {
    message: /with the whole fleet: resume/,
  })
  await assert.rejects(pauses.set({ stage: 'nobody', paused: true }), {
    code: 'NOT_FOUND',
    message: /there are: router/,
  })
  await pauses.set({ stage: 'router', paused: true })
  assert.deepEqual(
    (await pauses.list()).map(({ stage }) => stage),
    [null, 'router'],
  )
  assert.deepEqual(await pauses.set({ paused: false }), [], 'with its stages')
  await assert.rejects(pauses.set({ paused: false }), { message: /the fleet is not paused/ })
  assert.equal((await fleet.client.result(taskId, { timeoutMs: 120_000 })).status, 'timed_out')
})

test('a test of an alert says at once that alerting is paused, and by which command it goes on', async () => {
  await using fleet = await startTestFleet({ http: true })
  const { alerts, pauses } = httpOperator(fleet.process.url as string)
  for (const [pause, command] of [
    [{ stage: 'alerting' }, 'flotilla resume alerting'],
    [{}, 'flotilla resume'],
  ] as const) {
    await pauses.set({ ...pause, paused: true })
    const message = `alerting is paused, so no test is sent: ${command}`
    await assert.rejects(alerts.test('high_error_rate'), { message })
    await pauses.set({ ...pause, paused: false })
  }
  assert.ok((await alerts.test('high_error_rate')).length > 0)
})
