import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { ToolContext, ToolDefinition } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'

const context: ToolContext = {
  signal: new AbortController().signal,
  taskId: 't',
  userId: null,
  agent: null,
  idempotencyKey: 'k',
  traceparent: null,
}
const minimal = { name: 'add', description: 'Adds.', input: z.object({ a: z.number() }), run: () => 1 }

test('a zod schema becomes JSON Schema in property order, and defaults are the documented ones', () => {
  const tool = defineTool({
    name: 'stock_price',
    description: 'Price of\n  a stock.',
    input: z.object({ symbol: z.string(), day: z.string().optional() }),
    output: z.number(),
    run: () => 1,
  })
  assert.deepEqual(Object.keys(tool.spec.input['properties'] as object), ['symbol', 'day'])
  assert.deepEqual(tool.spec.input['required'], ['symbol'])
  assert.deepEqual(tool.spec.output, { type: 'number' })
  assert.deepEqual(
    { ...tool.spec, input: null, output: null },
    {
      name: 'stock_price',
      description: 'Price of a stock.',
      input: null,
      output: null,
      timeoutMs: 30_000,
      cacheTtlMs: 0,
      idempotent: false,
      requiresApproval: false,
      retries: 0,
      maxOutputBytes: 1_000_000,
    },
  )
  assert.equal(defineTool({ ...minimal, idempotent: true }).spec.retries, 2)
})

test('zod arguments are parsed: defaults apply, misfits are named', async () => {
  const tool = defineTool({
    name: 'repeat',
    description: 'Repeats.',
    input: z.object({ text: z.string(), times: z.number().int().default(2) }),
    run: ({ text, times }) => text.repeat(times),
  })
  assert.equal(await tool.run({ text: 'ab' }, context), 'abab')
  await assert.rejects(tool.run({ text: {} }, context), (error: FlotillaError) => {
    assert.equal(error.code, 'TOOL_ARGUMENTS_INVALID')
    assert.match(error.message, /repeat.*text/)
    return true
  })
})

for (const $schema of [
  undefined,
  'http://json-schema.org/draft-07/schema#',
  'https://json-schema.org/draft/2020-12/schema',
]) {
  test(`a JSON Schema is taken as it is (${$schema ?? 'no $schema'})`, async () => {
    const schema = {
      ...($schema && { $schema }),
      type: 'object',
      properties: { n: { type: 'integer', default: 3 }, mail: { type: 'string', format: 'email' } },
      additionalProperties: false,
    }
    const tool = defineTool({
      name: 'f',
      description: 'F.',
      input: schema,
      run: (input: { n: number }) => input.n,
    })
    assert.equal(tool.spec.input, schema)
    const given = {}
    assert.equal(await tool.run(given, context), 3)
    assert.deepEqual(given, {}, 'the caller keeps its arguments')
    await assert.rejects(
      tool.run({ n: 1.5, mail: 'x', y: 0 }, context),
      /n: must be integer.*email|additional.*n: must be/,
    )
  })
}

test('a large integer of Python, which comes as text, is explained beside what does not fit', async () => {
  const input = { type: 'object', properties: { id: { type: 'integer' } } }
  for (const schema of [input, z.object({ id: z.int() })]) {
    const tool = defineTool({ name: 'find', description: 'Finds.', input: schema, run: () => 1 })
    await assert.rejects(
      async () => tool.run({ id: '1152921504606846976' }, context),
      /arguments of find: id: .*1152921504606846976: more than a number holds exactly.*only a string can take it/,
    )
    await assert.rejects(
      async () => tool.run({ id: 'x' }, context),
      (error: FlotillaError) => {
        assert.doesNotMatch(error.message, /more than a number/)
        return true
      },
    )
  }
})

test('every mistake is told at once, naming the tool', () => {
  const wrong: [Partial<ToolDefinition<{ a: number }, number>>, RegExp][] = [
    [{ name: 'two words' }, /'two words': name must be a Python identifier/],
    [{ name: 'lambda' }, /keyword/],
    [{ name: 'final_answer' }, /sandbox/],
    [{ description: ' ', timeoutMs: 0 }, /'add': description .*; timeoutMs/],
    [{ retries: 1 }, /idempotent: true/],
    [{ retries: 9, idempotent: true }, /0 to 3/],
    [{ input: { type: 'string' } }, /input must describe an object/],
    [{ input: { type: 'object', properties: { a: { type: 'numbr' } } } }, /input schema is invalid/],
    [{ output: { type: 'numbr' } }, /output schema is invalid/],
  ]
  for (const [change, message] of wrong) {
    assert.throws(
      () => defineTool({ ...minimal, ...change }),
      (error: FlotillaError) => error.code === 'CONFIG_INVALID' && message.test(error.message),
      JSON.stringify(change),
    )
  }
})
