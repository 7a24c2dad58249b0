// Rows of the lane are named by tasks: V8 would make a hidden class for each name of a plain object.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import { held } from '../../support/held-events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { createRouterStage } from '../../../services/router/stage.ts'
import { fleetOf } from './fleet.ts'

const DAY_MS = 86_400_000

test('whatever happens to a task, the rows of its lane have no prototype', () => {
  const queue = { ...defaultLimits.queue, inFlight: 1 }
  const budgets = { ...defaultLimits.budgets, fleetTokens: null, userTokens: null, modelTokens: null }
  const rates = { ...defaultLimits.rates, userRequests: null, userTokens: null }
  const stage = createRouterStage(fleetOf({ limits: { ...defaultLimits, budgets, rates, queue } }))
  const written: { event: string; lane: object }[] = []
  const noted: typeof stage = {
    ...stage,
    decide: (event, ...state) => {
      const decision = stage.decide(event, ...state)
      if (decision.lane) written.push({ event: event.type, lane: decision.lane })
      return decision
    },
  }
  const driver = drive(noted)
  const cancel = (taskId: string) =>
    driver.send('tasks.control', 'TaskCancelled', { taskId, reason: null, requestedBy: null })
  const close = (taskId: string) =>
    driver.send('tools.requested', 'TaskClosed', { taskId, status: 'succeeded', deadlineMs: null })
  cancel('early')
  for (const taskId of ['early', 'a', 'b', 'c', 'd'])
    driver.send('tasks.submitted', 'TaskSubmitted', {
      ...emptyTask,
      text: 'Do it.',
      taskId,
      timeoutMs: DAY_MS,
    })
  cancel('d')
  const call = { taskId: 'a', callId: 'call-1', requester: 'planner' } as const
  driver.send('tools.completed', 'CallHeld', held(call, driver.now))
  close('b')
  close('a')
  close('c')
  driver.advance(9 * DAY_MS)
  assert.ok(written.length > 8, String(written.length))
  for (const { event, lane } of written)
    assert.equal(Object.getPrototypeOf(lane), null, `${event}: ${Object.keys(lane).join(' ')}`)
})
