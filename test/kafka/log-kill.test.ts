// A member killed at work, and one stopped until its lanes are another's, then woken: nothing is lost, nothing is
// there twice, as a read_committed reader sees it.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log } from '../../runtime/log/port.ts'
import { eventually } from '../conformance/waiting.ts'
import { kafkaLog, PARTITIONS, uniquePrefix } from './brokers.ts'

const RECORDS = 2_400

test('2,400 records while members join, die and come back from the dead: each answered once', async (t) => {
  const prefix = uniquePrefix('kill')
  const log = kafkaLog(prefix)
  t.after(() => log.close())
  await log.ensureTopics(['worker'])
  const answered = new Map<string, number>()
  const tail = log.tail({ topics: ['tasks.completed'], from: 'earliest' }, (records) => {
    for (const { key } of records) answered.set(key ?? '', (answered.get(key ?? '') ?? 0) + 1)
  })
  await tail.ready

  const started: WorkerProcess[] = []
  // One that a failure leaves behind would keep this file from ending.
  t.after(() => started.forEach(({ child }) => child.kill('SIGKILL')))
  const start = (instance: string): WorkerProcess => {
    const process = worker(prefix, instance)
    started.push(process)
    return process
  }
  const first = start('first')
  const publishing = publishAll(log)
  await eventually('the first member works', () => answered.size > 300)
  const second = start('second')
  await eventually('the second member has lanes', () => second.said.includes('open'))
  first.child.kill('SIGKILL')
  const third = start('third')
  await eventually('the third member has lanes', () => third.said.includes('open'))
  second.child.kill('SIGSTOP')
  const lanesOfThird = (): number => third.said.split(' open').length - 1
  await eventually('the third member has every lane', () => lanesOfThird() >= PARTITIONS)
  // It still holds finished work and a transactional id, and does not know that it was given up.
  const before = second.said.length
  second.child.kill('SIGCONT')
  await publishing
  await eventually('all are answered', () => answered.size === RECORDS, 240_000).catch((error: unknown) => {
    const said = [second, third].map((each) => each.said.slice(-2_000)).join('\n')
    throw new Error(`${answered.size} of ${RECORDS} are answered; the members said:\n${said}`, {
      cause: error,
    })
  })
  // Its next commit is refused; with nothing to commit, it learns it from its group.
  const woken = (): boolean => / (lost|revoked)/.test(second.said.slice(before))
  await eventually('the woken member has given its lanes up', woken)
  await Promise.all([stopped(second), stopped(third)])

  const read = new Map<string, number>()
  for (let partition = 0; partition < PARTITIONS; partition++)
    for (const { key } of await log.read('tasks.completed', partition, 0, RECORDS * 2))
      read.set(key ?? '', (read.get(key ?? '') ?? 0) + 1)
  const twice = [...read].filter(([, times]) => times !== 1)
  assert.deepEqual([read.size, twice], [RECORDS, []])
  assert.deepEqual(
    [...answered].filter(([, times]) => times !== 1),
    [],
  )
})

async function stopped({ child, said }: WorkerProcess): Promise<void> {
  child.kill('SIGTERM')
  const late = pause(180_000, 'late', { ref: false })
  assert.notEqual(
    await Promise.race([once(child, 'exit'), late]),
    'late',
    `it does not end; it said:\n${said}`,
  )
}

async function publishAll(log: Log): Promise<void> {
  for (let from = 0; from < RECORDS; from += 20) {
    await log.publish(
      Array.from({ length: 20 }, (_, index) => {
        const key = `task-${from + index}`
        const partition = homeOf(key, PARTITIONS)
        return { topic: 'tasks.submitted' as const, partition, key, value: Buffer.from('x'), headers: {} }
      }),
    )
    // Spread over the life of the members, so that each is killed with work in hand.
    await pause(120)
  }
}

interface WorkerProcess {
  readonly child: ChildProcess
  said: string
}

function worker(prefix: string, instance: string): WorkerProcess {
  const script = join(import.meta.dirname, 'lane-worker.ts')
  const child = spawn(process.execPath, [script, prefix, instance], { stdio: ['ignore', 'pipe', 'inherit'] })
  const process_: WorkerProcess = { child, said: '' }
  child.stdout.on('data', (text: Buffer) => {
    process_.said += text.toString('utf8')
  })
  return process_
}
