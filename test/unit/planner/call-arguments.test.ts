// Names and arguments of calls as models write them, understood where they can mean one thing only.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { fleetOf } from '../router/fleet.ts'
import { answerTool, asked, calls, heardText, startTools } from './task.ts'

const rome = '{"city":"Rome"}'

for (const [name, args] of [
  ['functions.get_weather:0', rome],
  ['default_api.get_weather', rome],
  ['get_weather<|channel|>commentary', rome],
  ['get_weather', '```json\n{"city":"Rome"}\n```'],
  ['get_weather', '{"city":"Rome"}</tool_call>'],
  ['get_weather', '{"city":"Rome","city":"Rome"}'],
  ['get_weather', '\uFEFF{"city":"Rome"}\u00A0'],
  ['get_weather', '{"city":"Rome",\n}'],
  ['get_weather', "{'city': 'Rome'}"],
  ['get_weather', '{city: "Rome"}'],
  ['get_weather', '{"city": "Rome", // the capital, isn\'t it\n}'],
  ['get_weather', '/* as asked */ {"city": "Rome", # or Roma\n}'],
  ['get_weather', "```python\n{'city': 'Rome',}\n```"],
  ['get_weather', '`{"city": "Rome"}`'],
  ['get_weather', "\"{'city': 'Rome'}\""],
] as const) {
  test(`${name} of ${args} is understood, and goes back as it was meant`, () => {
    const driver = startTools()
    driver.answer(calls([name, args]))
    const { tool, arguments: given } = driver.only('ToolRequested')
    assert.deepEqual([tool, given], ['get_weather', { city: 'Rome' }])
    answerTool(driver, 't1.1.0')
    const said = asked(driver).messages.find(({ role }) => role === 'assistant')
    assert.ok(said?.role === 'assistant')
    assert.equal(said.tool_calls?.[0]?.function.name, 'get_weather')
    assert.deepEqual(JSON.parse(said.tool_calls?.[0]?.function.arguments ?? ''), { city: 'Rome' })
  })
}

test('a line end within a string is read as one', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', '{"city":"New\nYork"}']))
  assert.deepEqual(driver.only('ToolRequested').arguments, { city: 'New\nYork' })
})

test("Python's constants are read, outside of strings", () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', '{"city":"None, True,]","days":[None,True,False,],}']))
  assert.match(heardText(driver), /property|days/)
  driver.answer(calls(['get_weather', '{"city":"None, True,]",}']))
  assert.deepEqual(driver.only('ToolRequested').arguments, { city: 'None, True,]' })
})

for (const [written, city] of [
  [`{'city': 'L\\'Aquila'}`, "L'Aquila"],
  [`{'city': 'the "eternal" one'}`, 'the "eternal" one'],
  [`{"city": "L\\'Aquila"}`, "L'Aquila"],
  [`{'city': '\\x52ome // # /* \\u00e9'}`, 'Rome // # /* é'],
  [`{'city': "it's city: Rome, None,}"}`, "it's city: Rome, None,}"],
] as const) {
  test(`quotes and escapes as Python and JavaScript read them: ${written}`, () => {
    const driver = startTools()
    driver.answer(calls(['get_weather', written]))
    assert.deepEqual(driver.only('ToolRequested').arguments, { city })
  })
}

for (const written of [
  `{'city': 'L'Aquila'}`,
  `{'city': 'Ro' 'me'}`,
  `{"city": "\\dome"}`,
  `{"city": "Ro\\\nme"}`,
  `{city: Rome}`,
  `{"city": "Rome" /* no end }`,
]) {
  test(`nothing is chosen for the model: ${JSON.stringify(written)} is refused, and shown`, () => {
    const driver = startTools()
    driver.answer(calls(['get_weather', written]))
    assert.ok(heardText(driver).includes('The arguments of get_weather are not a JSON object: {'))
  })
}

test('a result that is blank text is shown as one, not as none', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', rome]))
  answerTool(driver, 't1.1.0', { output: ' ' })
  assert.equal(heardText(driver), '" "')
})

test('arguments in a string of JSON are understood', () => {
  const driver = startTools()
  driver.answer(calls(['get_weather', JSON.stringify(rome)]))
  assert.deepEqual(driver.only('ToolRequested').arguments, { city: 'Rome' })
})

test('a tool with alternatives is sent as one object, and its calls are checked against the alternatives', () => {
  const find = defineTool({
    name: 'find',
    description: 'Finds.',
    input: {
      type: 'object',
      anyOf: [
        { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
        { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
      ],
    },
    run: () => null,
  })
  const driver = startTools({ tools: ['find'] }, fleetOf({ tools: [find] }))
  assert.deepEqual(asked(driver).tools?.[0]?.function.parameters, {
    type: 'object',
    properties: { id: { type: 'string' }, name: { type: 'string' } },
  })
  driver.answer(calls(['find', '{}']))
  assert.match(heardText(driver), /TOOL_ARGUMENTS_INVALID.*must have required property 'id'/)
  driver.answer(calls(['find', '{"name":"Ann"}']))
  assert.deepEqual(driver.only('ToolRequested').arguments, { name: 'Ann' })
})
