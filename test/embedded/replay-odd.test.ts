// Replays of tasks that met an open breaker or their deadline, of turns of sessions, and of Python that lost its session.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineTool } from '../../runtime/config/define.ts'
import { eventually } from '../conformance/waiting.ts'
import {
  assertSame,
  calls,
  hangs,
  historyOf,
  python,
  refuses,
  run,
  says,
  startAnswering,
} from '../support/replayed-fleet.ts'

const never = defineTool({
  name: 'never',
  description: 'Never answers.',
  input: z.object({}),
  output: z.string(),
  run: () => new Promise<string>(() => {}),
})
const shortly = (timeoutMs: number, agent = 'default') => ({ timeoutMs, agent })
const agents = { default: { mode: 'tools' as const }, coder: { mode: 'code' as const } }

test('an open breaker, and the deadline that comes while a task waits for it', async (t) => {
  const texts = Array.from({ length: 6 }, (_, index) => `open it ${index}`)
  const overloaded = Array.from({ length: 5 }, () => refuses(503, 'overloaded'))
  const { fleet, operator } = await startAnswering(
    t,
    Object.fromEntries(texts.map((text) => [text, overloaded])),
    { agents },
  )
  const results = await Promise.all(texts.map((text) => run(fleet, { text, ...shortly(6_000) })))
  const waited = []
  for (const result of results) {
    assert.equal(result.status, 'timed_out')
    const events = await historyOf(fleet, result.taskId)
    waited.push(...events.filter(({ kind }) => kind === 'waiting'))
    await assertSame(operator, result)
  }
  assert.ok(waited.length > 0, 'some waited for the breaker')
  assert.match(JSON.stringify(waited[0]), /BREAKER_OPEN/)
})

test('a breaker that closes again: the task goes on, and is decided the same', async (t) => {
  const texts = Array.from({ length: 6 }, (_, index) => `wait for it ${index}`)
  const answers = texts.map((text) => [text, [refuses(503, 'overloaded'), says('there'), says('there')]])
  const { fleet, operator } = await startAnswering(t, Object.fromEntries(answers), { agents })
  const results = await Promise.all(texts.map((text) => run(fleet, { text, ...shortly(60_000) })))
  let waits = 0
  for (const result of results) {
    assert.deepEqual([result.status, result.output], ['succeeded', 'there'], JSON.stringify(result.error))
    waits += (await historyOf(fleet, result.taskId)).filter(({ kind }) => kind === 'waiting').length
    await assertSame(operator, result)
  }
  assert.ok(waits > 0, 'some waited for the breaker')
})

test('a deadline in a model call, in a tool call, and in Python', async (t) => {
  const { fleet, operator } = await startAnswering(
    t,
    {
      'say nothing': [hangs],
      'call it': [calls(['never', {}])],
      'run it': [python('never()')],
      'loop it': [python('while True:\n    pass')],
    },
    { tools: [never], agents },
  )
  const asked = [
    ['say nothing', 'default'],
    ['call it', 'default'],
    ['run it', 'coder'],
    ['loop it', 'coder'],
  ] as const
  const results = await Promise.all(
    asked.map(([text, agent]) => run(fleet, { text, ...shortly(3_000, agent) })),
  )
  for (const [index, result] of results.entries()) {
    assert.equal(result.status, 'timed_out', asked[index]?.[0])
    await assertSame(operator, result)
  }
})

test('turns of a session: with what it remembers, with variables, and with a message taken along', async (t) => {
  let enter = (): void => {}
  const entered = new Promise<void>((resolve) => (enter = resolve))
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  const gate = defineTool({
    name: 'gate',
    description: 'Waits.',
    input: z.object({}),
    output: z.string(),
    run: async () => {
      enter()
      await opened
      return 'open'
    },
  })
  const { fleet, operator } = await startAnswering(
    t,
    {
      // The newest first: a conversation has the earlier ones too.
      'a fourth': [python('try:\n    y\nexcept NameError:\n    y = 0\nfinal_answer(y)')],
      'a third': [python('y = 2\nraise ValueError(y)'), python('final_answer(x + y)')],
      'a second': [python('x += 1\nfinal_answer(x)')],
      'a first': [python('x = 40'), python('final_answer(x)')],
      'go slowly': [calls(['gate', {}]), says('both')],
    },
    { tools: [gate], agents: { ...agents, coder: { mode: 'code', keepVariables: true } } },
  )
  const turn = { sessionId: 'numbers', userId: 'ann', agent: 'coder' }
  for (const [text, output] of [
    ['a first', 40],
    ['a second', 41],
    ['a third', 43],
    ['a fourth', 2],
  ] as const) {
    const result = await run(fleet, { ...turn, text })
    assert.deepEqual([result.status, result.output], ['succeeded', output], JSON.stringify(result.error))
    await assertSame(operator, result)
  }
  const talk = { sessionId: 'talk', userId: 'ann', agent: 'default', whenBusy: 'steer' as const }
  const slow = await fleet.client.submit({ ...talk, text: 'go slowly' })
  await entered
  const along = await fleet.client.submit({ ...talk, text: 'and take this along' })
  const { log, codec } = fleet.process
  await eventually('the message is given to the running task', async () => {
    for (const { partition } of await log.ranges(['sessions.turns']))
      for (const { key, value, topic } of await log.read('sessions.turns', partition, 0, 1_000))
        if (key === slow.taskId && value && (await codec.decode(value, topic)).type === 'TaskSteered')
          return true
    return false
  })
  open()
  for (const { taskId } of [slow, along]) {
    const result = await fleet.client.result(taskId, { timeoutMs: 120_000 })
    assert.deepEqual([result.status, result.output], ['succeeded', 'both'], JSON.stringify(result.error))
    await assertSame(operator, result)
  }
})

test('Python whose step is stopped, or whose session is begun afresh, with variables that are kept', async (t) => {
  const { fleet, operator } = await startAnswering(
    t,
    {
      'begin afresh': [python('reset_session()'), python("final_answer('a' in globals())")],
      'stop it': [python('a = 1'), python('a = 2\nwhile True:\n    pass'), python('final_answer(a)')],
    },
    {
      agents: { ...agents, coder: { mode: 'code', keepVariables: true } },
      limits: { codeStepTimeoutMs: 2_000 },
    },
  )
  const turn = { sessionId: 's', userId: 'ann', agent: 'coder' }
  const stopped = await run(fleet, { ...turn, text: 'stop it' })
  assert.deepEqual([stopped.status, stopped.output], ['succeeded', 1], JSON.stringify(stopped.error))
  assert.equal(stopped.steps[1]?.error?.code, 'CODE_TIMEOUT')
  const after = await run(fleet, { ...turn, sessionId: 's', text: 'begin afresh' })
  assert.deepEqual([after.status, after.output], ['succeeded', false], JSON.stringify(after.error))
  for (const result of [stopped, after]) await assertSame(operator, result)
})
