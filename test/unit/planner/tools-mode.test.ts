import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import {
  answerTool,
  assertEnded,
  asked,
  calls,
  heard,
  heardText,
  says,
  START,
  startTools,
  stepsOf,
} from './task.ts'

const rome = '{"city":"Rome"}'
const oslo = '{"city":"Oslo"}'

test('calls of one turn go out together, are joined in order, and text ends the task', () => {
  const driver = startTools({ toolCacheTtlMs: 5_000 })
  assert.deepEqual(
    asked(driver).tools?.map((tool) => tool.function.name),
    ['get_weather', 'transfer_money'],
  )
  driver.answer(calls(['get_weather', rome, 'a'], ['get_weather', oslo, 'b']))
  const requests = driver.all('ToolRequested')
  assert.deepEqual(
    requests.map((request) => request.callId),
    ['t1.1.0', 't1.1.1'],
  )
  assert.deepEqual(requests[0], {
    taskId: 't1',
    callId: 't1.1.0',
    tool: 'get_weather',
    arguments: { city: 'Rome' },
    requester: 'planner',
    step: 1,
    deadlineMs: START + 60_000,
    userId: 'u1',
    cacheTtlMs: 5_000,
    agent: 'default',
    ask: false,
    delegation: null,
  })
  answerTool(driver, 't1.1.1', { output: { celsius: 5 }, durationMs: 30 })
  assert.equal(driver.pendingCall, null, 'the first call is not answered')
  answerTool(driver, 't1.1.0', { output: 'warm', cached: true })
  const [said, first, second] = asked(driver).messages.slice(2)
  assert.ok(said?.role === 'assistant')
  assert.deepEqual(
    said.tool_calls?.map((call) => call.id),
    ['call00000', 'call00001'],
  )
  assert.deepEqual(first, { role: 'tool', tool_call_id: 'call00000', content: 'warm' })
  assert.deepEqual(second, { role: 'tool', tool_call_id: 'call00001', content: '{"celsius":5}' })
  driver.answer(says('Rome is warmer.'))
  assertEnded(driver, 'succeeded', null)
  assert.equal(driver.only('TaskCompleted').output, 'Rome is warmer.')
  assert.equal(driver.only('TaskCompleted').usage.toolCalls, 2)
  const [step] = stepsOf(driver)
  assert.deepEqual(
    step?.toolCalls.map((call) => [call.output, call.durationMs, call.cached]),
    [
      ['warm', 7, true],
      [{ celsius: 5 }, 30, false],
    ],
  )
})

test('arguments are read as they are meant, and the step says so', () => {
  const driver = startTools()
  driver.answer(
    calls(['get_weather', '{"city":"Rome","days":"3"}'], ['get_weather', 'null'], ['get_weather', rome]),
  )
  assert.deepEqual(
    driver.all('ToolRequested').map((request) => request.arguments),
    [{ city: 'Rome', days: 3 }, { city: 'Rome' }],
  )
  answerTool(driver, 't1.1.0')
  answerTool(driver, 't1.1.2')
  driver.answer(says('Done.'))
  const [first, second, third] = stepsOf(driver)[0]?.toolCalls ?? []
  assert.deepEqual(first?.coerced, ['days: "3" read as 3'])
  assert.equal(first?.status, 'succeeded')
  assert.match(second?.error?.message ?? '', /required property 'city'/)
  assert.ok(third !== undefined && !('coerced' in third))
})

test('replies of the step are rows of their own, and gone when it is over', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome], ['get_weather', oslo]))
  answerTool(driver, 't1.1.0')
  assert.ok('reply:1.0' in driver.rows('t1'))
  answerTool(driver, 't1.1.1')
  driver.answer(calls(['get_weather', rome]))
  assert.deepEqual(
    Object.keys(driver.rows('t1')).filter((name) => name.startsWith('reply')),
    [],
  )
})

test('a reply twice, of another call, or for another stage changes nothing', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome], ['get_weather', oslo]))
  answerTool(driver, 't1.1.0')
  assert.deepEqual(answerTool(driver, 't1.1.0', { output: 'other' }), [])
  assert.deepEqual(answerTool(driver, 't1.9.9'), [])
  assert.deepEqual(answerTool(driver, 't1.1.1', { requester: 'code-sandbox' }), [])
  assert.equal(driver.pendingCall, null)
  answerTool(driver, 't1.1.1')
  assert.match(String(asked(driver).messages[3]?.content), /21/)
})

