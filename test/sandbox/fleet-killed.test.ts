// The one process of an embedded fleet, killed in the middle of Python loops that call tools, under every executor at once.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { freePort } from '../infra/port.ts'
import { LOOP, assertWentOn, executors, startCodeLoops } from '../support/code-loops.ts'
import { startServices } from '../support/service-process.ts'

const KILLS = 3

test('kill -9 of an embedded fleet in the middle of Python loops: each goes on where it was', async (t) => {
  await using loops = await startCodeLoops()
  const env = { ...loops.env, FLOTILLA_DATA: join(loops.directory, 'data'), FLOTILLA_PARTITIONS: '4' }
  const port = await freePort()
  let fleet = await startServices([], { env, port })
  t.after(() => fleet.kill9())
  await fleet.ready()
  const client = new HttpClient(fleet.url)
  t.after(() => client.close())
  await loops.submit(client)
  for (let kill = 0; kill < KILLS; kill++) {
    await loops.goOn(5)
    await fleet.kill9()
    fleet = await startServices([], { env, port })
    await fleet.ready()
  }
  for (const executor of executors)
    await t.test(executor, async () => {
      const loop = await loops.result(client, executor)
      assertWentOn(loop)
      // The call that was under way at a kill may have run: the loop is told, and it is not made again.
      const unknown = loop.outcomes.flatMap((outcome, item) => (outcome === 'ok' ? [] : [item]))
      for (const item of unknown) assert.equal(loop.outcomes[item], 'CALL_OUTCOME_UNKNOWN')
      assert.ok(unknown.length <= KILLS, `${unknown.length} calls were in doubt after ${KILLS} kills`)
      const sure = Array.from({ length: LOOP }, (_, item) => item).filter((item) => !unknown.includes(item))
      assert.deepEqual(
        loop.answered.filter((item) => !unknown.includes(item)),
        sure,
      )
      t.diagnostic(`${executor}: ${unknown.length} calls in doubt`)
    })
  assert.equal(await fleet.drain(), 0, fleet.output())
})
