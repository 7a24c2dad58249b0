// Sessions of a whole fleet: turns in order with what was said before, each policy, whose they are, and kill -9.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { SessionDetail, SessionList } from '../../api/sessions.ts'
import { exitCodeOf } from '../../cli/program/exit-codes.ts'
import type { TaskInput, TaskResult } from '../../client/types.ts'
import { httpOperator } from '../../operator/http.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { holdAnswers } from '../support/held-answers.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'

/** Says all that it was told: `work` calls a tool first. */
const script: Script = ({ task, observations, turn }) => {
  const told = [task, observations].join(' | ').replaceAll(/\s+/g, ' ').trim()
  return turn === 0 && task.startsWith('work')
    ? { toolCalls: [{ name: 'echo', arguments: { text: 'echoed' } }] }
    : { text: `told ${told}` }
}

const ADMIN = 'x'.repeat(40)
let fleet: TestFleet
const answers = holdAnswers()
before(async () => {
  fleet = await startTestFleet({
    model: { script, latencyMs: 150, until: answers.until },
    http: true,
    env: { FLOTILLA_ADMIN_KEY: ADMIN },
  })
})
after(() => fleet.stop())

const submit = async (text: string, sessionId: string, more: Partial<TaskInput> = {}): Promise<string> =>
  (await fleet.client.submit({ text, sessionId, userId: 'ann', ...more })).taskId
const result = (taskId: string): Promise<TaskResult> => fleet.client.result(taskId, { timeoutMs: 120_000 })

/** Until the task's model call is under way. */
const running = (count: number) =>
  eventually('the model is asked', () => fleet.model.stats().received >= count)

test('turns have their order, and each is given what was said before', async () => {
  const ids = []
  for (const text of ['one', 'two', 'three']) ids.push(await submit(text, 'talk'))
  const results = await Promise.all(ids.map(result))
  assert.deepEqual(
    results.map(({ output }) => output),
    ['told one |', 'told one | two', 'told one | two three'],
  )
  for (const [index, { steps }] of results.slice(1).entries())
    assert.ok((steps[0]?.startedAtMs ?? 0) >= (results[index]?.completedAtMs ?? Infinity))
})

test('a session belongs to the user that began it; what it holds reaches nobody else', async () => {
  const first = await result(await submit('my secret', 'mine'))
  assert.equal(first.status, 'succeeded')
  for (const whenBusy of ['queue', 'steer', 'interrupt', 'reject'] as const) {
    const refused = await result(await submit('tell me', 'mine', { userId: 'bob', whenBusy }))
    assert.deepEqual([refused.status, refused.error?.code], ['rejected', 'SESSION_FORBIDDEN'])
    assert.doesNotMatch(JSON.stringify(refused), /secret/)
  }
})

test('reject and interrupt', async () => {
  const asked = fleet.model.stats().received
  answers.hold('slow')
  const slow = await submit('slow task=slow', 'policies')
  await running(asked + 1)
  const refused = await result(await submit('no', 'policies', { whenBusy: 'reject' }))
  assert.equal(refused.error?.code, 'SESSION_BUSY')
  const urgent = await submit('urgent', 'policies', { whenBusy: 'interrupt' })
  const stopped = await result(slow)
  assert.deepEqual([stopped.status, stopped.error?.code], ['cancelled', 'TASK_CANCELLED'])
  assert.match(stopped.error?.message ?? '', /interrupts/)
  answers.release('slow')
  assert.equal((await result(urgent)).status, 'succeeded')
})

/** The message of this task is on its way to the planner, which takes it once the call that is under way has ended. */
async function isSteered(second: string): Promise<boolean> {
  const { log, codec } = fleet.process
  for (const { partition, next } of await log.ranges(['sessions.turns']))
    for (const { value } of await log.read('sessions.turns', partition, 0, next)) {
      const event = value && (await codec.decode(value, 'sessions.turns'))
      if (event?.type === 'TaskSteered' && event.data.fromTask === second) return true
    }
  return false
}

test('steer: the running task takes the message along, and answers both', async () => {
  const asked = fleet.model.stats().received
  answers.hold('steered')
  const first = await submit('work task=steered', 'steered')
  await running(asked + 1)
  const second = await submit('and this', 'steered', { whenBusy: 'steer' })
  await eventually('the message is under way', () => isSteered(second))
  answers.release('steered')
  const [one, two] = [await result(first), await result(second)]
  assert.match(String(one.output), /Meanwhile the user says: and this/)
  assert.deepEqual([two.output, two.status, two.usage.modelCalls], [one.output, 'succeeded', 0])
  assert.match(two.modelReason ?? '', new RegExp(first))
})

