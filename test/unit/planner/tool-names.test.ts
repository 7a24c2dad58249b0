import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameMeant } from '../../../services/planner/tools/names.ts'

const tools = ['look', 'get_weather', 'python']

for (const [called, meant] of [
  ['look', 'look'],
  ['functions.look', 'look'],
  ['functions.look:0', 'look'],
  ['look:12', 'look'],
  ['default_api.look', 'look'],
  ['default_api:look', 'look'],
  ['tools/look', 'look'],
  ['functions.functions.look', 'look'],
  ['look<|channel|>commentary', 'look'],
  ['look <|constrain|>json', 'look'],
  ['look</function>', 'look'],
  ['look()', 'look'],
  [' "look" ', 'look'],
  ['`functions.get_weather`', 'get_weather'],
  ['Look', 'look'],
  ['get-weather', 'get_weather'],
  ['getWeather', 'get_weather'],
  ['multi_tool_use.parallel', null],
  ['functions.', null],
  ['', null],
  ['looks', null],
  ['overlook', null],
  ['other.look', null],
  [`functions.${'x'.repeat(300_000)}look`, null],
  [`${' '.repeat(300_000)}look`, 'look'],
] as const) {
  test(`${JSON.stringify(called.slice(0, 40))} is ${meant ?? 'no tool'}`, () => {
    assert.equal(nameMeant(called, tools), meant)
  })
}

test('where several may be meant, none is', () => {
  assert.equal(nameMeant('getX', ['get_x', 'getx']), null)
  assert.equal(nameMeant('functions.get_x', ['get_x', 'getx']), 'get_x')
})
