// schemas/asyncapi.yaml by AsyncAPI's own parser, Avro schemas included, and a client that Modelina generates from it: it
// compiles, and a task that it writes as plain JSON runs.
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { homeOf } from '../../runtime/log/home.ts'
import { topics } from '../../schemas/topics.ts'
import { runTool } from '../infra/tool.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { npmFolder } from './npm-folder.ts'

const root = join(import.meta.dirname, '../..')
const client = `import { FlotillaDotTaskCompleted, TaskSubmittedAsJson, TaskSubmittedAsJsonMode } from './types.js'

const [result] = process.argv.slice(2)
if (result === undefined) {
  const task = new TaskSubmittedAsJson({
    reservedText: 'Grüße task=generated',
    taskId: 'generated',
    mode: TaskSubmittedAsJsonMode.TOOLS,
    maxSteps: 3,
  })
  console.log(task.marshal())
} else {
  const { taskId, reservedStatus, output } = FlotillaDotTaskCompleted.unmarshal(result)
  console.log(JSON.stringify({ taskId, status: reservedStatus, output }))
}
`

let folder: string
let found: { problems: string[]; messages: string[] }
let fleet: TestFleet
before(async () => {
  folder = await npmFolder([
    '@asyncapi/parser@3.6.6',
    '@asyncapi/avro-schema-parser@3.1.0',
    '@asyncapi/modelina@5.10.1',
  ])
  const generator = join(folder, 'generate.mjs')
  copyFileSync(join(import.meta.dirname, 'asyncapi/generate.mjs'), generator)
  const args = [generator, join(root, 'schemas/asyncapi.yaml'), join(folder, 'types.ts')]
  found = JSON.parse(await runTool(process.execPath, args)) as typeof found
  fleet = await startTestFleet()
})
after(() => fleet?.stop())

test('the parser finds no error and no warning, and every event', () => {
  assert.deepEqual(found.problems, [])
  const events = new Set(topics.flatMap((topic) => topic.events))
  assert.deepEqual(new Set(found.messages), new Set([...events, 'TaskSubmittedAsJson']))
})

test('the generated client compiles; its task runs, and it reads the result', async () => {
  writeFileSync(join(folder, 'client.ts'), client)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const options = [
    '--strict',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--outDir',
    folder,
  ]
  const types = ['--typeRoots', join(root, 'node_modules/@types')]
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await runTool(process.execPath, [tsc, ...options, ...types, join(folder, 'client.ts')], { cwd: folder })
  const run = (...args: string[]) => runTool(process.execPath, [join(folder, 'client.js'), ...args])

  const { log } = fleet.process
  const partition = homeOf('generated', log.partitions)
  const value = Buffer.from((await run()).trim())
  await log.publish([{ topic: 'tasks.submitted', partition, key: 'generated', value, headers: {} }])
  const result = await fleet.client.result('generated', { timeoutMs: 120_000 })
  const read = JSON.parse(await run(JSON.stringify(result))) as unknown
  assert.deepEqual(read, { taskId: 'generated', status: 'succeeded', output: 'done generated' })
  assert.match(readFileSync(join(folder, 'types.ts'), 'utf8'), /class FlotillaDotTaskProgressed/)
})
