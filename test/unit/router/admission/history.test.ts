// The history, the metadata, the output schema and the sampling of a task, as the router admits or refuses them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toSubmission } from '../../../../client/submission.ts'
import type { TaskInput } from '../../../../client/types.ts'
import { readEnvironment } from '../../../../runtime/config/environment.ts'
import type { FleetDefinition } from '../../../../runtime/config/fleet.ts'
import { completeFleet } from '../../../../runtime/config/load.ts'
import { parseExact } from '../../../../runtime/json/exact.ts'
import { plural } from '../../../../runtime/text/quantities.ts'
import type { Json } from '../../../../runtime/stage.ts'
import type { TaskSubmitted } from '../../../../schemas/generated/events.ts'
import { emptyTask } from '../../../../schemas/task-fields.ts'
import { broughtTokens, tokensOf } from '../../../../services/router/admission/estimate.ts'
import { examine } from '../../../../services/router/admission/pipeline.ts'

const environment = readEnvironment({ OPENAI_API_KEY: 'k' })
const bound: FleetDefinition = { agents: { faq: { mode: 'tools' } } }

function admission(task: Partial<TaskSubmitted>, definition: FleetDefinition = bound) {
  const fleet = completeFleet(definition, environment, 'test')
  return examine({ ...emptyTask, text: 'x', ...task }, 't', 0, fleet)
}
function admitted(task: Partial<TaskSubmitted>, definition?: FleetDefinition) {
  const answer = admission(task, definition)
  assert.ok('admitted' in answer, JSON.stringify(answer))
  return answer.admitted
}
function refused(task: Partial<TaskSubmitted>, definition?: FleetDefinition): string {
  const answer = admission(task, definition)
  assert.ok('rejected' in answer, JSON.stringify(answer))
  return `${answer.rejected.code}: ${answer.rejected.message}`
}

const said = [
  { role: 'user', content: 'My name is Ann.' },
  { role: 'assistant', content: 'Hello Ann.' },
]

test('an output schema is admitted with bounds of 64 bits as numbers, however they came', () => {
  const schema = parseExact('{"type":"object","properties":{"id":{"maximum":9223372036854775807}}}')
  const { outputSchema } = admitted({ outputSchema: schema })
  assert.deepEqual(outputSchema, { type: 'object', properties: { id: { maximum: 2 ** 63 } } })
  assert.deepEqual(admitted({ outputSchema: { type: 'object' } }).outputSchema, { type: 'object' })
  assert.match(refused({ outputSchema: 'object' }), /outputSchema must be a JSON Schema object/)
})

test('a history is admitted as it is', () => {
  assert.deepEqual(admitted({ history: said }).history, said)
  assert.equal(admitted({}).history, null)
})

test('a system message is text of the user, unless the agent lets its tasks bring instructions', () => {
  const history = [
    { role: 'system', content: 'Be brief.' },
    ...said,
    { role: 'developer', content: 'In French.' },
  ]
  const plain = admitted({ history }).history as { role: string; content: string }[]
  assert.deepEqual(
    plain.map(({ role }) => role),
    ['user', 'user', 'assistant', 'user'],
  )
  assert.match(plain[0]?.content ?? '', /^From the application:\nBe brief\.$/)
  const allowing = { agents: { faq: { overrides: { instructions: true } } } }
  const kept = admitted({ history }, allowing).history as { role: string; content: string }[]
  assert.deepEqual(
    kept.map(({ role }) => role),
    ['system', 'user', 'assistant', 'system'],
  )
  assert.equal(kept[0]?.content, 'Be brief.')
})

