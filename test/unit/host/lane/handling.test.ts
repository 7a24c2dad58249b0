import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Handling } from '../../../../runtime/host/lane/handling.ts'
import type { StageEvent } from '../../../../runtime/stage.ts'
import { untracedHandling } from '../../../../runtime/telemetry/instruments.ts'

const timer: StageEvent = {
  type: 'TimerFired',
  data: { name: 'deadline' },
  id: 'e-1',
  key: 'task-1',
  lane: 0,
  atMs: 0,
  traceId: null,
}
const handling = (): Handling => new Handling(timer, null, timer.id, untracedHandling(null))

test('an interrupt stops the call that a handling makes', () => {
  const called = handling()
  const { interrupted } = called
  assert.equal(interrupted.aborted, false)
  called.interrupt()
  assert.equal(interrupted.aborted, true)
})

test('an interrupt reaches each listener once, and none that has left', () => {
  const { interrupted } = handling()
  const heard: string[] = []
  const left = () => void heard.push('left')
  interrupted.addEventListener('abort', () => void heard.push('first'))
  interrupted.addEventListener('abort', left)
  interrupted.addEventListener('abort', () => void heard.push('second'))
  interrupted.removeEventListener('abort', left)
  interrupted.abort()
  interrupted.abort()
  assert.deepEqual(heard, ['first', 'second'])
})

test('an interrupt that comes before the call is not forgotten', () => {
  const waiting = handling()
  waiting.interrupt()
  assert.equal(waiting.interrupted.aborted, true)
})
