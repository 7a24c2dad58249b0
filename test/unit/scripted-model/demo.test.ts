import assert from 'node:assert/strict'
import { test } from 'node:test'
import fleet from '../../../examples/flotilla.config.ts'
import { demoTasks } from '../../../examples/demo-tasks.ts'
import { loadConversations } from '../../../runtime/scripted-model/conversations.ts'
import { startScriptedModel } from '../../../runtime/scripted-model/server.ts'
import { defaultForbiddenPatterns } from '../../../runtime/config/defaults.ts'
import { SCRIPTED_MODEL } from '../../../runtime/models/names.ts'
import type { Json } from '../../../schemas/json.ts'
import { createModelCaller } from '../../../services/planner/model/client.ts'
import type { Message, ModelReply, ModelTool } from '../../../services/planner/call.ts'

const conversations = loadConversations()
const context = {
  callId: 'c',
  key: 't',
  signal: new AbortController().signal,
  traceparent: null,
  stream: () => {},
}

/** What a planner does in tools mode, without the fleet: real tools, real server. */
async function runToEnd(text: string): Promise<{ answer: string; called: string[]; errors: string[] }> {
  const server = await startScriptedModel({ conversations })
  const providers = { scripted: { baseUrl: server.url } }
  const call = createModelCaller({ fleet: { models: { providers } }, environment: { raw: {} } })
  const specs = (fleet.tools ?? []).map(({ spec }): ModelTool => {
    return {
      type: 'function',
      function: { name: spec.name, description: spec.description, parameters: spec.input },
    }
  })
  const messages: Message[] = [{ role: 'user', content: text }]
  const called: string[] = []
  const errors: string[] = []
  try {
    for (;;) {
      const settings = { temperature: 0, maxOutputTokens: 500, stream: true, step: 1, tools: specs }
      const reply = await call({ model: SCRIPTED_MODEL, messages, ...settings }, context)
      if (reply.toolCalls.length === 0) return { answer: reply.text, called, errors }
      called.push(reply.toolCalls.map(({ name }) => name).join('+'))
      messages.push({ role: 'assistant', content: reply.text }, ...(await observe(reply, errors)))
    }
  } finally {
    await server.stop()
  }
}

function observe(reply: ModelReply, errors: string[]): Promise<Message[]> {
  return Promise.all(
    reply.toolCalls.map(async ({ id, name, argumentsText }): Promise<Message> => {
      const tool = fleet.tools?.find(({ spec }) => spec.name === name)
      assert.ok(tool, `a tool named ${name}`)
      const toolContext = { ...context, taskId: 't', userId: null, agent: null, idempotencyKey: id }
      const content = await tool.run(JSON.parse(argumentsText) as Json, toolContext).then(
        (value) => JSON.stringify(value),
        (error: Error) => (errors.push(error.message), `Error: ${error.message}`),
      )
      return { role: 'tool', tool_call_id: id, content }
    }),
  )
}

test('each bundled task has its conversation, word for word and in its mode, and passes the input checks', () => {
  assert.equal(demoTasks.length, 4)
  for (const { text, mode } of demoTasks) {
    const found = conversations.filter((one) => text.includes(one.task) && one.mode === mode)
    assert.equal(found.length, 1, text)
    for (const pattern of defaultForbiddenPatterns) assert.doesNotMatch(text, new RegExp(pattern))
  }
})

test('parallel calls: three values in one turn, then the answer that the file gives', async () => {
  const task = demoTasks.find(({ title }) => title.includes('parallel'))
  const { answer, called } = await runToEnd(task?.text ?? '')
  assert.deepEqual(called, ['read_json+read_json+read_json'])
  assert.match(answer, /^Winnipeg has the largest difference: 36\.1[\s\S]*Scripted model/)
})

test('the failing tool: told, and recovered from by another tool', async () => {
  const task = demoTasks.find(({ title }) => title.includes('recovers'))
  const { answer, called, errors } = await runToEnd(task?.text ?? '')
  assert.deepEqual(called, ['warehouse_stock+warehouse_stock+warehouse_stock', 'query_table'])
  assert.equal(errors.length, 1)
  assert.match(answer, /K-200: the warehouse did not answer; at the last count, on 2026-01-31, there were 64/)
})

test('the recorded Python asks for what the file and the tool really have', async () => {
  const [recorded] = conversations.filter(({ mode }) => mode === 'code')
  const queryTable = fleet.tools?.find(({ spec }) => spec.name === 'query_table')
  assert.ok(recorded && queryTable)
  assert.equal(
    Object.keys(queryTable.spec.input['properties'] as object)[0],
    'file',
    'the positional argument',
  )
  assert.match(recorded.turns[0]?.text ?? '', /query_table\(\s*"orders\.csv"/)
  for (const region of ['North', 'South', 'East', 'West']) {
    const where = [
      { field: 'region', op: '=', value: region },
      { field: 'status', op: '=', value: 'paid' },
    ]
    const query = { file: 'orders.csv', where, columns: ['quantity', 'unit_price'], limit: 1000 }
    const found = (await queryTable.run(query, {
      ...context,
      taskId: 't',
      userId: null,
      agent: null,
      idempotencyKey: 'k',
    })) as {
      rows: { quantity: number; unit_price: number }[]
    }
    const total = found.rows.reduce((sum, row) => sum + row.quantity * row.unit_price, 0)
    assert.ok(total > 1_000, `${region}: ${total}`)
  }
})
