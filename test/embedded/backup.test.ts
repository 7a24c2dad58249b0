// The disaster drill of one machine: its data is copied while it works and when it is stopped, everything else is lost, and
// a fleet goes on from the copy. docs/disaster-recovery.md has its figures.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-backup-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const model = await startScriptedModel()
after(() => model.stop())

const config = join(import.meta.dirname, '../support/backup.config.ts')
const settings = { FLOTILLA_CONFIG: config, FLOTILLA_SCRIPTED_URL: model.url, FLOTILLA_PARTITIONS: '4' }
const at = (name: string): string => join(directory, name)

async function start(t: TestContext, dataDir: string): Promise<ServiceProcess> {
  const fleet = await startServices([], { env: { ...settings, FLOTILLA_DATA: dataDir } })
  t.after(() => fleet.kill9())
  await fleet.ready()
  return fleet
}

const taskIds = (mark: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${mark}-${i}`)

async function submit(fleet: ServiceProcess, ids: readonly string[], markers = ''): Promise<void> {
  const client = new HttpClient(fleet.url)
  await Promise.all(
    ids.map((taskId) => client.submit({ taskId, text: `task=${taskId} ${markers}`, timeoutMs: 3_600_000 })),
  )
}

async function succeed(fleet: ServiceProcess, ids: readonly string[]): Promise<void> {
  const client = new HttpClient(fleet.url)
  for (const id of ids) {
    const { status, output } = await client.result(id, { timeoutMs: 120_000 })
    assert.deepEqual([status, output], ['succeeded', `done ${id}`])
  }
}

test('a copy taken while tasks run: a fleet goes on from it, with results, open tasks and ledger', async (t) => {
  const env = { ...settings, FLOTILLA_DATA: at('data') }
  const fleet = await start(t, at('data'))
  const [done, open, late] = [taskIds('done', 10), taskIds('open', 20), taskIds('late', 3)]
  await submit(fleet, done)
  await succeed(fleet, done)
  await submit(fleet, open, 'latency=2000')
  const begunMs = performance.now()
  const copied = await flotilla(['backup', '--json', at('copy')], { env })
  const copyMs = performance.now() - begunMs
  assert.equal(copied.code, 0, copied.err)
  // What the fleet accepts after the copy is not in it.
  await submit(fleet, late)
  await fleet.kill9()
  rmSync(at('data'), { recursive: true })

  const lostMs = performance.now()
  const restored = await start(t, at('copy'))
  const readyMs = performance.now() - lostMs
  await succeed(restored, [...done, ...open])
  const allMs = performance.now() - lostMs
  for (const id of late) assert.equal((await fetch(`${restored.url}/v1/tasks/${id}`)).status, 404)
  const usage = async (): Promise<number> => {
    const lines = (await (await fetch(`${restored.url}/v1/usage`)).json()) as { executions: number }[]
    return lines.reduce((sum, { executions }) => sum + executions, 0)
  }
  await eventually(
    'the ledger has every task once',
    async () => (await usage()) === done.length + open.length,
  )
  const { bytes } = JSON.parse(copied.out) as { bytes: number }
  t.diagnostic(
    `copied ${bytes} bytes in ${Math.round(copyMs)} ms with the command; ready after ${Math.round(readyMs)} ms`,
  )
  t.diagnostic(`${open.length} open tasks done ${Math.round(allMs)} ms after the loss`)
  assert.equal(await restored.drain(), 0)
})

test('a copy of the directory of a stopped fleet is that fleet', async (t) => {
  const ids = taskIds('stopped', 5)
  const fleet = await start(t, at('first'))
  await submit(fleet, ids)
  await succeed(fleet, ids)
  assert.equal(await fleet.drain(), 0)
  cpSync(at('first'), at('second'), { recursive: true })
  rmSync(at('first'), { recursive: true })
  await succeed(await start(t, at('second')), ids)
})

test('it refuses what would overwrite or copy nothing, and leaves nothing behind', async (t) => {
  const env = { ...settings, FLOTILLA_DATA: at('small') }
  const fleet = await start(t, at('small'))
  assert.equal(await fleet.drain(), 0)
  const again = [
    await flotilla(['backup', at('kept')], { env }),
    await flotilla(['backup', at('kept')], { env }),
  ]
  assert.deepEqual(
    again.map(({ code }) => code),
    [0, 64],
  )
  assert.match(again[1]?.err ?? '', /holds a fleet's data already; name a new directory/)
  assert.deepEqual(readdirSync(at('kept')), ['flotilla.db'])
  const nothing = await flotilla(['backup', at('none')], { env: { ...env, FLOTILLA_DATA: at('nowhere') } })
  assert.deepEqual([nothing.code, existsSync(at('none'))], [66, false])
  const unnamed = await flotilla(['backup', ''], { env })
  assert.deepEqual([unnamed.code, /REQUEST_INVALID: the directory has no name/.test(unnamed.err)], [64, true])
  const odd = await flotilla(['backup', at("it's kept")], { env })
  assert.ok(odd.out.includes(`FLOTILLA_DATA='${at(String.raw`it'\''s kept`)}' flotilla start`), odd.out)
  const nowhere = await flotilla(['backup', join(at('small'), 'flotilla.db', 'x')], { env })
  assert.deepEqual([nowhere.code, /; name another directory/.test(nowhere.err)], [69, true], nowhere.err)
  const kafka = await flotilla(['backup', at('none')], { env: { ...env, KAFKA_BROKERS: '127.0.0.1:1' } })
  assert.match(kafka.err, /KAFKA_BROKERS is set/)
  assert.equal(kafka.code, 78)
})
