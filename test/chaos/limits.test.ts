// 1,000 submissions at once at the edge of a daily budget: eight routers and four planners, each a process of its own, of
// which one is killed again and again. Nothing passes the budget at any moment, and the counters agree with the ledger.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '../../client/index.ts'
import type { TaskResult } from '../../client/types.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { loadFleet } from '../../runtime/config/load.ts'
import { limitsReader, type LimitsReader } from '../../runtime/limits/budget-report.ts'
import { openStores } from '../../runtime/store/open.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const TASKS = 1_000
const LIMIT_TOKENS = 150_000
const instances = [...Array(8).fill('router'), ...Array(4).fill('planner'), 'metering'] as string[]
const KILLS = 8
const KILL_EVERY_MS = 1_200

const config = join(import.meta.dirname, '../support/limits.config.ts')

test('a burst at the edge of the budget never passes it, whoever is killed meanwhile', async (t) => {
  const model = await startScriptedModel({ latencyMs: 250 })
  t.after(() => model.stop())
  const env = fleetEnvironment('limits', {
    FLOTILLA_CONFIG: config,
    FLOTILLA_SCRIPTED_URL: model.url,
    FLOTILLA_PARTITIONS: '12',
    FLOTILLA_SESSION_TIMEOUT_MS: '3000',
  })
  const environment = readEnvironment(env)
  const fleet = await loadFleet(environment)
  const stores = await openStores(environment)
  t.after(() => stores.close())
  const reader = limitsReader({ ...stores, fleet })

  const running: ServiceProcess[] = []
  t.after(() => Promise.all(running.map((process) => process.kill9())))
  running.push(...(await Promise.all(instances.map((name) => startServices([name], { env })))))
  await Promise.all(running.map((process) => process.ready(240_000)))
  const client = await connect({ env })
  t.after(() => client.close())
  const results = new Map<string, TaskResult>()
  void collect(client.results({ group: 'limits', from: 'earliest' }), results)
  const watch = watchBudget(reader)
  t.after(() => watch.stop())

  const ids = Array.from({ length: TASKS }, (_, index) => `burst-${index}`)
  await Promise.all(
    ids.map((taskId) =>
      client.submit({ taskId, userId: `user-${taskId.at(-1)}`, text: `say hi task=${taskId}` }),
    ),
  )
  await killSome(running, env)
  await eventually('every task has its result', () => ids.every((id) => results.has(id)), 240_000)

  const seen = await watch.stop()
  assert.ok(seen.most <= LIMIT_TOKENS, `${seen.most} tokens were used or reserved`)
  assert.ok(seen.most > 0.9 * LIMIT_TOKENS, `${seen.most} tokens: the burst never came near the edge`)
  const counts = Object.groupBy(results.values(), ({ status, error }) => error?.code ?? status)
  const summary = Object.fromEntries(Object.entries(counts).map(([name, same]) => [name, same?.length]))
  t.diagnostic(`${JSON.stringify({ ...seen, ...summary })}`)
  const known = new Set(['succeeded', 'BUDGET_EXCEEDED', 'TASK_TIMED_OUT'])
  assert.deepEqual(
    Object.keys(summary).filter((name) => !known.has(name)),
    [],
  )
  assert.ok(Number(summary['succeeded']) > 100 && Number(summary['BUDGET_EXCEEDED']) > 100)

  await eventually('the ledger agrees with every counter', async () => agrees(reader)).catch(
    async (error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(await reader.show())}`),
  )
  const [whole] = await reader.show()
  assert.ok(whole && whole.used > 0 && whole.used <= LIMIT_TOKENS)
  const before = await reader.show()
  for (const { budget } of before) await stores.limits.correct(keyOf(budget), 1, Date.now() + 60_000)
  assert.equal((await reader.rebuild()).length, before.length)
  assert.deepEqual(
    (await reader.show()).map(({ budget, used }) => [budget, used]),
    before.map(({ budget, used }) => [budget, used]),
  )
})

const keyOf = (budget: string): string => `${new Date().toISOString().slice(0, 10)}:${budget}`

async function collect(from: AsyncIterable<TaskResult>, into: Map<string, TaskResult>): Promise<void> {
  for await (const result of from) {
    assert.ok(!into.has(result.taskId), `${result.taskId} has two results`)
    into.set(result.taskId, result)
  }
}

/** The most that was used and reserved at any moment that was looked at. */
function watchBudget(reader: LimitsReader) {
  let most = 0
  let looks = 0
  let stopped = false
  const watching = (async () => {
    while (!stopped) {
      const fleet = (await reader.show()).find(({ budget }) => budget === 'fleet')
      if (fleet) most = Math.max(most, fleet.used + fleet.reserved)
      looks++
      await pause(20)
    }
  })()
  return {
    stop: async () => {
      stopped = true
      await watching
      return { most, looks }
    },
  }
}

/** SIGKILL to a router or a planner in turns, each replaced at once. */
async function killSome(running: ServiceProcess[], env: Readonly<Record<string, string>>): Promise<void> {
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(KILL_EVERY_MS)
    const name = kill % 2 === 0 ? 'planner' : 'router'
    const place = running.findIndex(({ names }) => names[0] === name)
    const [victim] = running.splice(place, 1)
    await victim?.kill9()
    running.push(await startServices([name], { env }))
  }
  await Promise.all(running.map((process) => process.ready(240_000)))
}

/** True when every budget's counter is what the ledger says. */
async function agrees(reader: LimitsReader): Promise<boolean> {
  const lines = await reader.show()
  return lines.length > 0 && lines.every(({ used, recorded }) => used === recorded)
}
