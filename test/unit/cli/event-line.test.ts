import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventLine } from '../../../cli/output/event-line.ts'
import { paint } from '../../../cli/output/output.ts'
import type { StreamedEvent } from '../../../client/types.ts'

const event = (type: string, more: object): StreamedEvent =>
  ({
    id: '0:1',
    type,
    taskId: 't',
    stage: 'planner',
    step: 1,
    atMs: Date.UTC(2026, 10, 28),
    ...more,
  }) as unknown as StreamedEvent

test('Python is a line with its beginning, and no trouble', () => {
  const python = `totals = {}\n${'for region in regions: print(region)\n'.repeat(40)}`
  const line = eventLine(event('code', { requestId: 'r', code: python }), false) ?? ''
  assert.match(line, /step 1 code {2}.*totals = \{\} for region in/)
  assert.ok(line.length < 180, line)
  assert.ok(
    line.endsWith(paint('dim', 'x').slice(-5)) && !line.includes(paint('yellow', '').slice(0, 5)),
    line,
  )
})

test('the code and the message of an error are whole, and stand out', () => {
  const message = 'the warehouse does not answer for K-200: '.repeat(6).trim()
  const line =
    eventLine(event('tool.completed', { tool: 'stock', code: 'TOOL_FAILED', message }), false) ?? ''
  assert.ok(line.endsWith(paint('yellow', `stock TOOL_FAILED ${message}`)), line)
})
