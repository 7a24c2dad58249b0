// Schemas, pages, arguments and JSON of any depth, made to stop whoever looks at them: each costs its own task an error, other tasks go on,
// and a fleet that is started again on the same data goes on too.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TaskInput, TaskResult } from '../../client/types.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { z } from 'zod'
import { defineTool } from '../../runtime/config/define.ts'
import type { Json } from '../../schemas/json.ts'
import { fetchPage } from '../../services/tool-executor/tools/index.ts'
import { createWeb } from '../../services/tool-executor/tools/web/web.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const DEPTH = 100_000
const deepText = `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`

const bomb = `<html><p>${Array.from({ length: 1_500 }, (_, id) => `<b id=${id}>`).join('')}</p>${'<p>x'.repeat(8_000)}`
const site = createServer((_, response) => response.setHeader('content-type', 'text/html').end(bomb))

const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-hostile-'))
let fleet: TestFleet
const start = async () => {
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const tools = [
    fetchPage({ web: createWeb(() => ['127.0.0.1']) }),
    defineTool({
      name: 'deep',
      description: 'Returns a value nested very deep.',
      input: z.object({}),
      run: () => JSON.parse(deepText) as unknown,
    }),
  ]
  const turn = (name: string, args: Json) => ({
    toolCalls: [{ name, arguments: args as { [name: string]: Json } }],
  })
  const conversation = (task: string, ...turns: object[]) =>
    ({ title: task, task, mode: 'tools', turns: [...turns, { text: 'done' }] }) as never
  return startTestFleet({
    dataDir,
    http: true,
    definition: { tools, agents: { default: { mode: 'tools' } } },
    model: {
      conversations: [
        conversation('fetch the page', turn('fetch_page', { url: origin })),
        conversation('call deep', turn('deep', {})),
        { title: 'answer', task: 'answer deep', mode: 'tools', turns: [{ text: deepText }] } as never,
      ],
    },
  })
}

before(async () => {
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  fleet = await start()
})
after(async () => {
  await fleet.stop()
  site.close()
  rmSync(dataDir, { recursive: true, force: true })
})

let count = 0
async function run(text: string, task: Partial<TaskInput> = {}): Promise<TaskResult> {
  const taskId = `hostile-${++count}`
  await fleet.client.submit({ text, taskId, ...task })
  return fleet.client.result(taskId, { timeoutMs: 120_000 })
}

/** A task that has nothing to do with any of it is done as ever. */
async function othersGoOn(): Promise<void> {
  const { status, output } = await run('task=ordinary', {
    outputSchema: { type: 'string', pattern: '^done' },
  })
  assert.deepEqual([status, output], ['succeeded', 'done ordinary'])
}

const string = { type: 'string' }
const many = (of: number, name: string, value: Json) =>
  Object.fromEntries(Array.from({ length: of }, (_, index) => [`${name}${index}`, value]))

describe('a schema', () => {
  const refused: [name: string, outputSchema: { [name: string]: Json }, why: RegExp][] = [
    ['that is asynchronous', { $async: true, type: 'number' }, /\$async is not allowed/],
    [
      'of 300 references to 300 properties',
      {
        $defs: { d: { properties: many(300, 'p', string) } },
        properties: many(300, 'q', { $ref: '#/$defs/d' }),
      },
      /at most 200 are allowed/,
    ],
    ['of 10,000 properties', { properties: many(10_000, 'p', string) }, /at most 32768 are allowed/],
    ['of 20,000 properties', { properties: many(20_000, 'p', string) }, /at most 524288 are taken/],
    [
      'nested 2,000 deep',
      JSON.parse(`${'{"not":'.repeat(2_000)}{}${'}'.repeat(2_000)}`) as never,
      /nested more than 64/,
    ],
    ['that never ends on any answer', { allOf: [{ $ref: '#' }, { $ref: '#' }] }, /never end/],
    ['that looks ahead', { type: 'string', pattern: '^(?=x)+$' }, /RE2/],
  ]
  for (const [name, outputSchema, why] of refused)
    test(`${name}: rejected with the reason`, async () => {
      const [{ status, error }] = await Promise.all([run('task=x', { outputSchema }), othersGoOn()])
      assert.deepEqual([status, error?.code], ['rejected', 'TASK_INVALID'])
      assert.match(error?.message ?? '', why)
    })

  test('whose pattern explodes on any text: the answer misses it, at once', async () => {
    const outputSchema = { type: 'string', pattern: String.raw`^(([\s\S])+)+\u0000$` }
    const [{ status, error }] = await Promise.all([
      run(`task=${'a'.repeat(60)}`, { outputSchema, maxSteps: 2 }),
      othersGoOn(),
    ])
    assert.deepEqual([status, error?.code], ['failed', 'OUTPUT_INVALID'])
  })
})

test('a page that explodes fails its call, and the task goes on', async () => {
  const [{ status, steps }] = await Promise.all([run('fetch the page'), othersGoOn()])
  assert.equal(status, 'succeeded')
  const [call] = steps[0]?.toolCalls ?? []
  assert.deepEqual([call?.status, call?.error?.code], ['failed', 'TOOL_FAILED'])
  assert.match(call?.error?.message ?? '', /more than 200000 elements/)
})

test('JSON nested 100,000 deep is refused where it comes in', async () => {
  const url = `${fleet.process.url}/v1/tasks`
  const body = `{"text":"task=x","outputSchema":${deepText}}`
  const answered = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const said = (await answered.json()) as { taskId?: string; error?: { message: string } }
  assert.ok([202, 400].includes(answered.status), `${answered.status} ${JSON.stringify(said).slice(0, 300)}`)

  const { log } = fleet.process
  const partition = homeOf('by-log', log.partitions)
  const value = Buffer.from(`{"text":"task=x","taskId":"by-log","outputSchema":${deepText}}`)
  await log.publish([{ topic: 'tasks.submitted', partition, key: 'by-log', value, headers: {} }])
  const { status, error } = await fleet.client.result('by-log', { timeoutMs: 120_000 })
  assert.deepEqual([status, error?.code], ['rejected', 'TASK_INVALID'])

  const { steps } = await run('call deep')
  assert.equal(steps[0]?.toolCalls[0]?.error?.code, 'TOOL_OUTPUT_INVALID')
  assert.equal((await run('answer deep')).status, 'succeeded', 'text is text, whatever it holds')
  await othersGoOn()
})

test('a fleet that is started again on the same data goes on', async () => {
  const outputSchema = { type: 'string', pattern: '^(a+)+$' }
  await fleet.client.submit({
    text: `task=${'a'.repeat(60)}`,
    taskId: 'under-way',
    outputSchema,
    maxSteps: 2,
  })
  await fleet.stop()
  fleet = await start()
  const { error } = await fleet.client.result('under-way', { timeoutMs: 120_000 })
  assert.equal(error?.code, 'OUTPUT_INVALID')
  await othersGoOn()
})
