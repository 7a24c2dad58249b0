// A whole fleet in a process of its own, whose tools kill it: what kills is given up, what was beside it goes on.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { HttpClient } from '../../client/http/client.ts'
import { httpOperator } from '../../operator/http.ts'
import { freePort } from '../infra/port.ts'
import { startDeadly } from '../support/deadly.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const MAX_STARTS = 8

/** Starts the fleet again whenever it has died, until `done`. Resolves with how often it died. */
async function keepUp(
  t: TestContext,
  options: Parameters<typeof startServices>[1],
  done: (fleet: ServiceProcess) => Promise<boolean>,
): Promise<{ deaths: number; fleet: ServiceProcess }> {
  for (let deaths = 0; deaths < MAX_STARTS; deaths++) {
    const fleet = await startServices([], options)
    t.after(() => fleet.kill9())
    await fleet.ready().catch(() => undefined)
    for (;;) {
      const alive = await fleet.readiness()
      if (!alive) break
      if (await done(fleet).catch(() => false)) return { deaths, fleet }
      await pause(50)
    }
    await fleet.kill9()
  }
  throw new Error(`the fleet died ${MAX_STARTS} times`)
}

async function freshFleet(t: TestContext, env: Readonly<Record<string, string>>) {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-deadly-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return { env: { ...env, FLOTILLA_DATA: directory }, port: await freePort() }
}

// Before its trials an event is held back for 10 s, then for 40, on a busy machine for 160 too: all at once, they wait once.
describe('a fleet whose tools end or trouble it', { concurrency: true }, () => {
  for (const tool of ['die', 'hog'])
    test(`a task whose tool kills the process (${tool}) is given up after a few deaths; others go on`, async (t) => {
      await using world = await startDeadly()
      const options = await freshFleet(t, world.env)
      const client = new HttpClient(`http://127.0.0.1:${options.port}`)
      // The fleet may die before it has taken the third.
      const missing = ['innocent-1', 'deadly', 'innocent-2']
      const { deaths, fleet } = await keepUp(t, options, async () => {
        for (const taskId of missing.slice()) {
          const text = `call ${taskId === 'deadly' ? tool : 'slow'}`
          await client.submit({ taskId, text, timeoutMs: 600_000 })
          missing.shift()
        }
        return (await client.find('deadly')) !== null
      })
      // On a busy machine it gets older before it kills, so that its death proves less, and it dies more often.
      assert.ok(deaths >= 3, `${deaths} deaths`)
      for (const taskId of ['innocent-1', 'innocent-2'])
        assert.equal((await client.result(taskId, { timeoutMs: 120_000 })).status, 'succeeded', taskId)
      const deadly = await client.result('deadly', { timeoutMs: 120_000 })
      assert.match(JSON.stringify(deadly), /PROCESS_DIED/)
      const letters = await httpOperator(fleet.url).deadLetters.list()
      assert.deepEqual(
        letters.map(({ stage, code, sourceTopic }) => [stage, code, sourceTopic]),
        [['tool-executor', 'PROCESS_DIED', 'tools.requested']],
      )
      assert.equal(await fleet.drain(), 0)
    })

  test('a promise that nobody awaits and that rejects does not end the fleet; /health shows it', async (t) => {
    await using world = await startDeadly()
    const options = await freshFleet(t, world.env)
    const fleet = await startServices([], options)
    t.after(() => fleet.kill9())
    await fleet.ready()
    const client = new HttpClient(fleet.url)
    const health = async () => (await fetch(`${fleet.url}/health`)).json()
    assert.deepEqual(await health(), { service: 'fleet', status: 'ok', unhandledRejections: 0 })
    for (const taskId of ['one', 'two']) {
      await client.submit({ taskId, text: 'call leak' })
      assert.equal((await client.result(taskId, { timeoutMs: 120_000 })).status, 'succeeded')
    }
    assert.deepEqual(await health(), { service: 'fleet', status: 'degraded', unhandledRejections: 2 })
    assert.match(
      await (await fetch(`${fleet.url}/metrics`)).text(),
      /flotilla_bugs_total\{.*unhandled_rejection.*\} 2/,
    )
    assert.equal(await fleet.drain(), 0)
  })
})
