// The fleet of one machine moves to Kafka while its tasks wait: for a timer, for other tasks, for people, with payloads of
// which one is lost. Each ends there, once, as it would have ended here.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { httpOperator } from '../../operator/http.ts'
import type { MoveReport } from '../../runtime/migration/to-kafka.ts'
import type { Turn } from '../../runtime/scripted-model/conversations.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices } from '../support/service-process.ts'

/** The calls of a task of clerk, by the first word of its text. */
const CALLS: Readonly<Record<string, readonly Turn[]>> = {
  large: ['fetch_all', 'pay'].map((name) => call(name)),
  retried: [call('look')],
  expiring: [call('tip')],
}

/** Exit code where a server does not answer. */
const UNAVAILABLE = 69

/** `$` stands for the task. */
function call(name: string): Turn {
  const field = { look: 'at', fetch_all: 'of' }[name] ?? 'to'
  return { toolCalls: [{ name, arguments: { [field]: '$' } }] }
}

function script({ task, turn, mode, toolNames }: Exchange): Turn | undefined {
  if (task.startsWith('late')) return undefined
  if (mode === 'code') return { text: `\`\`\`python\nfinal_answer('code: ' + ask_clerk('${task}'))\n\`\`\`` }
  const isParent = toolNames.includes('ask_clerk')
  const turns = isParent ? [{ toolCalls: [{ name: 'ask_clerk', arguments: { task: '$' } }] }] : callsOf(task)
  const next = turns[turn]
  return next ? (JSON.parse(JSON.stringify(next).replaceAll('$', task)) as Turn) : { text: `done ${task}` }
}

const callsOf = (task: string): readonly Turn[] => CALLS[task.split('-')[0] ?? ''] ?? [call('pay')]

/** Deletes the payload that holds this text from a stopped fleet's data file. */
function losePayload(dataDir: string, text: string): void {
  const db = new DatabaseSync(join(dataDir, 'flotilla.db'))
  const blobs = db.prepare('SELECT hash, bytes FROM blobs').all() as { hash: string; bytes: Uint8Array }[]
  const lost = blobs.filter(({ bytes }) => Buffer.from(bytes).includes(text))
  assert.ok(lost.length > 0, `a payload holds ${text}`)
  for (const { hash } of lost) db.prepare('DELETE FROM blobs WHERE hash = ?').run(hash)
  db.close()
}

test(
  'timers, children, calls that wait and lost payloads: moved, and ended on Kafka',
  { timeout: 400_000 },
  async (t) => {
    const directory = testDirectory(t, 'migrate-pending')
    const runsFile = join(directory, 'runs')
    writeFileSync(runsFile, '')
    const runs = () => readFileSync(runsFile, 'utf8').split('\n').filter(Boolean).toSorted()
    const model = await startScriptedModel({ script })
    t.after(() => model.stop())
    const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, REDIS_URL, DATABASE_URL, ...own } =
      fleetEnvironment('pending')
    const servers = { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, REDIS_URL, DATABASE_URL } as Record<string, string>
    const fleet = await startKillable(t, directory, {
      ...own,
      FLOTILLA_CONFIG: join(import.meta.dirname, '../support/pending.config.ts'),
      FLOTILLA_SCRIPTED_URL: model.url,
      TOOL_RUNS: runsFile,
      FAILING: 'true',
    })

    // On one machine: all of them wait.
    const submit = (taskId: string, agent: string, timeoutMs = 600_000) =>
      fleet.client.submit({
        taskId,
        text: taskId === 'late' ? 'late latency=300000' : taskId,
        agent,
        timeoutMs,
      })
    const parents = ['asked', 'python', 'dropped']
    for (const taskId of parents) await submit(taskId, taskId === 'python' ? 'coder' : 'lead')
    for (const taskId of ['large-kept', 'large-lost']) await submit(taskId, 'clerk')
    const waiting = [...parents, 'large-kept', 'large-lost']
    const allWait = () =>
      eventually('all calls wait', async () => {
        const calls = await httpOperator(fleet.url).approvals.list({})
        return calls.length === waiting.length
      })
    await allWait()
    // Its call has a time, which the others need not share.
    waiting.push('expiring')
    await submit('expiring', 'clerk')
    await allWait()
    await submit('late', 'clerk', 20_000)
    await submit('retried', 'clerk')
    await eventually('the first try has failed', () => runs().includes('look retried'))
    await eventually('the next one waits for its time', async () => {
      const { events } = await httpOperator(fleet.url).tasks.get('retried')
      return events.some(({ kind }) => kind === 'retry_scheduled')
    })
    await fleet.process().kill9()
    const tries = runs().filter((run) => run === 'look retried').length
    losePayload(fleet.env['FLOTILLA_DATA'] as string, 'large-lost ')

    const env = { ...fleet.env, ...servers, FAILING: '' }
    const migrate = () => flotilla(['migrate', '--to', 'kafka', '--json'], { env })
    let moved = await migrate()
    // A server was too slow on a busy machine: run again, the move goes on.
    for (let tries = 1; moved.code === UNAVAILABLE && tries < 4; tries++) moved = await migrate()
    assert.equal(moved.code, 0, moved.err)
    const { outcome, lines } = JSON.parse(moved.out) as MoveReport
    assert.equal(outcome, 'moved')
    for (const { what, dataFile, target } of lines) assert.equal(target, dataFile, what)

    // On Kafka: timers fire, children answer.
    const there = await startServices([], { env })
    t.after(() => there.kill9())
    await there.ready(120_000)
    const client = new HttpClient(there.url)
    t.after(() => client.close())
    const operator = httpOperator(there.url)
    const ended = async (taskId: string) => {
      const { status, output, error } = await client.result(taskId, { timeoutMs: 120_000 })
      return [status, output ?? error?.code]
    }
    assert.deepEqual(await ended('late'), ['timed_out', 'TASK_TIMED_OUT'])
    assert.deepEqual(await ended('retried'), ['succeeded', 'done retried'])
    assert.deepEqual(
      await ended('expiring'),
      ['succeeded', 'done expiring'],
      'the model learns of the expiry',
    )
    await client.cancel('dropped')
    assert.equal((await ended('dropped'))[0], 'cancelled')
    const held = await eventually('the other calls wait', async () => {
      const calls = await operator.approvals.list({})
      return calls.length === waiting.length - 2 ? calls : null
    })
    for (const { taskId, callId } of held)
      await client.approve({ taskId, callId, approved: true, decidedBy: 'ann' })
    assert.deepEqual(await ended('asked'), ['succeeded', 'done asked'])
    assert.deepEqual(await ended('python'), ['succeeded', 'code: done python'])
    assert.deepEqual(await ended('large-kept'), ['succeeded', 'done large-kept'])
    assert.deepEqual(await ended('large-lost'), ['failed', 'PAYLOAD_MISSING'])
    const once = [
      'fetch_all large-kept',
      'fetch_all large-lost',
      'pay asked',
      'pay large-kept',
      'pay large-lost',
      'pay python',
    ]
    const looks = Array.from({ length: tries + 1 }, () => 'look retried')
    assert.deepEqual(runs(), [...once, ...looks].toSorted())
    // Metering follows the log.
    await eventually('nobody is asked any more', async () => (await operator.approvals.list({})).length === 0)
  },
)
