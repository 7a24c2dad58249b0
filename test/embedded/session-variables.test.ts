// Python variables kept between the tasks of a session: the tool server is asked once, whatever happens in between.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { TaskInput } from '../../client/types.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'
import { startToolServer } from '../support/tool-server.ts'

const config = join(import.meta.dirname, '../support/variables.config.ts')

/** Runs what the newest message asks for, and nothing again that has run. */
const script: Script = ({ task, observations }) => {
  const code = `${task}\n${observations}`.split('\n').findLast((line) => line.startsWith('run '))
  return { text: `\`\`\`python\n${code?.slice(4).replaceAll('; ', '\n') ?? ''}\n\`\`\`` }
}

async function start(t: TestContext) {
  const directory = testDirectory(t, 'variables')
  const log = join(directory, 'calls.jsonl')
  const tools = await startToolServer({ log, latencyMs: () => 1 })
  t.after(() => tools.stop())
  const model = await startScriptedModel({ script })
  t.after(() => model.stop())
  const gone = join(directory, 'tool-gone')
  const { client, killAndStart } = await startKillable(t, directory, {
    FLOTILLA_CONFIG: config,
    FLOTILLA_SCRIPTED_URL: model.url,
    TOOL_SERVER_URL: tools.url,
    TOOL_GONE: gone,
  })
  const run = async (code: string, more: Partial<TaskInput> = {}) => {
    const input = { text: `run ${code}`, sessionId: 's', userId: 'ann', ...more }
    const { taskId } = await client.submit(input)
    const { status, output, error, steps } = await client.result(taskId, { timeoutMs: 120_000 })
    assert.equal(status, 'succeeded', JSON.stringify(error))
    return { output, steps }
  }
  return {
    run,
    killAndStart,
    calls: () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"arrived"')).length,
    removeTool: () => writeFileSync(gone, ''),
  }
}

const isThere = "final_answer('found' in globals())"

test('a turn uses what an earlier one defined by a tool call, after kill -9 too; nobody else does', async (t) => {
  const { run, killAndStart, calls } = await start(t)
  await run("found = lookup(task='a')['item']; final_answer(found)")
  assert.deepEqual((await run('found += 10; final_answer(found)')).output, 10)
  await killAndStart()
  assert.deepEqual((await run('found += 100; final_answer(found)')).output, 110)
  assert.equal(calls(), 1)
  // Its agent keeps none, is another one, or it brings a history; another session has its own.
  const history = [{ role: 'user' as const, content: 'before' }]
  for (const other of [{ agent: 'plain' }, { agent: 'other' }, { history }, { sessionId: 's2' }])
    assert.equal((await run(isThere, other)).output, false, JSON.stringify(other))
  assert.deepEqual((await run('final_answer(found)')).output, 110)
})

test('above the limit all variables go, and the next turn can define them again', async (t) => {
  const { run } = await start(t)
  await run('found = 1; final_answer(found)')
  await run(`more = '${'x'.repeat(4_000)}'; final_answer(found)`)
  assert.equal((await run(isThere)).output, false)
  await run('found = 2; final_answer(found)')
  assert.equal((await run('final_answer(found)')).output, 2)
})

test('Python that does not come out as before: the step runs without it, and its model is told', async (t) => {
  const { run, killAndStart, removeTool, calls } = await start(t)
  await run("found = lookup(task='a')['item']; final_answer(found)")
  removeTool()
  await killAndStart()
  const { output, steps } = await run(isThere)
  assert.deepEqual([output, steps.length], [false, 1])
  assert.match(String(steps[0]?.observation), /variables of earlier messages are gone.*ran without them/s)
  await run('found = 2; final_answer(found)')
  assert.equal((await run('final_answer(found)')).output, 2)
  assert.equal(calls(), 1)
})
