// code-sandbox, a process of its own on real Kafka, killed in the middle of Python loops that call tools, under every executor
// at once. Nothing else is killed, so nothing is in doubt.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../../client/index.ts'
import { LOOP, assertWentOn, executors, startCodeLoops } from '../support/code-loops.ts'
import { startFleetProcesses } from '../support/fleet-processes.ts'
import { fleetEnvironment } from '../support/servers.ts'

const KILLS = 3

test('kill -9 of code-sandbox in the middle of Python loops: each goes on where it was', async (t) => {
  await using loops = await startCodeLoops()
  const env = fleetEnvironment('code-loops', { ...loops.env, FLOTILLA_SESSION_TIMEOUT_MS: '3000' })
  const fleet = await startFleetProcesses(env)
  t.after(() => fleet.kill())
  const client = await connect({ env })
  t.after(() => client.close())
  await loops.submit(client)
  for (let kill = 0; kill < KILLS; kill++) {
    await loops.goOn(5)
    await fleet.of('code-sandbox').kill9()
    await fleet.start('code-sandbox')
  }
  for (const executor of executors)
    await t.test(executor, async () => {
      const loop = await loops.result(client, executor)
      assertWentOn(loop)
      assert.deepEqual(loop.outcomes, Array(LOOP).fill('ok'))
      assert.deepEqual(loop.answered, [...Array(LOOP).keys()])
    })
  await fleet.stop()
})
