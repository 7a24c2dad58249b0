// Replaying dead letters on a whole fleet: after a bug is corrected, what was given up is handled once more, and no promise
// is broken by it.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { z } from 'zod'
import { DirectDeadLetters } from '../../operator/direct/dead-letters/dead-letters.ts'
import { loadServices } from '../../services/index.ts'
import { defineTool } from '../../runtime/config/define.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Service } from '../../runtime/service.ts'
import type { EventType, Stage } from '../../runtime/stage.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

/** A stage that throws where it is told to, until the bug is corrected. */
class Bug {
  corrected = false
  readonly #stage: string
  readonly #step: 'decide' | 'conclude'
  readonly #type: EventType

  constructor(stage: string, step: 'decide' | 'conclude', type: EventType) {
    this.#stage = stage
    this.#step = step
    this.#type = type
  }

  async services(): Promise<Service[]> {
    return (await loadServices()).map((service) =>
      service.name === this.#stage && service.stage
        ? { ...service, stage: (fleet: Fleet) => this.#buggy(service.stage?.(fleet) as Stage) }
        : service,
    )
  }

  #buggy(stage: Stage): Stage {
    const check = (step: string, type: string): void => {
      if (!this.corrected && step === this.#step && type === this.#type)
        throw new Error('a bug of this release')
    }
    return {
      ...stage,
      decide: (event, rows, lane) => {
        check('decide', event.type)
        return stage.decide(event, rows, lane)
      },
      conclude: (event, ...rest) => {
        check('conclude', event.type)
        return stage.conclude?.(event, ...rest) ?? {}
      },
    }
  }
}

async function start(t: TestContext, bug: Bug, options: Parameters<typeof startTestFleet>[0] = {}) {
  const fleet = await startTestFleet({ ...options, services: await bug.services() })
  t.after(() => fleet.stop())
  const operator = new DirectDeadLetters(fleet.process.log, fleet.process.codec)
  return { fleet, operator }
}

async function records(fleet: TestFleet, topic: TopicName, taskId: string): Promise<number> {
  const { log } = fleet.process
  const found = await log.read(topic, homeOf(taskId, log.partitions), 0, 1_000)
  return found.filter(({ key }) => key === taskId).length
}

/** Everything that is on the log now was taken and committed by every stage. */
async function atRest({ process: { log } }: TestFleet): Promise<void> {
  await eventually('every stage is at the end of its topics', async () => {
    const ends = await log.ranges(['tasks.admitted', 'tools.requested', 'tools.completed', 'tasks.completed'])
    const behind = await Promise.all(
      ['planner', 'tool-executor', 'metering'].map(async (group) => {
        const positions = await log.positions(group)
        return positions.some(({ topic, partition, offset }) =>
          ends.some((end) => end.topic === topic && end.partition === partition && end.next > offset),
        )
      }),
    )
    return !behind.includes(true)
  })
}

const refusedWith =
  (pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof FlotillaError && error.code === 'REQUEST_INVALID' && pattern.test(error.message)

test('an admission whose task has ended is not replayed, and a second one from elsewhere begins nothing', async (t) => {
  const bug = new Bug('planner', 'decide', 'TaskAdmitted')
  const { fleet, operator } = await start(t, bug)
  await fleet.client.submit({ taskId: 'poisoned', text: 'say hi task=x' })
  assert.equal((await fleet.client.result('poisoned', { timeoutMs: 120_000 })).status, 'failed')
  bug.corrected = true
  const [letter] = await operator.list()
  assert.ok(letter)
  await assert.rejects(operator.replay(letter.id, { force: true }), refusedWith(/poisoned has ended/))
  const { log } = fleet.process
  const [admitted] = await log.read('tasks.admitted', homeOf('poisoned', log.partitions), 0, 1)
  assert.ok(admitted)
  await log.publish([admitted])
  await atRest(fleet)
  assert.equal(await records(fleet, 'tasks.completed', 'poisoned'), 1)
})

test('a tool that must not run twice does not: the recorded outcome answers its replayed request', async (t) => {
  let runs = 0
  const charge = defineTool({
    name: 'echo',
    description: 'Charges.',
    input: z.object({ text: z.string() }),
    output: z.string(),
    idempotent: false,
    run: ({ text }) => {
      runs++
      return text
    },
  })
  const bug = new Bug('tool-executor', 'conclude', 'ToolRequested')
  const { fleet, operator } = await start(t, bug, { definition: { tools: [charge] } })
  await fleet.client.submit({ taskId: 'charged', text: 'say hi task=x' })
  await fleet.client.result('charged', { timeoutMs: 120_000 })
  assert.equal(runs, 1)
  bug.corrected = true
  const [letter] = await operator.list()
  assert.ok(letter)
  await assert.rejects(
    operator.replay(letter.id),
    refusedWith(/which only planner, code-sandbox writes.*--force/),
  )
  await operator.replay(letter.id, { force: true })
  await atRest(fleet)
  assert.equal(runs, 1)
  assert.equal(await records(fleet, 'tasks.completed', 'charged'), 1)

  const requests = await records(fleet, 'tools.requested', 'charged')
  await assert.rejects(
    operator.replay(letter.id, { force: true }),
    refusedWith(/was replayed at .* nothing was done/),
  )
  assert.equal(await records(fleet, 'tools.requested', 'charged'), requests)
  assert.deepEqual(
    (await operator.list()).map(({ id }) => id),
    [letter.id],
    'the mark of a replay is no letter',
  )
})

test('a submission whose id is remembered is submitted again under another id', async (t) => {
  const bug = new Bug('router', 'decide', 'TaskSubmitted')
  const { fleet, operator } = await start(t, bug)
  await fleet.client.submit({ taskId: 'first', text: 'say hi task=x' })
  assert.equal((await fleet.client.result('first', { timeoutMs: 120_000 })).status, 'failed')
  bug.corrected = true
  const [letter] = await operator.list()
  assert.ok(letter)
  await assert.rejects(operator.replay(letter.id), refusedWith(/first was answered.*--as <new id>/))
  await assert.rejects(operator.replay(letter.id, { as: 'a/b' }), refusedWith(/not a task id/))
  await operator.replay(letter.id, { as: 'second' })
  assert.equal((await fleet.client.result('second', { timeoutMs: 120_000 })).status, 'succeeded')
  assert.equal(await records(fleet, 'tasks.completed', 'first'), 1)
})

test('a result that a stage gave up is not published a second time', async (t) => {
  const bug = new Bug('metering', 'decide', 'TaskCompleted')
  const { fleet, operator } = await start(t, bug)
  await fleet.client.submit({ taskId: 'counted', text: 'say hi task=x' })
  await fleet.client.result('counted', { timeoutMs: 120_000 })
  await eventually('metering gave it up', async () => (await operator.list()).length === 1)
  const [letter] = await operator.list()
  assert.ok(letter)
  await assert.rejects(operator.replay(letter.id, { force: true }), refusedWith(/second one/))
  assert.equal(await records(fleet, 'tasks.completed', 'counted'), 1)
})

const garbage = (topic: TopicName, value: Buffer) => ({ topic, partition: 0, key: null, value, headers: {} })

async function letterOf(operator: DirectDeadLetters, code: string): Promise<string> {
  let found: string | undefined
  await eventually('there is a letter', async () => {
    found = (await operator.list()).find((letter) => letter.code === code)?.id
    return found !== undefined
  })
  return found as string
}

test('a letter has one id, written in one way; of replays at once one is carried out', async (t) => {
  const { fleet, operator } = await start(t, new Bug('planner', 'decide', 'TaskAdmitted'))
  const { log } = fleet.process
  await log.publish([garbage('tasks.control', Buffer.from('garbage'))])
  const id = await letterOf(operator, 'UNDECODABLE_RECORD')
  const [partition, offset] = id.split(':')
  const others = [`0${id}`, `${id}:1`, ` ${id}`, `${id}\n`, `+${id}`, `${id}.0`, `${partition}:`, ':', '-1:0']
  const absent = [`${log.partitions}:${offset}`, '99:0', '0:99999999999999999999', '999999999999:0']
  for (const other of [...others, ...absent]) {
    await assert.rejects(operator.get(other), { code: 'NOT_FOUND' }, other)
    await assert.rejects(operator.replay(other), { code: 'NOT_FOUND' }, other)
  }
  const replays = await Promise.allSettled([1, 2, 3, 4].map(() => operator.replay(id)))
  assert.deepEqual(
    replays.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected'],
  )
})

test('a submission that was too large and had no id was not answered: its replay is refused for its size', async (t) => {
  const { fleet, operator } = await start(t, new Bug('planner', 'decide', 'TaskAdmitted'))
  const large = JSON.stringify({ text: 'x'.repeat(600_000) })
  await fleet.process.log.publish([garbage('tasks.submitted', Buffer.from(large))])
  const id = await letterOf(operator, 'RECORD_TOO_LARGE')
  const whole = new DirectDeadLetters(fleet.process.log, fleet.process.codec, fleet.process.stores.blobs)
  await assert.rejects(whole.replay(id), { code: 'RECORD_TOO_LARGE', message: /send it in a smaller form/ })
})
