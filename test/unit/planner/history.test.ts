// The conversation that a task continues, as the model gets it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerTool, asked, calls, startTools } from './task.ts'

const history = [
  { role: 'user', content: 'My name is Ann.' },
  { role: 'user', content: 'I live in Rome.' },
  { role: 'assistant', content: 'Hello Ann.' },
]

test('earlier messages come before the text of the task, those of one side joined', () => {
  const [system, ...rest] = asked(startTools({ history })).messages
  assert.equal(system?.role, 'system')
  assert.deepEqual(rest, [
    { role: 'user', content: 'My name is Ann.\n\nI live in Rome.' },
    { role: 'assistant', content: 'Hello Ann.' },
    { role: 'user', content: 'How warm is it in Rome?' },
  ])
})

test('they are still there in the next step, and are stored once', () => {
  const driver = startTools({ history })
  driver.answer(calls(['get_weather', '{"city":"Rome"}']))
  answerTool(driver, 't1.1.0')
  assert.equal(asked(driver).messages[1]?.content, 'My name is Ann.\n\nI live in Rome.')
  const rows = JSON.stringify(driver.rows('t1'))
  assert.equal(rows.split('My name is Ann.').length, 2)
})

test('system messages that the router let through are instructions', () => {
  const system = { role: 'system', content: 'Answer in French.' }
  const [first, ...rest] = asked(startTools({ history: [system, ...history] })).messages
  assert.match(first?.content ?? '', /Answer in French\./)
  assert.equal(
    rest.some(({ role }) => role === 'system'),
    false,
  )
})