test('sessions are listed, shown and deleted; a user sees their own only', async () => {
  const url = fleet.process.url as string
  const open = httpOperator(url, { apiKey: ADMIN })
  await eventually('the ledger has them', async () => (await open.sessions.list()).sessions.length === 4)
  const { sessions } = await open.sessions.list({ user: 'ann', limit: 3 })
  assert.equal(sessions.length, 3)
  const { next } = await open.sessions.list({ limit: 3 })
  const rest = await open.sessions.list({ limit: 3, after: next ?? '' })
  assert.deepEqual([rest.sessions.length, rest.next], [1, null])
  await eventually('all turns are there', async () => (await open.sessions.get('talk')).turns === 3)
  const first = await open.sessions.get('talk', { limit: 2 })
  assert.deepEqual([first.list.map(({ asked }) => asked), first.next], [['one', 'two'], 2])
  assert.deepEqual(
    (await open.sessions.get('talk', { after: 2 })).list.map(({ asked }) => asked),
    ['three'],
  )

  const scopes = ['tasks:read', 'tasks:submit', 'tasks:cancel'] as const
  await open.keys.create({ name: 'admin', scopes: ['keys:write'] })
  const keyOf = async (userId: string) =>
    httpOperator(url, { apiKey: (await open.keys.create({ name: userId, userId, scopes: [...scopes] })).key })
  const bob = await keyOf('bob')
  await assert.rejects(bob.sessions.get('mine'), { code: 'NOT_FOUND' })
  await assert.rejects(bob.sessions.remove('mine'), { code: 'NOT_FOUND' })
  assert.deepEqual((await bob.sessions.list({ user: 'ann' })).sessions, [])
  const ann = await keyOf('ann')
  assert.match((await ann.sessions.get('mine')).list[0]?.asked ?? '', /secret/)
  await ann.sessions.remove('mine')
  await eventually('it is gone', () =>
    ann.sessions.get('mine').then(
      () => false,
      () => true,
    ),
  )
  const again = await result(await submit('new', 'mine', { userId: 'bob' }))
  assert.equal(again.output, 'told new |', 'nothing of it is remembered')
})

test('a session is deleted while its first turn runs', async () => {
  const open = httpOperator(fleet.process.url as string, { apiKey: ADMIN })
  const asked = fleet.model.stats().received
  const slow = await submit('slow latency=20000', 'first')
  await running(asked + 1)
  await eventually('the ledger has its task', async () =>
    open.sessions.remove('first').then(
      () => true,
      ({ code }: FlotillaError) => code !== 'NOT_FOUND',
    ),
  )
  const { status, error } = await result(slow)
  assert.deepEqual([status, error?.code], ['cancelled', 'TASK_CANCELLED'])
  assert.match(error?.message ?? '', /session was deleted/)
  await assert.rejects(open.sessions.remove('never'), { code: 'NOT_FOUND' })
})

test('the command lists, shows, exports and deletes sessions', async () => {
  const env = { FLOTILLA_URL: fleet.process.url as string, FLOTILLA_API_KEY: ADMIN }
  const sessions = (...args: string[]) => flotilla(['sessions', ...args], { env })
  const [json, page, shown, whole, exported, unknown] = await Promise.all([
    sessions('--user', 'ann', '--json'),
    sessions('list', '--limit', '1'),
    sessions('show', 'talk'),
    sessions('show', 'talk', '--json'),
    sessions('export', 'talk'),
    sessions('show', 'never'),
  ])
  assert.equal(json.code, 0, json.err)
  const listed = JSON.parse(json.out) as SessionList
  assert.ok(listed.sessions.every(({ userId }) => userId === 'ann'))
  assert.equal(listed.sessions.find(({ sessionId }) => sessionId === 'talk')?.turns, 3)
  assert.match(page.out, /^session .*user .*turns/)
  assert.match(page.err, /There are more: flotilla sessions list --after '/)
  assert.match(shown.out, /^talk {2}user ann {2}3 turns\n[\s\S]*> one\ntold one[\s\S]*> three\ntold one/)
  const { list, next } = JSON.parse(whole.out) as SessionDetail
  assert.deepEqual([list.map(({ asked }) => asked), next], [['one', 'two', 'three'], null])
  const lines = exported.out.trim().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as object),
    list.map((turn) => ({ sessionId: 'talk', ...turn })),
  )
  assert.equal(unknown.code, exitCodeOf(new FlotillaError('NOT_FOUND', '')))
  assert.match(unknown.err, /no session never has a turn that ended; see flotilla sessions list/)
  const deleted = await sessions('delete', 'talk', '--json')
  assert.deepEqual([deleted.code, JSON.parse(deleted.out)], [0, { sessionId: 'talk' }], deleted.err)
  const operator = httpOperator(env.FLOTILLA_URL, { apiKey: ADMIN })
  await eventually('it is gone', async () =>
    (await operator.sessions.list()).sessions.every(({ sessionId }) => sessionId !== 'talk'),
  )
})

test('kill -9 with sessions under way: every turn has its result, once and in order', async (t) => {
  const model = await startScriptedModel({ script, latencyMs: 400 })
  t.after(() => model.stop())
  const { client, killAndStart } = await startKillable(t, testDirectory(t, 'sessions'), {
    FLOTILLA_SCRIPTED_URL: model.url,
  })
  const sessions = ['s0', 's1', 's2']
  const ids = new Map<string, string[]>(sessions.map((session) => [session, []]))
  let asked = 0
  for (let turn = 0; turn < 5; turn++) {
    // Before the last turns are there, so that one of them at least is asked for afterwards.
    asked = model.stats().received
    for (const sessionId of sessions) {
      const { taskId } = await client.submit({
        text: `say ${turn}`,
        sessionId,
        userId: 'ann',
      })
      ids.get(sessionId)?.push(taskId)
    }
  }
  await eventually('a model is asked', () => model.stats().received > asked)
  await killAndStart()
  for (const [, turns] of ids) {
    const results = []
    for (const id of turns) results.push(await client.result(id, { timeoutMs: 120_000 }))
    assert.deepEqual(
      results.map(({ output }) => output),
      turns.map((_, turn) =>
        `told say 0 | ${Array.from({ length: turn }, (__, n) => `say ${n + 1}`).join(' ')}`.trim(),
      ),
    )
  }
})
