// Real tasks through a candidate: read from the log, resumed where it stopped, never paid twice.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { shadow, type Shadowed, type ShadowOptions, type ShadowSettings } from '../../evaluation/shadow.ts'
import { httpOperator, type Operator } from '../../operator/index.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let model: ScriptedModel
let fleet: TestFleet
let operator: Operator
/** How often a model was asked each text. */
let asked = new Map<string, number>()
const origins: string[] = []

const CANDIDATE = 'openai/gpt-3.5-turbo'

function script({ task, turn }: Exchange) {
  if (turn > 0) return { text: `answer to ${task}` }
  asked.set(task, (asked.get(task) ?? 0) + 1)
  return { toolCalls: [{ name: 'echo', arguments: { text: task } }] }
}

before(async () => {
  model = await startScriptedModel({ script })
  fleet = await startTestFleet({
    http: true,
    definition: {
      models: { default: 'openai/gpt-4o', providers: { openai: { baseUrl: model.url } } },
      agents: { default: { mode: 'tools' } },
    },
  })
  operator = httpOperator(fleet.process.url ?? '')
  for (let number = 1; number <= 8; number += 1) origins.push(await ask(`real ${number}`))
})
after(async () => {
  await fleet.stop()
  await model.stop()
})

async function ask(text: string): Promise<string> {
  const { taskId } = await fleet.client.submit({ text, userId: 'ann' })
  assert.equal((await fleet.client.result(taskId, { timeoutMs: 120_000 })).status, 'succeeded')
  return taskId
}

const settings: ShadowSettings = {
  sinceMs: 0,
  sample: 1,
  candidate: { model: CANDIDATE },
  tools: 'recorded',
  follow: false,
}
const options: ShadowOptions = { limit: null, concurrency: 3, maxCost: null }

const newRun = (id: string): EvaluationRun => ({
  id,
  name: 'shadow',
  dataset: 'tasks',
  datasetHash: 'tasks',
  agent: null,
  models: [CANDIDATE],
  epochs: 1,
  cases: 0,
  status: 'running',
  startedAtMs: Date.now(),
  endedAtMs: null,
  settings: {},
  position: null,
  summary: null,
})

interface Changes extends Partial<ShadowSettings>, Partial<ShadowOptions> {
  readonly onCase?: (scored: EvaluationCase) => void
  readonly signal?: AbortSignal
}

/** The run as it is stored, or a new one, taken on. */
async function session(
  id: string,
  { onCase = () => {}, signal, ...changes }: Changes = {},
): Promise<Shadowed> {
  const stored = await operator.evaluations.get(id).catch(() => newRun(id))
  const run = await operator.evaluations.save(stored)
  return shadow(
    run,
    { ...settings, ...changes },
    { ...options, ...changes },
    { client: fleet.client, operator, signal: signal ?? new AbortController().signal, onCase },
  )
}

const idsOf = ({ cases }: Shadowed) => cases.map(({ caseId }) => caseId).toSorted()
const paid = () => [...asked.values()].reduce((sum, times) => sum + times, 0)

test('every real task once, at low priority; a second session has nothing to do', async () => {
  asked = new Map()
  const first = await session('all')
  assert.deepEqual([idsOf(first), first.leftOut, first.stopped], [origins.toSorted(), 0, null])
  assert.ok(first.cases.every(({ passed }) => passed))
  assert.equal(paid(), 8)
  const forkId = first.cases[0]?.taskId ?? ''
  const submitted = await operator.forks.submission(forkId)
  assert.deepEqual([submitted.priority, submitted.userId], [-5, 'ann'])
  const again = await session('all')
  assert.deepEqual([idsOf(again), paid()], [origins.toSorted(), 8])
})

test('a sample is the same tasks again', async () => {
  const half = await session('half-1', { sample: 0.5 })
  assert.ok(half.cases.length > 0 && half.cases.length < 8, String(half.cases.length))
  assert.deepEqual(idsOf(await session('half-2', { sample: 0.5 })), idsOf(half))
})

