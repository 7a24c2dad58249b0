// A process that is killed and started again on the same machine: it does not wait for the session of the one before it.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from '../conformance/waiting.ts'
import { kafkaLog, PARTITIONS, uniquePrefix } from './brokers.ts'

/** Far more than the test waits: a lane that moves earlier was taken from a member that is proven dead. */
const SESSION_MS = 600_000

function worker(
  t: TestContext,
  prefix: string,
  instance: string,
): { child: ChildProcess; lanes: () => number } {
  const script = join(import.meta.dirname, 'lane-worker.ts')
  const args = [script, prefix, instance, String(SESSION_MS)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (text: Buffer) => (said += text.toString('utf8')))
  return { child, lanes: () => said.split(' open\n').length - 1 }
}

async function killed({ child }: { child: ChildProcess }): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('its lanes are taken over at once, from several members too', async (t) => {
  const prefix = uniquePrefix('restart')
  const log = kafkaLog(prefix)
  t.after(() => log.close())
  await log.ensureTopics(['worker'])
  const first = worker(t, prefix, 'first')
  await eventually('the first has all lanes', () => first.lanes() >= PARTITIONS)
  const second = worker(t, prefix, 'second')
  await eventually('the second has lanes', () => second.lanes() > 0)
  await Promise.all([killed(first), killed(second)])
  const third = worker(t, prefix, 'third')
  await eventually('the third has all lanes', () => third.lanes() >= PARTITIONS)
  const { owners } = await log.members('worker')
  assert.equal(new Set(owners.map(({ owner }) => owner)).size, 1)
})
