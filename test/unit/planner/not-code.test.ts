// Code mode, where what the model wrote is not, or not only, its program.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerCode, assertEnded, asked, calls, heardText, says, start, writes } from './task.ts'

test('a code block with nothing in it is an empty answer', () => {
  const driver = start()
  driver.answer(says('```python\n\n```'))
  assert.match(heardText(driver), /answer was empty/)
  driver.answer(says('```python\n```'))
  assertEnded(driver, 'failed', 'OUTPUT_EMPTY')
})

test('a tool call in code mode, as text or by the interface, is sent back with the names of the functions', () => {
  const inText = says('<tool_call>{"name": "get_weather", "arguments": {"city": "Rome"}}</tool_call>')
  for (const reply of [inText, calls(['get_weather', '{"city":"Rome"}'])]) {
    const driver = start()
    driver.answer(reply)
    assert.match(
      heardText(driver),
      /the tools are Python functions \(get_weather, transfer_money\).*python block/,
    )
    driver.answer(reply)
    driver.answer(writes('final_answer(1)'))
    answerCode(driver, { step: 3, isFinal: true, finalAnswer: 1 })
    assertEnded(driver, 'succeeded', null)
  }
})

test('what a model imagined behind its code is neither run nor said, and it is told so', () => {
  const driver = start()
  const code = '```python\nw = get_weather("Rome")\nprint(w)\n```'
  driver.answer(says(`${code}\nObservation: 40\n\`\`\`python\nfinal_answer(40)\n\`\`\``))
  assert.equal(driver.only('CodeRequested').code, 'w = get_weather("Rome")\nprint(w)')
  answerCode(driver, { prints: '21' })
  assert.match(heardText(driver), /^You wrote an observation yourself; .*\n\nPrinted:\n21$/s)
  const said = asked(driver).messages.at(-2)
  assert.deepEqual([said?.role, said?.content], ['assistant', code])
})

test('a call of an interpreter that the model had in its training is its program', () => {
  const driver = start()
  driver.answer(calls(['python', '{"code":"x = 1\\nprint(x)"}']))
  assert.equal(driver.only('CodeRequested').code, 'x = 1\nprint(x)')
  answerCode(driver, { prints: '1' })
  assert.equal(asked(driver).messages.at(-2)?.content, '```python\nx = 1\nprint(x)\n```')
})