const wrong = [
  [
    'a tool that does not exist',
    'fly',
    '{}',
    'TOOL_UNKNOWN',
    /no tool "fly"\. Tools: get_weather, transfer_money/,
  ],
  [
    'arguments that are not JSON',
    'get_weather',
    '{"city":',
    'TOOL_ARGUMENTS_INVALID',
    /not a JSON object: \{"city":/,
  ],
  [
    'arguments that are nested too deep',
    'get_weather',
    `{"city":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    'TOOL_ARGUMENTS_INVALID',
    /nested more than 1000 deep/,
  ],
  [
    'arguments that are too long',
    'get_weather',
    `{"city":[${'1,'.repeat(600_000)}1]}`,
    'TOOL_ARGUMENTS_INVALID',
    /have 1200012 characters, at most 1000000 are taken/,
  ],
  [
    'two values for one name',
    'get_weather',
    '{"city":"Rome","days":1,"city":"Oslo"}',
    'TOOL_ARGUMENTS_INVALID',
    /give more than one value for "city"/,
  ],
  [
    'a property __proto__, however deep',
    'get_weather',
    '{"city":"Rome","x":[{"\\u005f_proto__":{"a":1}}]}',
    'TOOL_ARGUMENTS_INVALID',
    /have a property "__proto__", which no tool takes/,
  ],
  [
    'a number that JSON does not have',
    'get_weather',
    '{"city":NaN}',
    'TOOL_ARGUMENTS_INVALID',
    /not a JSON object/,
  ],
  ['arguments that are a list', 'get_weather', '["Rome"]', 'TOOL_ARGUMENTS_INVALID', /not a JSON object/],
  [
    'arguments of a wrong type',
    'get_weather',
    '{"city":{"name":"Rome"}}',
    'TOOL_ARGUMENTS_INVALID',
    /city: must be string, not an object/,
  ],
  [
    'a number that would be rounded',
    'get_weather',
    '{"city":["Rome",9007199254740993]}',
    'TOOL_ARGUMENTS_INVALID',
    /city: must be string, not a list \(9007199254740993: more than a number holds exactly/,
  ],
  ['a missing argument', 'get_weather', '', 'TOOL_ARGUMENTS_INVALID', /must have required property 'city'/],
  [
    'an argument too many',
    'get_weather',
    '{"city":"Rome","x":1}',
    'TOOL_ARGUMENTS_INVALID',
    /additional properties \(x; there are: city, days\)/,
  ],
  ['a name that every object has', 'constructor', '{}', 'TOOL_UNKNOWN', /no tool "constructor"/],
] as const

for (const [what, name, args, code, told] of wrong) {
  test(`${what}: the model is told, nothing is requested`, () => {
    const driver = startTools()
    driver.answer(calls([name, args]))
    assert.deepEqual(driver.all('ToolRequested'), [])
    assert.match(heardText(driver), told)
    assert.match(heardText(driver), new RegExp(`^Error ${code}`))
    driver.answer(says('done'))
    assertEnded(driver, 'succeeded', null)
    assert.deepEqual(
      [stepsOf(driver)[0]?.toolCalls[0]?.status, driver.only('TaskCompleted').usage.toolCalls],
      ['refused', 0],
    )
  })
}

test('a wrong call beside a right one: the right one is made, both are answered', () => {
  const driver = startTools()
  driver.answer(calls(['fly', '{}'], ['get_weather', rome]))
  assert.equal(driver.only('ToolRequested').callId, 't1.1.1')
  answerTool(driver, 't1.1.1')
  const told = asked(driver)
    .messages.slice(-2)
    .map((message) => String(message.content))
  assert.match(told[0] ?? '', /TOOL_UNKNOWN/)
  assert.match(told[1] ?? '', /21/)
})

test('ids are ours, whatever the provider gave', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome, ''], ['get_weather', oslo, 'x'], ['get_weather', oslo, 'x']))
  for (const index of [0, 1, 2]) answerTool(driver, `t1.1.${index}`)
  const ids = asked(driver).messages.flatMap((message) =>
    message.role === 'tool' ? [message.tool_call_id] : [],
  )
  assert.deepEqual(ids, ['call00000', 'call00001', 'call00002'])
})

test('a failed, an unknown and a stopped call are told apart', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome], ['get_weather', rome], ['get_weather', rome]))
  answerTool(driver, 't1.1.0', {
    status: 'failed',
    output: null,
    error: failure('TOOL_TIMEOUT', 'no answer'),
  })
  answerTool(driver, 't1.1.1', { status: 'unknown', output: null })
  answerTool(driver, 't1.1.2', { status: 'cancelled', output: null })
  const told = asked(driver)
    .messages.slice(-3)
    .map((message) => String(message.content))
  assert.equal(told[0], 'Error TOOL_TIMEOUT: no answer')
  assert.match(told[1] ?? '', /not known whether/)
  assert.match(told[2] ?? '', /stopped/)
})

test('more calls in one turn than allowed are refused', () => {
  const driver = startTools()
  driver.answer(calls(...Array.from({ length: 34 }, (): [string, string] => ['get_weather', rome])))
  assert.equal(driver.all('ToolRequested').length, 32)
  for (let index = 0; index < 32; index += 1) answerTool(driver, `t1.1.${index}`)
  assert.match(heardText(driver), /TOOL_DENIED: At most 32/)
})

test('in the last turn calls are not made: nobody would read the replies', () => {
  const driver = startTools({ maxSteps: 2 })
  driver.answer(calls(['get_weather', rome]))
  answerTool(driver, 't1.1.0')
  assert.equal(heard(driver).role, 'tool', 'no user speaks behind a tool')
  assert.match(heardText(driver), /last turn: write the best answer/)
  driver.answer(calls(['get_weather', oslo]))
  assertEnded(driver, 'failed', 'STEP_LIMIT')
  assert.equal(driver.all('ToolRequested').length, 1)
})

for (const text of [
  '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>',
  'I look it up. <tool_call>{"name": "get_weather"}</tool_call>',
  'I look it up.\n<tool_call>\n{"name": "get_weather", "argu',
  '{"name": "get_weather", "parameters": {"city": "Rome"}}',
  'Let me see.\n```json\n{"tool": "get_weather", "args": {"city": "Rome"}}\n```',
  '[{"type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]',
  '[get_weather(city="Rome")]',
  'Thought: I look it up.\nAction: get_weather\nAction Input: {"city": "Rome"}',
  '<function_calls>\n<invoke name="get_weather">',
  'functools[{"name": "get_weather", "arguments": {}}]',
  '[TOOL_CALLS]get_weather{"city":"Rome"}',
  '<|python_tag|>{"name":"get_weather","parameters":{}}',
  '<function=get_weather>{"city":"Rome"}</function>',
  '<minimax:tool_call>\n<invoke name="get_weather">\n</invoke>\n</minimax:tool_call>',
  '<TOOLCALL>[{"name": "get_weather", "arguments": {}}]</TOOLCALL>',
  '<tool name="get_weather">{"city": "Rome"}</tool>',
  '<get_weather><city>Rome</city></get_weather>',
  '{"tool_calls": [{"function": {"name": "get_weather", "arguments": "{}"}}]}',
  '{"function_call": {"name": "get_weather", "arguments": "{}"}}',
  'Action: ```json\n[{"tool_name": "get_weather", "parameters": {}}]\n```',
  '```tool_code\nprint(default_api.get_weather(city="Rome"))\n```',
]) {
  test(`a tool call as text is no result: ${text.slice(0, 30)}`, () => {
    const driver = startTools({ maxSteps: 3 })
    driver.answer(says(text))
    assert.match(heardText(driver), /nothing was called/)
    driver.answer(says(text))
    driver.answer(says(text))
    assertEnded(driver, 'failed', 'OUTPUT_INVALID')
  })
}

for (const [text, is] of [
  ['It is warm.<|im_end|>', 'It is warm.'],
  ['It is warm.</s>\n<|eot_id|>', 'It is warm.'],
  [
    '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It is warm.<|return|>',
    'It is warm.',
  ],
  ['The mark <|im_end|> ends a turn.', 'The mark <|im_end|> ends a turn.'],
] as const) {
  test(`marks that a server leaves in the text are no part of it: ${text.slice(-30)}`, () => {
    const driver = startTools()
    driver.answer(says(text))
    assert.equal(driver.only('TaskCompleted').output, is)
  })
}

test('a text about tool calls is a result', () => {
  const driver = startTools()
  driver.answer(says('Hermes models write <tool_call> and </tool_call> around a call.'))
  assertEnded(driver, 'succeeded', null)
})

const aboutCalls = [
  '{"name": "Rome", "arguments": {"for": ["the food"], "against": []}}',
  '{"name": "get_weather"}',
  'The tool get_weather(city) told me that it is warm.',
  'get_weather(city) is the tool that I used. It is warm.',
  'Action: none is needed.',
  '<p>It is warm.</p>',
  '```json\n{"city": "Rome"}\n```',
  'Write it so:\n```python\nget_weather(city="Rome")\n```',
  `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  `${'{"function":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  'Such models write:\n<tool_call>\nand what follows is up to them.',
]
for (const text of aboutCalls) {
  test(`${JSON.stringify(text.slice(0, 40))} is a result, not a call`, () => {
    const driver = startTools()
    driver.answer(says(text))
    assertEnded(driver, 'succeeded', null)
    assert.equal(driver.only('TaskCompleted').output, text)
  })
}
