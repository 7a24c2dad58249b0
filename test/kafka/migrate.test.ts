// The fleet of one machine moves to Kafka: killed with calls that wait for people, moved by a move that is killed too, and
// finished there. What had ended is as it was; what was open ends once; a session remembers.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import type { TaskResult } from '../../client/types.ts'
import { httpOperator } from '../../operator/http.ts'
import { copyLimits } from '../../runtime/limits/copy.ts'
import { openRedisLimits } from '../../runtime/limits/redis.ts'
import { openSqliteLimits } from '../../runtime/limits/sqlite.ts'
import type { Claim } from '../../runtime/limits/port.ts'
import type { MoveReport } from '../../runtime/migration/to-kafka.ts'
import type { Conversation } from '../../runtime/scripted-model/conversations.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { openDataFile } from '../../runtime/store/data-file/data-file.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices } from '../support/service-process.ts'
import { kafkaLog } from './brokers.ts'

const support = join(import.meta.dirname, '../support')
const loop = `
paid = [refund(amount=amount)["refunded"] for amount in (50, 500, 20)]
final_answer({"paid": paid})
`
const conversations: Conversation[] = [
  {
    title: 'loop',
    task: 'refund in a loop',
    mode: 'code',
    turns: [{ text: `So:\n\`\`\`python${loop}\`\`\`` }],
  },
  {
    title: 'one',
    task: 'refund once',
    mode: 'tools',
    turns: [{ toolCalls: [{ name: 'refund', arguments: { amount: 300 } }] }, { text: 'done' }],
  },
]
/** Says all that it was told. */
const script: Script = ({ task, observations }) =>
  task.startsWith('say') ? { text: `told ${task} ${observations}`.replaceAll(/\s+/g, ' ').trim() } : undefined

/** `flotilla migrate --to kafka` with these options. */
async function migrate(env: Readonly<Record<string, string>>, ...options: string[]): Promise<MoveReport> {
  const ended = await flotilla(['migrate', '--to', 'kafka', '--json', ...options], { env })
  assert.equal(ended.code, 0, ended.err)
  return JSON.parse(ended.out) as MoveReport
}

/** A move that kills itself half-way. */
async function dies(env: Readonly<Record<string, string>>): Promise<void> {
  const given = { env: { PATH: process.env['PATH'] ?? '', ...env } }
  const [signal, said] = await new Promise<[NodeJS.Signals | null, string]>((resolve) => {
    const child = execFile(process.execPath, [join(support, 'killed-move.ts')], given, (_, out, err) =>
      resolve([child.signalCode, out + err]),
    )
  })
  assert.equal(signal, 'SIGKILL', said)
}

const ended = Array.from({ length: 5 }, (_, index) => `ended-${index}`)

test('killed, moved, and finished on Kafka', { timeout: 400_000 }, async (t) => {
  const directory = testDirectory(t, 'migrate')
  const refunds = join(directory, 'refunds')
  writeFileSync(refunds, '')
  const made = () => readFileSync(refunds, 'utf8').split('\n').filter(Boolean).map(Number)
  const model = await startScriptedModel({ script, conversations })
  t.after(() => model.stop())
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, REDIS_URL, DATABASE_URL, ...own } = fleetEnvironment('migrate')
  const servers = { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, REDIS_URL, DATABASE_URL } as Record<string, string>
  const prefix = own['FLOTILLA_PREFIX'] ?? ''
  const fleet = await startKillable(t, directory, {
    ...own,
    FLOTILLA_CONFIG: join(support, 'approvals.config.ts'),
    FLOTILLA_SCRIPTED_URL: model.url,
    REFUNDS: refunds,
  })
  const env = { ...fleet.env, ...servers }

  // On one machine.
  const results = new Map<string, TaskResult>()
  for (const taskId of ended) await fleet.client.submit({ taskId, text: `say ${taskId}`, agent: 'tools' })
  await fleet.client.submit({
    taskId: 'first',
    text: 'say the word is heron',
    agent: 'tools',
    sessionId: 'talk',
  })
  for (const taskId of [...ended, 'first'])
    results.set(taskId, await fleet.client.result(taskId, { timeoutMs: 120_000 }))
  await fleet.client.submit({ taskId: 'loop', text: 'refund in a loop', agent: 'code' })
  await fleet.client.submit({ taskId: 'once', text: 'refund once', agent: 'tools' })
  const waiting = (url: string) =>
    eventually('both calls wait', async () => {
      const found = await httpOperator(url).approvals.list({})
      return found.length === 2 ? found.toSorted((a, b) => (a.taskId < b.taskId ? -1 : 1)) : null
    })
  const held = await waiting(fleet.url)
  const usageOf = async (url: string): Promise<unknown> => (await fetch(`${url}/v1/usage`)).json()
  const sum = (lines: unknown): number =>
    (lines as { executions: number }[]).reduce((total, { executions }) => total + executions, 0)
  await eventually('the ledger is whole', async () => sum(await usageOf(fleet.url)) === results.size)
  const usage = await usageOf(fleet.url)

  // Moved: not while it runs, not with other lanes, not by half.
  const running = await flotilla(['migrate', '--to', 'kafka'], { env })
  assert.match(running.err, /is in use by process \d+/)
  await fleet.process().kill9()
  const lanes = await flotilla(['migrate', '--to', 'kafka'], { env: { ...env, FLOTILLA_PARTITIONS: '6' } })
  assert.match(lanes.err, /has 4 lanes.*set FLOTILLA_PARTITIONS=4/)
  const dry = await migrate(env, '--dry-run')
  assert.equal(dry.outcome, 'would move')
  await dies(env)
  const log = kafkaLog(prefix)
  t.after(() => log.close())
  await assert.rejects(log.ensureTopics([]), /has not ended: run flotilla migrate --to kafka again/)
  const moved = await migrate(env)
  assert.equal(moved.outcome, 'moved')
  for (const { what, dataFile, target } of moved.lines) assert.equal(target, dataFile, what)
  const counts = new Map(moved.lines.map(({ what, dataFile }) => [what, dataFile]))
  assert.deepEqual([counts.get('tasks.completed'), counts.get('task_ledger')], [results.size, results.size])
  assert.ok((counts.get('rows of lanes') ?? 0) > 0 && (counts.get('journal and cache') ?? 0) > 0)
  assert.equal((await migrate(env)).outcome, 'moved before')
  const back = await flotilla(['run', 'say hi'], { env: fleet.env })
  assert.match(back.err, /was moved to Kafka/)

  // On Kafka.
  const there = await startServices([], { env })
  t.after(() => there.kill9())
  await there.ready(120_000)
  const client = new HttpClient(there.url)
  for (const [taskId, result] of results)
    assert.deepEqual(await client.result(taskId, { timeoutMs: 120_000 }), result)
  assert.deepEqual(await usageOf(there.url), usage)
  assert.deepEqual(await waiting(there.url), held)
  for (const { taskId, callId } of held)
    await client.approve({ taskId, callId, approved: true, decidedBy: 'ann', arguments: { amount: 101 } })
  const loopResult = await client.result('loop', { timeoutMs: 120_000 })
  assert.deepEqual([loopResult.status, loopResult.output], ['succeeded', { paid: [50, 101, 20] }])
  assert.equal((await client.result('once', { timeoutMs: 120_000 })).status, 'succeeded')
  assert.deepEqual(made().toSorted(), [101, 101, 20, 50])
  // An id that was answered is not answered again, and a session goes on.
  await client.submit({ taskId: 'ended-0', text: 'say ended-0', agent: 'tools' })
  const second = await client.submit({ text: 'say it', agent: 'tools', sessionId: 'talk' })
  assert.match(String((await client.result(second.taskId, { timeoutMs: 120_000 })).output), /heron/)
  assert.deepEqual(await client.result('ended-0', { timeoutMs: 120_000 }), results.get('ended-0'))
  await eventually(
    'the ledger has every task once',
    async () => sum(await usageOf(there.url)) === results.size + 3,
  )
  const replayed = await flotilla(['replay', 'ended-1', '--json'], { env })
  assert.equal(replayed.code, 0, `${replayed.out}${replayed.err}`)
})

