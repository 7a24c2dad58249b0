// The checker itself: it must see each kind of violation, and tell doubt from repetition.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { judge, violations, type Evidence } from './checker.ts'

const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

const modelCall = (task: string, turn: number, callId: string, endedMs: number) => ({
  task,
  turn,
  callId,
  receivedMs: endedMs - 100,
  endedMs,
  outcome: 'answered',
  status: 200,
})
const toolEvent = (tool: string, event: string, task: string, callId: string, atMs: number) => ({
  tool,
  event,
  task,
  callId,
  atMs,
})

function verdictOf(model: readonly object[], tools: readonly object[], more: Partial<Evidence> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-checker-'))
  const evidence: Evidence = {
    submitted: ['a'],
    completed: [{ taskId: 'a', status: 'succeeded' }],
    kills: [],
    modelLog: join(directory, 'model.jsonl'),
    toolLog: join(directory, 'tools.jsonl'),
    callers: { model: 'planner', tool: 'tool-executor' },
    ...more,
  }
  writeFileSync(evidence.modelLog, lines(model))
  writeFileSync(evidence.toolLog, lines(tools))
  try {
    return judge(evidence)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const kill = (service: string, atMs: number) => ({ service, atMs, goneMs: atMs + 10 })
const twice = [modelCall('a', 1, 'c1', 1_000), modelCall('a', 1, 'c1', 5_000)]

test('a clean run has no violation', () => {
  const tools = [toolEvent('charge', 'arrived', 'a', 'x', 1_100)]
  assert.deepEqual(violations(verdictOf([modelCall('a', 1, 'c1', 1_000)], tools)), [])
})

test('a task without a result is lost, one with two is duplicated, one that failed is told', () => {
  const completed = [
    { taskId: 'b', status: 'succeeded' },
    { taskId: 'b', status: 'succeeded' },
    { taskId: 'c', status: 'failed' },
  ]
  const verdict = verdictOf([], [], { submitted: ['a', 'b', 'c'], completed })
  assert.deepEqual([verdict.lost, verdict.duplicated, verdict.unsuccessful], [['a'], ['b'], ['c']])
  assert.equal(violations(verdict).length, 3)
})

test('a second answer is a repetition; right after a kill of the caller it is in doubt', () => {
  const verdicts = [
    verdictOf(twice, []),
    verdictOf(twice, [], { kills: [kill('planner', 1_200)] }),
    verdictOf(twice, [], { kills: [kill('tool-executor', 1_200)] }),
    verdictOf(twice, [], { kills: [kill('planner', 2_000)] }),
  ]
  assert.deepEqual(
    verdicts.map(({ repeated, inDoubt }) => [repeated.length, inDoubt.length]),
    [
      [1, 0],
      [0, 1],
      [1, 0],
      [1, 0],
    ],
  )
})

test('the time of doubt is as long as answers took in this run', () => {
  const slow = modelCall('b', 1, 'c2', 8_000)
  const tools = [toolEvent('lookup', 'arrived', 'b', 'y', 9_100)]
  const kills = [kill('planner', 2_000)]
  const { repeated, inDoubt, settleMs } = verdictOf([...twice, slow], tools, { kills })
  assert.deepEqual([repeated.length, inDoubt.length, settleMs], [0, 1, 1_100])
})

test('no doubt is left once what follows from the answer was seen', () => {
  const tools = [toolEvent('lookup', 'arrived', 'a', 'x', 1_100)]
  const { repeated, inDoubt } = verdictOf(twice, tools, { kills: [kill('planner', 1_200)] })
  assert.deepEqual([repeated.length, inDoubt.length], [1, 0])
})

test('the same turn under another id is a repetition, whatever was killed', () => {
  const calls = [modelCall('a', 1, 'c1', 1_000), modelCall('a', 1, 'c2', 5_000)]
  const { repeated, inDoubt } = verdictOf(calls, [], { kills: [kill('all', 1_100)] })
  assert.deepEqual([repeated.length, inDoubt.length], [1, 0])
})

test('a tool that is not idempotent may arrive once, whatever was killed and whether it was answered', () => {
  const tools = [
    toolEvent('charge', 'arrived', 'a', 'x', 1_000),
    toolEvent('charge', 'aborted', 'a', 'x', 1_100),
    toolEvent('charge', 'arrived', 'a', 'x', 5_000),
  ]
  const { ranTwice } = verdictOf([], tools, { kills: [kill('all', 1_050)] })
  assert.deepEqual(ranTwice, ['charge x arrived 2 times', 'charge a arrived 2 times'])
})
