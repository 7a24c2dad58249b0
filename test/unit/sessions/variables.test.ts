// Python variables of a session: kept whole or not at all, for the agent and executor that they are of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptVariablesView } from '../../../api/sessions.ts'
import type { GivenVariables, KeptStep, TurnVariables } from '../../../runtime/python/kept-variables.ts'
import type { Json } from '../../../runtime/stage.ts'
import type { StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { SessionProgressed, TurnEnded, TurnRequested } from '../../../schemas/generated/events.ts'
import { sessionWrite } from '../../../services/metering/call.ts'
import { ended, message, sessionOf } from './session.ts'

const step = (n: number, changes: Partial<KeptStep> = {}): KeptStep => ({
  ...{ n, code: `x = ${n}`, nowMs: 1, seed: `seed ${n}`, calls: [], outputHash: `out ${n}`, computeMs: 10 },
  ...changes,
})

/** A turn that keeps its variables. Returns what it was given. */
function turn(
  driver: StageDriver,
  task: string,
  left: Partial<TurnVariables> | null,
  changes: Partial<TurnRequested> & { end?: Partial<TurnEnded> } = {},
): GivenVariables | null {
  const { end, ...asked } = changes
  message(driver, task, { executor: 'default', ...asked })
  const given = driver.all('TurnGranted').at(-1)?.variables as unknown as GivenVariables | null
  const unchanged = { after: given?.after ?? null, fresh: false, gone: null, steps: [] }
  const variables = (left === null ? null : { ...unchanged, ...left }) as unknown as Json
  ended(driver, task, { variables, agent: asked.agent ?? 'default', ...end })
  return given
}

const numbers = (given: GivenVariables | null) => given?.steps.map(({ n }) => n)
const keptRows = (driver: StageDriver) =>
  Object.keys(driver.rows('s1')).filter((name) => name.startsWith('variables:'))

test('each turn is given the steps of those before, and adds its own', () => {
  const driver = sessionOf()
  assert.deepEqual(turn(driver, 'a', { steps: [step(0), step(2)] }), { after: null, steps: [], gone: null })
  assert.deepEqual(turn(driver, 'b', {}), { after: 2, steps: [step(0), step(2)], gone: null })
  assert.deepEqual(numbers(turn(driver, 'c', { steps: [step(3)] }, { end: { status: 'failed' } })), [0, 2])
  assert.deepEqual(numbers(turn(driver, 'd', {})), [0, 2, 3])
  assert.deepEqual(keptRows(driver), ['variables:1', 'variables:3'])
  const { detail } = driver.all('SessionProgressed').at(-1) ?? {}
  const { variables } = detail as { variables: { steps: number; computeMs: number } }
  assert.deepEqual([variables.steps, variables.computeMs], [3, 30])
  assert.doesNotMatch(JSON.stringify(detail), /x = /, 'the history has sizes only')
})

test('the history says what is kept for each agent, and until when', () => {
  const driver = sessionOf({ variablesChars: 2_000, variablesHours: 2 })
  turn(driver, 'a', { steps: [step(0)] })
  turn(driver, 'b', { steps: [step(0, { code: 'y'.repeat(2_000) })] }, { agent: 'an/other' })
  const { detail, atMs } = driver.all('SessionProgressed').at(-1) ?? { atMs: 0 }
  const { kept } = detail as unknown as { kept: KeptVariablesView }
  const [own, other] = kept.owners
  assert.deepEqual([own?.agent, own?.executor, own?.steps, own?.gone], ['default', 'default', 1, undefined])
  assert.ok((own?.chars ?? 0) > 50)
  assert.deepEqual([other?.agent, other?.steps], ['an/other', 0])
  assert.match(other?.gone ?? '', /more than 2,000 characters/)
  assert.equal(kept.untilMs, atMs + 2 * 3_600_000)
  const write = sessionWrite(driver.all('SessionProgressed').at(-1) as SessionProgressed)
  assert.deepEqual('turn' in write && JSON.parse(write.variables ?? ''), kept)
})

test('another agent and another executor have variables of their own; a task that keeps none changes nothing', () => {
  const driver = sessionOf()
  turn(driver, 'a', { steps: [step(0)] })
  assert.deepEqual(numbers(turn(driver, 'b', { steps: [step(0), step(1)] }, { agent: 'other' })), [])
  assert.deepEqual(numbers(turn(driver, 'c', {}, { executor: 'native' })), [])
  assert.equal(turn(driver, 'd', null, { executor: null }), null)
  assert.deepEqual(numbers(turn(driver, 'e', {})), [0])
  assert.deepEqual(numbers(turn(driver, 'f', {}, { agent: 'other' })), [0, 1])
})

test('a turn that began again replaces what was kept', () => {
  const driver = sessionOf()
  turn(driver, 'a', { steps: [step(0)] })
  turn(driver, 'b', { fresh: true, steps: [step(4)] })
  assert.deepEqual(keptRows(driver), ['variables:2'])
  assert.deepEqual(turn(driver, 'c', { fresh: true }), { after: 4, steps: [step(4)], gone: null })
  assert.deepEqual([keptRows(driver), turn(driver, 'd', {})], [[], { after: null, steps: [], gone: null }])
})

for (const [what, left, why] of [
  ['too many characters', { steps: [step(1, { code: 'y'.repeat(2_000) })] }, /more than 2,000 characters/],
  ['too much computing', { steps: [step(1, { computeMs: 5_000 })] }, /more than 5 s$/],
  ['a turn that could not keep its own', { fresh: true, gone: 'it was too much' }, /it was too much/],
  ['steps behind another step', { after: 7, steps: [step(8)] }, /no longer stored/],
  ['an end whose payload is lost', null, /no longer stored/],
] as const)
  test(`${what}: all variables go, the next turns are told, and can begin again`, () => {
    const driver = sessionOf({ variablesChars: 2_000, variablesComputeMs: 5_000 })
    turn(driver, 'a', { steps: [step(0)] })
    turn(driver, 'b', left)
    assert.deepEqual(keptRows(driver), [])
    const given = turn(driver, 'c', { steps: [step(0)] })
    assert.deepEqual([given?.after, given?.steps], [null, []])
    assert.match(given?.gone ?? '', why)
    assert.deepEqual(turn(driver, 'd', {}), { after: 0, steps: [step(0)], gone: null })
  })

test('a task that never ran leaves what was kept', () => {
  const driver = sessionOf()
  turn(driver, 'a', { steps: [step(0)] })
  turn(driver, 'b', null, { end: { model: null, status: 'cancelled' } })
  assert.deepEqual(numbers(turn(driver, 'c', {})), [0])
})

test('a session that was idle for too long has none, and the next task is told', () => {
  const driver = sessionOf({ variablesHours: 2 })
  turn(driver, 'a', { steps: [step(0)] })
  driver.advance(7_000_000)
  assert.deepEqual(numbers(turn(driver, 'b', {})), [0])
  driver.advance(7_200_000)
  assert.deepEqual(keptRows(driver), [])
  const given = turn(driver, 'c', {})
  assert.deepEqual([given?.after, given?.steps], [null, []])
  assert.match(given?.gone ?? '', /2 hours after the last message/)
})

test('a deleted session has none', () => {
  const driver = sessionOf()
  turn(driver, 'a', { steps: [step(0)] })
  message(driver, 'b', { executor: 'default' })
  const order = { sessionId: 's1', requestedBy: 'ann', atMs: driver.now }
  driver.send('sessions.requested', 'SessionDeleted', order, { key: 's1' })
  assert.doesNotMatch(JSON.stringify(driver.rows('s1')), /x = |steps/)
  ended(driver, 'b')
  assert.deepEqual(turn(driver, 'c', {}), { after: null, steps: [], gone: null })
})
