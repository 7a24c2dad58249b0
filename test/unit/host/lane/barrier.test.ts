// A call waits until what was decided before it, about its task, is committed; one that is not journalled does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision, Stage } from '../../../../runtime/stage.ts'
import { feedback, startWorld } from './world.ts'

/** Each event makes a call, whose conclusion writes a row: an effect that nobody waits for. */
const calling = (journalled: boolean): Stage => ({
  name: 'metering',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  decide: (): Decision => ({
    call: { kind: 'write', target: 'ledger', request: {}, timeoutMs: 1_000, idempotent: true, journalled },
  }),
  conclude: (event): Decision => ({ rows: { last: event.id } }),
})

/** Commits with rows of the task, after three events of one task at once. */
async function commitsOf(journalled: boolean): Promise<{ calls: number; commits: number }> {
  let calls = 0
  const write = () => Promise.resolve(++calls)
  const world = await startWorld({ stage: calling(journalled), callers: { write } })
  await world.publish(feedback('t', '1'), feedback('t', '2'), feedback('t', '3'))
  return {
    calls,
    commits: world.commits.filter(({ rows }) => rows.some(({ key }) => key.endsWith('last'))).length,
  }
}

test('a journalled call waits for the commit of what was decided before it', async () => {
  assert.deepEqual(await commitsOf(true), { calls: 3, commits: 3 })
})

test('calls that are not journalled share one commit', async () => {
  assert.deepEqual(await commitsOf(false), { calls: 3, commits: 1 })
})
