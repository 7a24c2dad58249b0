// A task whose first model calls tools and is gone goes on with the second, for every dialect as first and as second. The
// planner's own stage and model caller, and two real servers that refuse what theirs refuse.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { ModelRequest } from '../../../../services/planner/call.ts'
import { drive, type StageDriver } from '../../../../runtime/testing/stage-driver.ts'
import { createPlannerStage } from '../../../../services/planner/stage.ts'
import { fleetOf } from '../../router/fleet.ts'
import { admitted, answerTool, asked, assertEnded, START } from '../task.ts'
import { startDialect, type Turn } from './dialect-server.ts'
import { dialects, type Dialect } from './dialects.ts'
import { callContext, callerFor, type ProviderServer } from './provider-server.ts'

const gone: Turn = { error: { status: 404, body: { error: { message: 'the model is gone' } } } }
const rome = { name: 'get_weather', argumentsText: '{"city":"Rome"}' }
/** What models make up, and what strict servers refuse to read again. */
const invented = [
  rome,
  { name: 'multi_tool_use.parallel', argumentsText: '{"tool_uses":[]}' },
  { name: 'get_weather', argumentsText: '["Rome"]' },
  { name: 'get_weather', argumentsText: '{"city":"Ro\\u0000me\\ud83d","town":1}' },
]

/** One for all: to compile the schemas of its tools takes longer than a task. */
const stage = createPlannerStage(fleetOf())

type Server = ProviderServer & { readonly refusals: string[] }
type Caller = ReturnType<typeof callerFor>

async function answerModel(driver: StageDriver, call: Caller): Promise<void> {
  const request: ModelRequest = asked(driver)
  try {
    driver.answer(await call(request, callContext()))
  } catch (error) {
    assert.ok(error instanceof FlotillaError, String(error))
    driver.fail(error.code)
  }
}

async function run(t: TestContext, first: Dialect, second: Dialect): Promise<[StageDriver, Server, Server]> {
  const one = await startDialect(t, first, [{ calls: [rome] }, { calls: invented }, gone])
  const two = await startDialect(t, second, [{ calls: invented }, { says: 'Rome is warm.' }])
  const call = callerFor({ one: { baseUrl: one.url }, two: { baseUrl: two.url } })
  // The fourth step is the last one, so its hint stands in the conversation, too.
  const driver = drive(stage, { now: START })
  const task = { mode: 'tools', models: ['one/m', 'two/m'], maxSteps: 4, timeoutMs: 600_000 } as const
  driver.send('tasks.admitted', 'TaskAdmitted', admitted({ ...task, models: [...task.models] }))
  await answerModel(driver, call)
  answerTool(driver, 't1.1.0', { output: `\u0000${'x'.repeat(7_998)}${'😀'.repeat(5_000)}` })
  await answerModel(driver, call)
  answerTool(driver, 't1.2.0', { step: 2, output: '' })
  await answerModel(driver, call)
  driver.advance(0)
  await answerModel(driver, call)
  answerTool(driver, 't1.3.0', { step: 3 })
  await answerModel(driver, call)
  return [driver, one, two]
}

for (const first of dialects) {
  test(`${first.who} first, then each of the others`, async (t) => {
    for (const second of dialects) {
      await t.test(second.who, async (t) => {
        const [driver, one, two] = await run(t, first, second)
        assert.deepEqual([one.refusals, two.refusals], [[], []])
        assertEnded(driver, 'succeeded', null)
        assert.equal(driver.only('TaskCompleted').output, 'Rome is warm.')
      })
    }
  })
}