test('interrupted again and again, it goes on where it was, and pays each task once', async () => {
  asked = new Map()
  let sessions = 0
  for (let left = true; left; sessions += 1) {
    const stop = new AbortController()
    const onCase = () => stop.abort(new Error('stop'))
    const { stopped } = await session('stops', { onCase, signal: stop.signal, concurrency: 2 })
    left = stopped !== null
    assert.ok(sessions < 20)
  }
  assert.ok(sessions > 2, String(sessions))
  assert.deepEqual(
    [...asked.values()],
    Array.from({ length: 8 }, () => 1),
  )
  assert.deepEqual(idsOf(await session('stops')), origins.toSorted())
})

test('what a killed session paid for and did not store is found, and not paid again', async () => {
  asked = new Map()
  const lost = Object.create(operator.evaluations, {
    add: { value: () => Promise.reject(new Error('killed')) },
  }) as Operator['evaluations']
  const run = await operator.evaluations.save(newRun('killed'))
  const parts = { client: fleet.client, signal: new AbortController().signal, onCase: () => {} }
  await assert.rejects(
    shadow(
      run,
      settings,
      { ...options, concurrency: 8 },
      { ...parts, operator: { ...operator, evaluations: lost } },
    ),
    /killed/,
  )
  const before = paid()
  assert.ok(before > 0)
  const { cases } = await session('killed')
  assert.deepEqual([cases.length, paid()], [8, 8])
})

test('limits: of tasks and of cost; a higher one goes on', async () => {
  asked = new Map()
  const three = await session('limit', { limit: 3 })
  assert.deepEqual([three.cases.length, three.stopped], [3, 'limit'])
  assert.deepEqual([(await session('limit', { limit: 8 })).cases.length, paid()], [8, 8])

  asked = new Map()
  const one = three.cases[0]?.cost ?? 0
  assert.ok(one > 0)
  const poor = await session('poor', { maxCost: 3.5 * one, concurrency: 1 })
  const spent = poor.cases.reduce((sum, { cost }) => sum + cost, 0)
  assert.deepEqual([poor.stopped, poor.cases.length], ['cost', 3])
  assert.ok(spent <= 3.5 * one)
  const cut = await session('cut', { maxCost: one / 1e6 })
  assert.deepEqual([cut.leftOut, cut.cases[0]?.errorCode, cut.cases[0]?.score], [1, 'COST_LIMIT', null])
  const whole = await session('cut', { maxCost: 100 * one })
  assert.deepEqual([whole.cases.length, whole.leftOut, whole.stopped], [8, 0, null])
})

test('with follow it takes tasks as they end; without, those that had ended when the run began', async () => {
  const stop = new AbortController()
  const followed = session('follow', {
    follow: true,
    signal: stop.signal,
    onCase: ({ caseId }) => caseId === late && stop.abort(new Error('stop')),
  })
  const old = newRun('old')
  let late = ''
  late = await ask('a late one')
  const { cases, stopped } = await followed
  assert.ok(cases.some(({ caseId }) => caseId === late))
  assert.equal(stopped, 'interrupt')
  await operator.evaluations.save(old)
  assert.ok(!idsOf(await session('old')).includes(late))
})

test('pages: a position goes on behind it; one that is none is refused', async () => {
  const seen: string[] = []
  let after: string | undefined
  for (let more = true; more;) {
    const page = await operator.results.page({ limit: 4, ...(after === undefined ? {} : { after }) })
    seen.push(...page.results.map(({ taskId }) => taskId))
    ;({ after, more } = page)
  }
  assert.equal(new Set(seen).size, seen.length)
  assert.ok(origins.every((taskId) => seen.includes(taskId)))
  const recent = await operator.results.page({ sinceMs: Date.now() + 3_600_000 })
  assert.deepEqual([recent.results, recent.more], [[], false])
  await assert.rejects(operator.results.page({ after: 'banana' }), { code: 'REQUEST_INVALID' })
})
