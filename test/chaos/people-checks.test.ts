// The checks of trees, approvals and sessions: they must see each kind of violation, and nothing where there is none.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkApprovals } from './checks/approvals.ts'
import { checkSessions } from './checks/conversations.ts'
import { delegationsIn } from './checks/marks.ts'
import { checkTrees } from './checks/trees.ts'
import { begin, type EvidenceFiles } from './evidence.ts'
import { approvalPlans, EDITED_ITEM, expectedOf } from './kinds/approvals.ts'
import { messageId, type SessionPlan } from './kinds/conversations.ts'
import { isExpected, peopleTasks } from './tasks.ts'

const ROOT = 'chaos.tree.1.plain'

function evidence(t: TestContext, rows: { [K in keyof EvidenceFiles]?: readonly object[] }): EvidenceFiles {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-people-checks-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const files = begin(directory)
  for (const [name, of] of Object.entries(rows))
    writeFileSync(files[name as keyof EvidenceFiles], of.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return files
}

const record = (type: string, data: object, timestampMs = 1) => ({
  ...{ topic: 't', partition: 0, offset: 0, timestampMs },
  ...{ type, data },
})
const completed = (taskId: string, timestampMs = 9, status = 'succeeded') =>
  record('TaskCompleted', { taskId, status, output: null }, timestampMs)
const delegated = (
  taskId: string,
  mark: string,
  asking = ROOT,
  callId = mark,
  maxCost: number | null = null,
) =>
  record('TaskDelegated', {
    ...{ taskId, text: `be part of task=${mark} latency=1`, maxCost },
    askedBy: { taskId: asking, callId, agents: [] },
  })
const paid = (task: string, callId: string, inputTokens: number, more: object = {}) => ({
  ...{ task, turn: 1, callId, inputTokens, outputTokens: 0 },
  ...{ outcome: 'answered', status: 200, receivedMs: 1, endedMs: 2 },
  ...more,
})

async function treeFaults(t: TestContext, topics: readonly object[], model: readonly object[] = []) {
  const files = evidence(t, { topics, model })
  return (await checkTrees(files, await delegationsIn(files.topics))).wrong
}

test('a tree in which each call is one task, that ends once and stays below its ceiling, has no fault', async (t) => {
  const topics = [
    record('TaskSubmitted', { taskId: ROOT, maxCost: 0.02 }),
    delegated('x', `${ROOT}.0`),
    delegated('x', `${ROOT}.0`),
    delegated('y', `${ROOT}.1`),
    ...['x', 'y', ROOT].map((id) => completed(id)),
  ]
  const model = [paid(ROOT, 'a', 1_000), paid(`${ROOT}.0`, 'b', 1_000), paid(`${ROOT}.0`, 'b', 1_000)]
  assert.deepEqual(await treeFaults(t, topics, model), [])
})

test('a call that became two tasks, and a delegated task without a result or with two, are faults', async (t) => {
  const ends = ['x', 'y'].map((id) => completed(id))
  const twice = [delegated('x', `${ROOT}.0`), delegated('y', `${ROOT}.0`), ...ends]
  assert.deepEqual(await treeFaults(t, twice), [
    `call ${ROOT}.0 of ${ROOT} became 2 tasks`,
    `what ${ROOT}.0 is asked became 2 tasks`,
  ])
  assert.deepEqual(await treeFaults(t, [delegated('x', `${ROOT}.0`)]), [
    `delegated task ${ROOT}.0 has 0 results`,
  ])
  const over = [delegated('x', `${ROOT}.0`), completed('x'), completed('x')]
  assert.deepEqual(await treeFaults(t, over), [`delegated task ${ROOT}.0 has 2 results`])
})

test('a tree above its ceiling is a fault, and so is a part of it above its share', async (t) => {
  const topics = [
    record('TaskSubmitted', { taskId: ROOT, maxCost: 0.015 }),
    delegated('x', `${ROOT}.0`, ROOT, 'c', 0.005),
    completed('x'),
  ]
  const model = [
    paid(ROOT, 'a', 1_000),
    paid(`${ROOT}.0.0`, 'b', 1_000),
    paid(ROOT, 'c', 9_000, { status: 500 }),
  ]
  assert.deepEqual(await treeFaults(t, topics, model), [
    `${ROOT} cost $0.020000 of at most $0.015000`,
    `${ROOT}.0 cost $0.010000 of at most $0.005000`,
  ])
})

const released = (taskId: string, outcome: string, heldAtMs = 1, callId = 'c') =>
  record('CallReleased', { taskId, callId, heldAtMs, outcome })
const arrived = (task: string, item = 0) => ({
  ...{ event: 'arrived', tool: 'refund', callId: `${task}.${item}`, task, turn: 1, item, atMs: 1 },
})

test('each plan is as it was decided: its calls arrived once, and its waits ended so', async (t) => {
  const tasks = approvalPlans.map((plan) => `chaos.approval.1.${plan}`)
  const topics = tasks.flatMap((task) => [
    ...expectedOf(task).outcomes.map((outcome, index) => released(task, outcome, 9 + index, `${index}`)),
    completed(task),
  ])
  const tools = tasks.flatMap((task) => expectedOf(task).items.map((item) => arrived(task, item)))
  const { decided, wrong } = await checkApprovals(evidence(t, { topics, tools }))
  assert.deepEqual([decided, wrong], [approvalPlans.length + 1, []])
})

test('a call that was made twice, not at all, though declined, or otherwise than approved is a fault', async (t) => {
  const faultOf = async (plan: string, outcome: string, items: readonly number[]) => {
    const task = `chaos.approval.1.${plan}`
    const tools = items.map((item) => arrived(task, item))
    return (await checkApprovals(evidence(t, { topics: [released(task, outcome), completed(task)], tools })))
      .wrong
  }
  assert.match(
    (await faultOf('approved', 'approved', [0, 0])).join(),
    /items \[0,0\], and \[0\] were approved/,
  )
  assert.match((await faultOf('twice', 'approved', [])).join(), /items \[\], and \[0\]/)
  assert.match((await faultOf('declined', 'declined', [0])).join(), /items \[0\], and \[\]/)
  assert.match((await faultOf('edited', 'approved', [0])).join(), new RegExp(`and \\[${EDITED_ITEM}\\]`))
  assert.match((await faultOf('expired', 'declined', [])).join(), /ended as \[declined\], not as \[expired\]/)
})

test('a wait that ended twice is a fault', async (t) => {
  const task = 'chaos.approval.1.late'
  const topics = [released(task, 'approved'), released(task, 'declined'), completed(task)]
  const { wrong } = await checkApprovals(evidence(t, { topics, tools: [arrived(task)] }))
  assert.deepEqual(wrong, [`waits of ${task} ended as [approved,declined], not as [approved]`])
})

const sessionOf = (plan: SessionPlan) => `chaos.session.1.${plan}`
const turnOf = (plan: SessionPlan, number: number, fromMs: number, untilMs: number, status = 'succeeded') => [
  record('TaskAdmitted', { taskId: messageId(sessionOf(plan), number) }, fromMs),
  completed(messageId(sessionOf(plan), number), untilMs, status),
]

async function sessionFaults(t: TestContext, topics: readonly object[], model: readonly object[] = []) {
  return (await checkSessions(evidence(t, { topics, model }))).wrong
}

test('turns one after the other, as their policies say, are no fault', async (t) => {
  const { queue, steer, first, second, ended } = {
    queue: [turnOf('queue', 0, 1, 2), turnOf('queue', 1, 3, 4), turnOf('queue', 2, 5, 6)],
    steer: [
      turnOf('steer', 0, 1, 2),
      [completed(messageId(sessionOf('steer'), 1), 3)],
      turnOf('steer', 2, 5, 6),
    ],
    first: [
      turnOf('interrupt', 0, 1, 2, 'cancelled'),
      turnOf('interrupt', 2, 3, 4),
      turnOf('interrupt', 1, 5, 6),
    ],
    second: [
      turnOf('interrupt', 0, 1, 2),
      turnOf('interrupt', 1, 3, 4, 'cancelled'),
      turnOf('interrupt', 2, 5, 6),
    ],
    ended: [turnOf('interrupt', 0, 1, 2), turnOf('interrupt', 2, 3, 4), turnOf('interrupt', 1, 5, 6)],
  }
  for (const topics of [queue, steer, first, second, ended])
    assert.deepEqual(await sessionFaults(t, topics.flat()), [])
})

test('two turns at once, and turns in another order, are faults', async (t) => {
  const atOnce = [turnOf('queue', 0, 1, 5), turnOf('queue', 1, 3, 6), turnOf('queue', 2, 7, 8)]
  assert.deepEqual(await sessionFaults(t, atOnce.flat()), [
    `message 1 of ${sessionOf('queue')} began 2 ms before 0 ended`,
  ])
  const swapped = [turnOf('queue', 0, 1, 2), turnOf('queue', 2, 3, 4), turnOf('queue', 1, 5, 6)]
  assert.match((await sessionFaults(t, swapped.flat())).join(), /in the order 0,2,1$/)
  const late = [
    turnOf('interrupt', 0, 1, 2, 'cancelled'),
    turnOf('interrupt', 1, 3, 4),
    turnOf('interrupt', 2, 5, 6),
  ]
  assert.match((await sessionFaults(t, late.flat())).join(), /in the order 0,1,2$/)
})

test('a model that is asked about a message that waits is a fault', async (t) => {
  const asked = (number: number, receivedMs: number) =>
    paid(messageId(sessionOf('queue'), number), `${number}`, 1, { receivedMs })
  const topics = [turnOf('queue', 0, 1, 2), turnOf('queue', 1, 3, 4), turnOf('queue', 2, 5, 6)].flat()
  assert.deepEqual(await sessionFaults(t, topics, [asked(0, 1), asked(1, 3), asked(2, 5)]), [])
  const early = await sessionFaults(t, topics, [asked(0, 3), asked(1, 1), asked(2, 5)])
  assert.match(early.join(), /was asked about messages of .* in the order 1,0,2/)
})

test('every plan comes within 40 submissions, and only its own ends are expected', () => {
  const ids = Array.from({ length: 40 }, (_, index) => peopleTasks('chaos', index, () => 0.5)).flat()
  const has = (part: string) => ids.some(({ taskId }) => taskId.includes(part))
  for (const plan of ['.tight', '.python', '.cancelled', '.plain', '.queue.', '.steer.', '.interrupt.'])
    assert.ok(has(plan), plan)
  for (const plan of approvalPlans) assert.ok(has(`.${plan}`), plan)
  const [first, second] = [0, 1].map((number) => messageId(sessionOf('steer'), number)) as [string, string]
  assert.ok(
    isExpected(first, 'succeeded', `done ${second}`) && !isExpected(second, 'succeeded', `done ${first}`),
  )
  assert.ok(!isExpected(ROOT, 'succeeded', `incomplete ${ROOT}`) && !isExpected(ROOT, 'cancelled', null))
})
