import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  durableTypes,
  taskEventSchemas,
  taskEventTypes,
  type TaskEventType,
} from '../../../api/task-events.ts'
import { progressEvents } from '../../../client/progress-events.ts'
import { schemas } from '../../../schemas/generated/schemas.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'

const page = readFileSync(new URL('../../../docs/http-events.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/```json\n(.*)\n```/g)].map(
  ([, json = '']) => JSON.parse(json) as { type: TaskEventType },
)

test('docs/http-events.md shows every event, as its schema has it', () => {
  assert.deepEqual(examples.map(({ type }) => type).toSorted(), [...taskEventTypes].toSorted(), 'each once')
  for (const { type, ...data } of examples) taskEventSchemas[type].strict().parse(data)
})

test('durable ones stand in their section of the page', () => {
  const [durable = '', others = ''] = page.slice(page.indexOf('### Durable')).split('### Best effort')
  for (const type of taskEventTypes)
    assert.ok((durableTypes.has(type) ? durable : others).includes(`"type": "${type}"`), type)
})

test('every kind of the history is an event, whatever its detail holds', () => {
  const kinds = schemas.TaskProgressed.fields.find(({ name }) => name === 'kind')
  const values = (kinds as unknown as { values: TaskProgressed['kind'][] }).values
  assert.ok(values.length > 10)
  for (const kind of values)
    for (const detail of [null, 'text', [], {}, { error: 'text', code: 7, for: null, arguments: null }]) {
      const record = { taskId: 't', stage: 'planner', kind, step: null, atMs: 1, detail }
      for (const { type, ...data } of progressEvents(record)) taskEventSchemas[type].strict().parse(data)
      assert.ok(progressEvents(record).length > 0 || kind === 'cancel_requested', kind)
    }
})
