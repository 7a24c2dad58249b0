// Ids that the console gives to tasks (console/src/task-id.ts) are like those of the fleet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namedAtMs } from '../../../client/log/result-search.ts'
import { newTaskId } from '../../../console/src/task-id.ts'
import { taskIdPattern } from '../../../schemas/task-id.ts'

test('an id is unique, has the form of a UUID of version 7, and the fleet reads its time', () => {
  const before = Date.now()
  const ids = Array.from({ length: 1_000 }, newTaskId)
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.match(id, taskIdPattern)
    assert.ok(namedAtMs(id) >= before && namedAtMs(id) <= Date.now(), id)
  }
})
