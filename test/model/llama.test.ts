// A whole fleet with a real language model, a small one, behind llama.cpp's own server. What it says is not judged: it is
// too small to be right. Every task ends with one clear result, what streams is what is said, and tokens are the server's.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TaskInput, TaskResult } from '../../client/types.ts'
import type { FleetDefinition } from '../../runtime/config/fleet.ts'
import { startLlama, type Llama } from '../infra/llama.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const profile = (maxOutputTokens: number) => ({
  models: ['local/smollm2'],
  temperature: 0,
  maxSteps: 2,
  timeoutMs: 300_000,
  executor: 'default',
  maxOutputTokens,
})

const definition: FleetDefinition = {
  agents: {
    chat: { mode: 'tools', tools: [], systemPrompt: 'Answer in a few words.' },
    tools: { mode: 'tools', tools: ['echo'], systemPrompt: 'Call the tool echo, then answer.' },
    code: { mode: 'code', systemPrompt: 'Write Python in one ```python block. End with final_answer(x).' },
  },
  models: {
    profiles: { short: profile(24), long: profile(3_000) },
    providers: { local: { concurrency: 2 } },
  },
}

describe('a real model', () => {
  let llama: Llama
  let fleet: TestFleet

  before(async () => {
    llama = await startLlama(2)
    fleet = await startTestFleet({
      definition,
      env: { LOCAL_BASE_URL: `${llama.url}/v1`, LOCAL_MODEL: 'smollm2' },
    })
  })
  after(async () => {
    await fleet.stop()
    await llama.stop()
  })

  const run = async (task: TaskInput): Promise<TaskResult> => {
    const { taskId } = await fleet.client.submit(task)
    return await fleet.client.result(taskId)
  }

  test('more tasks than it has slots, of every kind: one clear result each, and the tokens are its own', async () => {
    const before = await llama.tokens()
    const results = await Promise.all([
      ...['Say hello.', 'Name a colour.', 'What is 2 + 2?'].map((text, at) =>
        run({ text, agent: 'chat', profile: 'short', userId: `user-${at}` }),
      ),
      run({ text: 'Echo the word apple.', agent: 'tools', profile: 'short' }),
      run({ text: 'Add 2 and 3.', agent: 'code', profile: 'short' }),
    ])
    for (const result of results) {
      assert.ok(['succeeded', 'failed'].includes(result.status), result.status)
      assert.equal(result.status === 'succeeded', result.error === null)
      assert.ok(result.status !== 'succeeded' || result.output !== null)
      assert.doesNotMatch(
        result.error?.code ?? '',
        /^(MODEL_|CALL_|BREAKER_|INTERNAL)/,
        result.error?.message,
      )
      assert.ok(result.usage.modelCalls > 0)
    }
    const spent = await llama.tokens()
    const sum = (kind: 'inputTokens' | 'outputTokens') =>
      results.reduce((all, { usage }) => all + usage[kind], 0)
    assert.deepEqual(
      { read: sum('inputTokens'), written: sum('outputTokens') },
      { read: spent.read - before.read, written: spent.written - before.written },
    )
  })

  test('what streams is what is said', async () => {
    const taskId = 'streamed'
    const updates = fleet.client.watch(taskId)
    await fleet.client.submit({ taskId, text: 'Tell me about the sea.', agent: 'chat', profile: 'short' })
    const parts: string[] = []
    let result: TaskResult | null = null
    for await (const update of updates) {
      if (update.kind === 'text' && update.step === 1) parts.push(update.text)
      if (update.kind === 'result') result = update.result
    }
    assert.ok(parts.length > 1, 'word by word')
    assert.equal(parts.join('').trim(), result?.steps[0]?.text?.trim())
  })

  test('a cancel and a deadline stop it in the middle of its answer, what was written is paid for, and it is free again', async () => {
    const text = 'Write a very long story about a ship and its crew, with many chapters.'
    const long = { text, agent: 'chat', profile: 'long' }
    const late = run({ ...long, timeoutMs: 1_000 })
    const cancelled = fleet.client.watch('cancelled')
    await fleet.client.submit({ ...long, taskId: 'cancelled' })
    for await (const update of cancelled) {
      if (update.kind === 'text') await fleet.client.cancel('cancelled')
      if (update.kind !== 'result') continue
      assert.equal(update.result.status, 'cancelled')
      assert.ok(update.result.usage.inputTokens > 0)
      assert.ok(update.result.usage.outputTokens > 0)
    }
    const { status, error, usage } = await late
    assert.equal(status, 'timed_out')
    assert.equal(error?.code, 'TASK_TIMED_OUT')
    assert.ok(usage.inputTokens > 0)
    const next = await run({ text: 'Say hello.', agent: 'chat', profile: 'short' })
    assert.doesNotMatch(next.error?.code ?? '', /^(MODEL_|BREAKER_|TASK_TIMED_OUT)/)
  })
})
