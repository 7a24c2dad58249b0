// Python sessions whose tool takes long give their interpreters up, and come back when it answers.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { eventually } from '../conformance/waiting.ts'
import { LOOP, assertWentOn, executors, startCodeLoops } from '../support/code-loops.ts'
import { startServices } from '../support/service-process.ts'

const HELD = 7

/** Samples of a metric of the process, by executor. */
async function samples(url: string, metric: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const found = text.matchAll(new RegExp(`^${metric}{executor="(\\w+)"} (\\d+)$`, 'gm'))
  return Object.fromEntries([...found].map(([, executor, value]) => [executor, Number(value)]))
}

test('a session idle while its tool runs is evicted and comes back; on E2B it is paused', async (t) => {
  const release = Promise.withResolvers<void>()
  await using loops = await startCodeLoops({
    until: async ({ item }) => void (item === HELD && (await release.promise)),
  })
  const env = {
    ...loops.env,
    FLOTILLA_DATA: join(loops.directory, 'data'),
    FLOTILLA_SANDBOX_IDLE_MS: '1000',
  }
  const fleet = await startServices([], { env })
  t.after(() => fleet.kill9())
  await fleet.ready()
  const client = new HttpClient(fleet.url)
  t.after(() => client.close())
  await loops.submit(client)
  await eventually('every loop waits', () => Object.values(loops.at()).every((item) => item === HELD))
  await eventually('only the session on E2B is left', async () => {
    const live = await samples(fleet.url, 'flotilla_code_sessions')
    return executors.every((executor) => live[executor] === (executor === 'e2b' ? 1 : 0))
  })
  await eventually('the session on E2B is paused', () => loops.hasPaused())
  const before = await samples(fleet.url, 'flotilla_code_rebuilds_total')

  release.resolve()
  for (const executor of executors)
    await t.test(executor, async () => {
      const loop = await loops.result(client, executor)
      assertWentOn(loop)
      assert.deepEqual(loop.outcomes, Array(LOOP).fill('ok'))
      const rebuilt = (await samples(fleet.url, 'flotilla_code_rebuilds_total'))[executor] ?? 0
      if (executor === 'e2b') assert.equal(rebuilt, 0)
      else assert.ok(rebuilt > (before[executor] ?? 0), `it was rebuilt ${rebuilt} times`)
    })
  assert.equal(await fleet.drain(), 0, fleet.output())
})
