import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { TaskAdmitted } from '../../../schemas/generated/events.ts'
import { jsonBytes } from '../../../runtime/json/written.ts'
import { toolBook } from '../../../services/planner/tools/catalogue.ts'

const tool = (name: string) =>
  defineTool({
    name,
    description: `What ${name} does`,
    input: z.object({ text: z.string() }),
    run: () => name,
  })
const book = toolBook({ tools: ['look', 'find', 'read'].map(tool), agents: {} } as unknown as Fleet)
const task = (...tools: string[]) => ({ tools, policyTools: null }) as unknown as TaskAdmitted
const shown = (...tools: string[]) => book.forModel(task(...tools)).map((one) => one.function.name)

test('a model gets the tools of its task, in their order', () => {
  assert.deepEqual(shown('look', 'find'), ['look', 'find'])
  assert.deepEqual(shown('find'), ['find'])
  assert.deepEqual(shown('find', 'look', 'lost'), ['find', 'look'])
  assert.deepEqual(shown(), [])
})

test('a list of tools is made once, and measured once', () => {
  const list = book.forModel(task('look', 'read'))
  assert.equal(book.forModel(task('look', 'read')), list)
  assert.notEqual(book.forModel(task('read', 'look')), list)
  assert.equal(jsonBytes(list), Buffer.byteLength(JSON.stringify(list)))
  assert.equal(jsonBytes(list), jsonBytes(list))
})
