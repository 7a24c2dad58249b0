// What a fork brings, as the router admits or refuses it: anyone may write it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../../../runtime/config/environment.ts'
import { defineTool } from '../../../../runtime/config/define.ts'
import type { FleetDefinition } from '../../../../runtime/config/fleet.ts'
import { completeFleet } from '../../../../runtime/config/load.ts'
import type { Json } from '../../../../runtime/stage.ts'
import type { TaskSubmitted } from '../../../../schemas/generated/events.ts'
import { emptyTask } from '../../../../schemas/task-fields.ts'
import { examine } from '../../../../services/router/admission/pipeline.ts'

const tool = defineTool({ name: 'look', description: 'Looks.', input: { type: 'object' }, run: () => null })
const definition: FleetDefinition = {
  agents: { faq: { mode: 'tools' }, py: { mode: 'code' } },
  tools: [tool],
}

function admission(task: Partial<TaskSubmitted>, changes: FleetDefinition = {}) {
  const fleet = completeFleet({ ...definition, ...changes }, readEnvironment({ OPENAI_API_KEY: 'k' }), 'test')
  return examine({ ...emptyTask, agent: 'faq', text: 'x', ...task }, 't', 0, fleet)
}
function admitted(task: Partial<TaskSubmitted>, changes?: FleetDefinition) {
  const answer = admission(task, changes)
  assert.ok('admitted' in answer, JSON.stringify(answer))
  return answer.admitted
}
function refused(task: Partial<TaskSubmitted>, changes?: FleetDefinition): string {
  const answer = admission(task, changes)
  assert.ok('rejected' in answer, JSON.stringify(answer))
  return `${answer.rejected.code}: ${answer.rejected.message}`
}

const call = { tool: 'look', arguments: {}, status: 'succeeded', output: 1 }
const step = {
  kind: 'tools',
  model: 'm',
  text: '',
  code: null,
  toolCalls: [call],
  observation: null,
  error: null,
}
const fork = (steps: unknown[] = [step], changes: Partial<TaskSubmitted> = {}): Partial<TaskSubmitted> => ({
  forkedFrom: 'origin',
  forkedFromStep: steps.length + 1,
  recording: { steps, outcomes: [call] } as unknown as Json,
  ...changes,
})

test('a fork has recorded tools unless it says otherwise, and then no tools that an older process would call', () => {
  const { toolPolicy, tools, policyTools, forkedFrom, forkedFromStep, recording } = admitted(fork())
  assert.deepEqual([toolPolicy, tools, policyTools], ['recorded', [], ['look']])
  assert.deepEqual([forkedFrom, forkedFromStep], ['origin', 2])
  assert.deepEqual(recording, fork().recording)
  const live = admitted(fork([step], { toolPolicy: 'live' }))
  assert.deepEqual([live.tools, live.policyTools], [['look'], null])
  const plain = admitted({})
  assert.deepEqual(
    [plain.toolPolicy, plain.tools, plain.policyTools, plain.forkedFromStep],
    [null, ['look'], null, null],
  )
  assert.deepEqual(admitted({ toolPolicy: 'refuse' }).tools, [])
  assert.equal(admitted({ recording: { outcomes: [call] } }).toolPolicy, 'recorded')
})

test('what is not a recording is refused, with the place of each mistake', () => {
  const bad = (recording: unknown): string => refused({ recording: recording as Json })
  assert.match(bad([]), /^TASK_INVALID: .*recording must be an object/)
  assert.match(bad({ steps: {} }), /recording\.steps must be a list/)
  assert.match(bad({ more: 1 }), /recording has an unknown field more/)
  assert.match(bad({ steps: [null] }), /recording\.steps\[0\] must be an object/)
  assert.match(bad({ steps: [{ ...step, kind: 'x' }] }), /steps\[0\]\.kind must be code, tools, answer/)
  assert.match(bad({ steps: [{ ...step, toolCalls: [] }] }), /steps\[0\]\.toolCalls must have a call/)
  assert.match(bad({ steps: [{ ...step, text: 1 }] }), /steps\[0\]\.text must be a text/)
  assert.match(bad({ steps: [{ ...step, kind: 'code' }] }), /steps\[0\]\.code must be a text/)
  assert.match(bad({ steps: [{ ...step, kind: 'answer' }] }), /steps\[0\]\.observation must be a text/)
  assert.match(bad({ steps: [{ ...step, seed: 1 }] }), /seed/)
  assert.match(bad({ steps: [{ ...step, atMs: -1 }] }), /atMs/)
  assert.match(bad({ steps: [{ ...step, error: 'no' }] }), /steps\[0\]\.error must be null or a failure/)
  assert.match(bad({ outcomes: [{ ...call, tool: 7 }] }), /outcomes\[0\]\.tool must be the name/)
  assert.match(bad({ outcomes: [{ ...call, status: 'requested' }] }), /outcomes\[0\]\.status must be/)
  assert.match(
    bad({ outcomes: [{ tool: 'look', status: 'succeeded', output: 1 }] }),
    /arguments must be there/,
  )
  assert.match(bad({ outcomes: [{ ...call, status: 'failed' }] }), /outcomes\[0\]\.error must be there/)
  assert.match(bad({ outcomes: Array(20_001).fill(call) }), /20001 tool calls, at most 20000/)
  let deep: Json = 1
  for (let level = 0; level < 2_000; level++) deep = [deep]
  assert.match(bad({ outcomes: [{ ...call, output: deep }] }), /nested deeper than 1000/)
  const large = { outcomes: [{ ...call, output: 'x'.repeat(2_000) }] }
  assert.match(
    refused({ recording: large }, { limits: { input: { recordingBytes: 1_000 } } }),
    /at most 1000 are allowed \(limits\.input\.recordingBytes\)/,
  )
})

test('steps need their origin, and as many as come before the first one that runs', () => {
  const recording = { steps: [step] } as unknown as Json
  assert.match(refused({ recording }), /need forkedFrom/)
  assert.match(refused({ forkedFromStep: 1 }), /need forkedFrom/)
  assert.match(refused(fork([step], { forkedFromStep: 1 })), /must have 0 steps, those before it, and has 1/)
  assert.match(refused(fork([], { forkedFromStep: 0 })), /it must be a whole number from 1/)
  assert.match(refused(fork([], { forkedFrom: 'a b' })), /forkedFrom may hold letters/)
  assert.match(refused(fork(Array(5).fill(step), { maxSteps: 5 })), /no step is left to run; raise maxSteps/)
})

test('steps of another mode are refused with the remedy', () => {
  assert.match(
    refused(fork([step], { agent: 'py' })),
    /recorded step 1 is of mode tools, the task of mode code/,
  )
  assert.equal(admitted(fork([], { agent: 'py' })).mode, 'code')
})

test('instructions of its own need the agent’s leave', () => {
  const instructions = 'Be brief.'
  assert.match(
    refused(fork([], { instructions })),
    /^OVERRIDE_NOT_ALLOWED: .*agents\.faq\.overrides\.instructions/,
  )
  const allowing = { agents: { faq: { overrides: { instructions: true } } } }
  assert.equal(admitted(fork([], { instructions }), allowing).instructions, instructions)
  const same = { agents: { faq: { mode: 'tools' as const, instructions } } }
  assert.equal(admitted(fork([], { instructions }), same).instructions, instructions)
  assert.match(refused(fork([], { instructions: 'x'.repeat(200_001) }), allowing), /at most 200000/)
})
