import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { createPeopleCallers } from '../../../services/tool-executor/people-callers.ts'

const plain = { description: 'A tool.', input: { type: 'object' }, run: () => null }
const context = {
  callId: 'later',
  key: 't1/c1',
  signal: new AbortController().signal,
  traceparent: null,
  stream: () => {},
}
const request = (tool: string) => ({
  ...{ taskId: 't1', tool, arguments: { n: 1 }, userId: 'ann', agent: null, idempotencyKey: 'first' },
})

test('a rule sees a copy of the arguments, and only a plain no lets the call pass', async () => {
  const rules = {
    passes: () => false,
    changes: (given: unknown) => ((given as { n: number }).n = 2) !== 2,
    odd: () => 'no' as unknown as boolean,
  }
  const tools = Object.entries(rules).map(([name, when]) =>
    defineTool({ ...plain, name, requiresApproval: { when } }),
  )
  const { rule } = createPeopleCallers({ tools })
  const args = { n: 1 }
  assert.equal(await rule({ tool: 'passes', arguments: args }), false)
  assert.equal(await rule({ tool: 'changes', arguments: args }), false)
  assert.deepEqual(args, { n: 1 })
  assert.equal(await rule({ tool: 'odd', arguments: args }), true)
  assert.equal(await rule({ tool: 'removed', arguments: args }), true)
})

test('what users’ code throws is a failure of the tool, and no bug of the fleet', async () => {
  const fail = (): never => {
    throw new Error('no luck')
  }
  const tools = [defineTool({ ...plain, name: 'bad', requiresApproval: { when: fail }, reconcile: fail })]
  const { rule, reconcile } = createPeopleCallers({ tools })
  await assert.rejects(rule({ tool: 'bad', arguments: {} }), { code: 'TOOL_FAILED', message: /no luck/ })
  await assert.rejects(reconcile(request('bad'), context), { code: 'TOOL_FAILED', message: /no luck/ })
})

test('a look-up gets the key of the lost call; its answer is checked', async () => {
  let seen: string | null = null
  const tools = [
    defineTool({
      ...plain,
      name: 'found',
      reconcile: (_, { idempotencyKey }) => {
        seen = idempotencyKey
        return { tookEffect: true, output: { n: 1 } }
      },
    }),
    defineTool({ ...plain, name: 'odd', reconcile: () => ({}) as never }),
    defineTool({ ...plain, name: 'unsure', reconcile: () => undefined as never }),
  ]
  const { reconcile } = createPeopleCallers({ tools })
  assert.deepEqual(await reconcile(request('found'), context), { tookEffect: true, output: { n: 1 } })
  assert.equal(seen, 'first')
  await assert.rejects(reconcile(request('odd'), context), { code: 'TOOL_OUTPUT_INVALID' })
  assert.equal(await reconcile(request('unsure'), context), null)
})
