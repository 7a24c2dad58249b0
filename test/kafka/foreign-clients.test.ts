// The clients of examples/clients against a fleet: Python and Java with Avro, Go with plain JSON. Each finds its result.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pythonWith } from '../compat/sdist.ts'
import { cached } from '../infra/cache.ts'
import { java, maven, quickStart } from '../infra/java.ts'
import { requireProgram, runTool } from '../infra/tool.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { TaskCompleted } from '../../schemas/generated/events.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'

const clients = new URL('../../examples/clients/', import.meta.url).pathname
const env = fleetEnvironment('foreign-clients')
const environment = { ...process.env, ...env }
const read = (...path: string[]) => readFileSync(join(clients, ...path), 'utf8')

let fleet: TestFleet
before(async () => {
  fleet = await startTestFleet({ env })
})
after(() => fleet?.stop())

async function asks(mark: string, command: string, args: readonly string[]): Promise<void> {
  const text = `Grüße, 世界 🚢 task=${mark}`
  const options = { env: environment, timeoutMs: 300_000 }
  const printed = await runTool(command, [...args, text], options)
  const { taskId, ...rest } = JSON.parse(printed) as { taskId: string }
  assert.deepEqual(rest, { status: 'succeeded', output: `done ${mark}` })
  const { log, codec } = fleet.process
  const records = await log.read('tasks.completed', homeOf(taskId, log.partitions), 0, 1_000)
  const record = records.find(({ key }) => key === taskId)
  const { data } = await codec.decode(record?.value ?? new Uint8Array(), 'tasks.completed')
  assert.equal((data as TaskCompleted).text, text)
}

test('Python: confluent-kafka and its Avro serializers', async () => {
  const packages = read('python', 'requirements.txt').trim().split('\n')
  await asks('python', await pythonWith(packages), [join(clients, 'python/client.py')])
})

test('Java: Apache’s Kafka client and Avro', async () => {
  const pom = join(clients, 'java/pom.xml')
  const jars = await cached('java-client', [read('java', 'pom.xml')], async (directory) => {
    const copy = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${directory}/lib`]
    await runTool(maven(), copy)
  })
  const program = join(clients, 'java/FlotillaClient.java')
  await asks('java', java(), [...quickStart, '-cp', `${jars}/lib/*`, program])
})

test('Go: franz-go, with the task as plain JSON', async () => {
  const sources = ['go.mod', 'go.sum', 'main.go'].map((file) => read('go', file))
  const built = await cached('go-client', sources, async (directory) => {
    const go = requireProgram('go', 'Install Go 1.24.6 or later and put it on PATH.')
    const build = ['build', '-mod=readonly', '-buildvcs=false', '-o', join(directory, 'client'), '.']
    await runTool(go, build, { cwd: join(clients, 'go') })
  })
  await asks('go', join(built, 'client'), [])
})
