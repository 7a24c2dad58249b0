// The release before this one and this one on one log, as whole builds: a rolling upgrade from either end with tasks in
// flight, and back. test/golden/releases holds the earlier release (test/golden/make-release.ts).
import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import pg from 'pg'
import { HttpClient } from '../../client/http/client.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { kafkaLog } from './brokers.ts'
import { oldRelease } from '../support/old-release.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'
import { fleetEnvironment } from '../support/servers.ts'

/** A process that starts on a machine that does much else, and a group that moves its lanes there. */
const START_MS = 180_000
const MOVE_MS = 60_000

const BEFORE = oldRelease('0.1.0')
after(() => BEFORE.remove())
const model = await startScriptedModel()
after(() => model.stop())

/** Two processes of each release: who admits tasks and answers, and who works; or one that does both. */
const parts = {
  entry: ['router', 'metering', 'alerting', 'gateway'],
  work: ['planner', 'tool-executor'],
  whole: ['router', 'metering', 'alerting', 'gateway', 'planner', 'tool-executor'],
} as const
type Part = keyof typeof parts

interface Fleet {
  /** Starts this part of a release beside what runs. */
  begin(part: Part, release: 'before' | 'now'): Promise<ServiceProcess>
  /** And resolves when it is ready. */
  start(part: Part, release: 'before' | 'now'): Promise<ServiceProcess>
  /** As docs/upgrading.md has it, before processes of 0.1.0 start again. */
  setMigrationsAside(): Promise<void>
  putMigrationsBack(): Promise<void>
  /** Submits tasks that are in flight for a while. */
  submit(entry: ServiceProcess, round: string): Promise<void>
  /** Every task that was submitted has its one result, and one row in the ledger. */
  settle(entry: ServiceProcess): Promise<void>
  /** Resolves when each of these stages has committed positions: those that nobody waits for come a second later. */
  committed(stages: readonly string[]): Promise<void>
}

async function inDatabase(...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: process.env['DATABASE_URL'] })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

function fleetOf(t: TestContext, name: string): Fleet {
  const env = fleetEnvironment(name, { FLOTILLA_SCRIPTED_URL: model.url })
  const schema = `"${env['FLOTILLA_PREFIX']}"`
  const submitted: string[] = []
  const begin: Fleet['begin'] = async (part, release) => {
    const start = release === 'before' ? BEFORE.start : startServices
    const started = await start(parts[part], { env })
    t.after(() => started.kill9())
    return started
  }
  return {
    begin,
    async setMigrationsAside() {
      await inDatabase(
        `create table ${schema}.migrations_of_0_2 as select * from ${schema}.kysely_migration where name > '0005'`,
        `delete from ${schema}.kysely_migration where name > '0005'`,
      )
    },
    async putMigrationsBack() {
      await inDatabase(
        `insert into ${schema}.kysely_migration select * from ${schema}.migrations_of_0_2`,
        `drop table ${schema}.migrations_of_0_2`,
      )
    },
    async start(part, release) {
      const started = await begin(part, release)
      await started.ready(START_MS)
      return started
    },
    async submit({ url }, round) {
      const client = new HttpClient(url)
      const ids = Array.from({ length: 8 }, (_, index) => `${round}-${index}`)
      await Promise.all(ids.map((taskId) => client.submit({ taskId, text: `task=${taskId} latency=700` })))
      submitted.push(...ids)
    },
    async settle({ url }) {
      const client = new HttpClient(url)
      for (const id of submitted) {
        const { status, output, usage } = await client.result(id, { timeoutMs: 120_000 })
        assert.deepEqual([status, output, usage.toolCalls], ['succeeded', `done ${id}`, 1], id)
      }
      await eventually('the ledger has each once', async () => {
        const lines = (await (await fetch(`${url}/v1/usage`)).json()) as { executions: number }[]
        return lines.reduce((sum, { executions }) => sum + executions, 0) === submitted.length
      })
    },
    async committed(stages) {
      const log = kafkaLog(env['FLOTILLA_PREFIX'] ?? '')
      try {
        const hasPositions = async (stage: string) => (await log.positions(stage)).length > 0
        await eventually('positions are committed', async () =>
          (await Promise.all(stages.map(hasPositions))).every(Boolean),
        )
      } finally {
        await log.close()
      }
    },
  }
}

async function replace(
  t: TestContext,
  name: string,
  order: readonly ['work' | 'entry', 'work' | 'entry'],
): Promise<[Fleet, ServiceProcess]> {
  const fleet = fleetOf(t, name)
  const running = { entry: await fleet.start('entry', 'before'), work: await fleet.start('work', 'before') }
  for (const part of order) {
    await fleet.submit(running.entry, `before-${part}`)
    const next = await fleet.start(part, 'now')
    await fleet.submit(running.entry, `beside-${part}`)
    assert.equal(await running[part].drain(), 0)
    running[part] = next
  }
  await fleet.submit(running.entry, 'after')
  await fleet.settle(running.entry)
  return [fleet, running.entry]
}

/** Stages of which a process says that a newer release has written lanes. */
async function declined(process: ServiceProcess): Promise<string[]> {
  const readiness = await process.readiness()
  const parts = readiness?.parts.filter(({ problem }) => /a row of version \d+ was found/.test(problem ?? ''))
  return (parts ?? []).map(({ name }) => name)
}

test('a rolling upgrade from either end, and back', { timeout: 600_000 }, async (t) => {
  const workFirst = replace(t, 'upgrade-work', ['work', 'entry'])
  const [fleet, entry] = await replace(t, 'upgrade-entry', ['entry', 'work'])
  await workFirst

  // Back: lanes that this release has written stay closed under the earlier one, which says so; nothing is lost.
  await fleet.setMigrationsAside()
  const earlier = await fleet.begin('entry', 'before')
  await eventually('it runs', async () => (await earlier.readiness()) !== null, START_MS).catch(() =>
    assert.fail(`it does not run: ${earlier.output()}`),
  )
  assert.equal(await entry.drain(), 0)
  await eventually(
    'it declines what it may not take',
    async () => (await declined(earlier)).includes('stage router'),
    MOVE_MS,
  )
  await fleet.submit(earlier, 'back')
  await fleet.putMigrationsBack()
  const again = await fleet.start('entry', 'now')
  await earlier.drain()
  await fleet.settle(again)
})

test(
  'the earlier release takes no lane that this one has committed to, of any stage, and even after kill -9',
  {
    timeout: 600_000,
  },
  async (t) => {
    const fleet = fleetOf(t, 'upgrade-killed')
    const whole = await fleet.start('whole', 'now')
    await fleet.submit(whole, 'now')
    await fleet.settle(whole)
    const names = ['router', 'planner', 'tool-executor', 'metering', 'alerting']
    await fleet.committed(names)
    await whole.kill9()
    await fleet.setMigrationsAside()
    const earlier = await fleet.begin('whole', 'before')
    const stages = names.map((name) => `stage ${name}`)
    await eventually(
      'it declines them',
      async () => {
        const found = await declined(earlier)
        return stages.every((stage) => found.includes(stage))
      },
      START_MS,
    )
  },
)