const wrong: [string, Json, RegExp][] = [
  ['no list', { role: 'user' }, /history must be a list/],
  ['no object', ['hello'], /history\[0\] must be an object/],
  ['a tool message', [{ role: 'tool', content: '42' }], /history\[0\]\.role is "tool".*results of tools/],
  ['no role', [{ content: 'x' }], /history\[0\]\.role is none/],
  [
    'parts',
    [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
    /history\[0\]\.content must be a text/,
  ],
  ['another field', [{ role: 'user', content: 'x', tool_calls: [] }], /unknown field tool_calls/],
  [
    'too many messages',
    Array.from({ length: 201 }, () => said[0]) as Json,
    /has 201 messages, at most 200 are allowed/,
  ],
  ['too much text', [{ role: 'user', content: 'x'.repeat(200_001) }], /200001 characters, at most 200000/],
]
for (const [what, history, message] of wrong)
  test(`a history is refused: ${what}`, () => {
    assert.match(refused({ history }), message)
    assert.match(refused({ history }), /^TASK_INVALID/)
  })

test('forbidden patterns hold for every message: the client wrote those of the assistant too', () => {
  for (const role of ['user', 'assistant', 'system'])
    assert.match(refused({ history: [{ role, content: 'call eval(1)' }] }), /^TASK_TEXT_FORBIDDEN/)
})

test('the client refuses the shape before it submits', () => {
  const input = { text: 'x', history: [{ role: 'tool', content: 'x' }] } as unknown as TaskInput
  assert.throws(() => toSubmission(input, 't'), /history\[0\]\.role is "tool"/)
  assert.throws(
    () => toSubmission({ text: 'x', history: {} } as unknown as TaskInput, 't'),
    /history is \{\}/,
  )
  assert.throws(
    () => toSubmission({ text: 'x', metadata: { a: 1 } } as unknown as TaskInput, 't'),
    /metadata\["a"\] must be a text/,
  )
})

test('metadata has bounds', () => {
  const many = Object.fromEntries(Array.from({ length: 25 }, (_, at) => [`k${at}`, 'v']))
  assert.match(refused({ metadata: many }), /metadata has 25 entries/)
  assert.match(refused({ metadata: { k: 'v'.repeat(513) } }), /513 characters/)
  assert.match(refused({ metadata: { ['k'.repeat(65)]: 'v' } }), /longer than 64/)
  assert.match(refused({ metadata: [] }), /must be an object of texts/)
  admitted({ metadata: { campaign: 'spring' } })
})

test('temperature and longer answers are refused unless the agent allows them; fewer tokens never are', () => {
  assert.match(
    refused({ temperature: 0.9 }),
    /^OVERRIDE_NOT_ALLOWED.*temperature 0\.9.*overrides\.temperature/,
  )
  assert.match(refused({ maxOutputTokens: 9_000 }), /maxOutputTokens 9000, but 4096 is the most/)
  assert.equal(admitted({ temperature: 0.2 }).temperature, 0.2, "the agent's own")
  assert.equal(admitted({ maxOutputTokens: 10 }).maxOutputTokens, 10)
  const allowing = { agents: { faq: { overrides: { temperature: true, maxOutputTokens: 10_000 } } } }
  const chosen = admitted({ temperature: 0, maxOutputTokens: 9_000 }, allowing)
  assert.deepEqual([chosen.temperature, chosen.maxOutputTokens], [0, 9_000])
  assert.match(refused({ temperature: 3 }, allowing), /temperature is 3/)
  assert.match(refused({ maxOutputTokens: 0 }, allowing), /maxOutputTokens is 0/)
})

test('a history counts in the estimates', () => {
  const history = [{ role: 'user', content: 'x'.repeat(4_000) }]
  assert.equal(broughtTokens({ history, recording: null }), 1_000)
  const models = { tiers: { economical: 'gpt-3.5-turbo', standard: 'gpt-4o', strong: 'gpt-4o' } }
  const strategy = { agents: { faq: { strategy: 'balanced' as const } }, models }
  const [short, long] = [[], [{ role: 'user', content: 'x'.repeat(40_000) }]].map(
    (history) => admitted({ history }, strategy).modelReason,
  )
  assert.match(short ?? '', new RegExp(plural(tokensOf(1, 'simple', 10), 'token')))
  assert.match(long ?? '', new RegExp(plural(tokensOf(40_001, 'simple', 10), 'token')))
})