test('another fleet is not moved over it', { timeout: 240_000 }, async (t) => {
  const directory = testDirectory(t, 'migrate-other')
  const servers = fleetEnvironment('migrate-other')
  const env = { ...servers, FLOTILLA_DATA: join(directory, 'one') }
  const { FLOTILLA_PREFIX = '', FLOTILLA_PARTITIONS = '' } = servers
  const none = await flotilla(['migrate', '--to', 'kafka'], { env })
  assert.match(none.err, /holds no fleet: set FLOTILLA_DATA/)
  for (const name of ['one', 'two']) {
    const made = await flotilla(['run', 'say hi'], {
      env: { FLOTILLA_PREFIX, FLOTILLA_PARTITIONS, FLOTILLA_DATA: join(directory, name) },
    })
    assert.equal(made.code, 0, made.err)
  }
  assert.equal((await migrate(env)).outcome, 'moved')
  const other = { ...env, FLOTILLA_DATA: join(directory, 'two') }
  const refused = await flotilla(['migrate', '--to', 'kafka'], { env: other })
  assert.match(
    refused.err,
    /the target is not empty.*another data file.*FLOTILLA_PREFIX=<new> flotilla migrate --to kafka --from-prefix/,
  )
})

test('limits go on where they were', async (t) => {
  const dataDir = join(testDirectory(t, 'migrate-limits'), 'data')
  const prefix = fleetEnvironment('migrate-limits')['FLOTILLA_PREFIX'] ?? ''
  const limits = openSqliteLimits({ dataDir, prefix })
  const resetsAtMs = Date.now() + 3_600_000
  const claims = (amount: number): Claim[] => [
    { form: 'budget', key: 'day:fleet', amount, limit: 100, resetsAtMs },
    { form: 'window', key: 'minute:ann', amount, limit: 100, windowMs: 600_000 },
  ]
  await limits.reserve({ id: 'open', alternatives: [claims(30)], ttlMs: 600_000 })
  await limits.reserve({ id: 'ended', alternatives: [claims(10)], ttlMs: 600_000 })
  await limits.settle({ id: 'ended', claims: claims(20), atMs: Date.now() })
  const file = openDataFile({ dataDir })
  t.after(() => file.release())
  const server = { url: process.env['REDIS_URL'] ?? '' }
  for (let time = 0; time < 2; time++)
    await copyLimits(file, { from: prefix, to: prefix }, server, Date.now())
  const moved = openRedisLimits({ ...server, prefix })
  t.after(() => moved.close())
  assert.deepEqual(await moved.budgets('day:'), await limits.budgets('day:'))
  await limits.close()
  for (const claim of claims(51)) {
    const answer = await moved.reserve({ id: 'more', alternatives: [[claim]], ttlMs: 1_000 })
    assert.equal(answer.granted, false, claim.form)
  }
  await moved.release('open')
  assert.deepEqual(await moved.budgets('day:'), [{ key: 'day:fleet', settled: 20, reserved: 0 }])
})
