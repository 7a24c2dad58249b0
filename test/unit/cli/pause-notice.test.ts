import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { LiveView } from '../../../cli/output/live-view.ts'
import { watchPauses } from '../../../cli/output/pause-notice.ts'
import type { Pause } from '../../../runtime/pauses.ts'
import { eventually } from '../../conformance/waiting.ts'

const pause = (stage: string | null, reason: string | null = null): Pause => ({
  stage,
  reason,
  by: null,
  sinceMs: 0,
})

test('a pause on the way of a task is said once, with its reason and remedy, and so is its end', async () => {
  const lines: string[] = []
  const view = new LiveView({
    terminal: null,
    print: (text) => lines.push(stripVTControlCharacters(text).trim()),
    now: () => 0,
  })
  view.now('waiting for the router')
  let held: Pause[] = [pause(null, 'upgrade'), pause('planner'), pause('alerting')]
  let looks = 0
  const stop = watchPauses(
    view,
    async () => {
      looks++
      if (looks === 2) throw new Error('no answer')
      return held
    },
    1,
  )
  await eventually('several looks', async () => looks > 4)
  assert.deepEqual(lines, [
    'The fleet is paused since 1970-01-01 00:00:00Z: upgrade; the task waits until: flotilla resume',
    'planner is paused since 1970-01-01 00:00:00Z; the task waits until: flotilla resume planner',
  ])
  assert.equal(view.line(), 'the fleet, planner paused · waiting for the router 0 s')
  held = [pause('planner')]
  await eventually('the end is said', async () => lines.length === 3)
  assert.equal(lines.at(-1), 'the fleet has been resumed')
  assert.equal(view.line(), 'planner paused · waiting for the router 0 s')
  stop()
  view.end()
})
