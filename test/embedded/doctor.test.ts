// `flotilla doctor` looks, and holds nothing that a fleet needs.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DoctorReport } from '../../api/schemas/doctor.ts'
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { requirePartitions } from '../../runtime/log/embedded/partitions.ts'
import { inspectDataFile, openDataFile } from '../../runtime/store/data-file/data-file.ts'
import { loadServices } from '../../services/index.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet, type TestFleetOptions } from '../support/fleet.ts'

const temporary = (t: { after(work: () => void): void }): string => {
  const made = mkdtempSync(join(tmpdir(), 'flotilla-doctor-test-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('doctor takes no lock: it works while another process holds the data directory, and leaves no file', async (t) => {
  const dataDir = join(temporary(t), 'data')
  const asked = async () => {
    const ended = await flotilla(['doctor', '--json'], { env: { FLOTILLA_DATA: dataDir } })
    const findings = JSON.parse(ended.out) as { check: string; result: string; reason: string }[]
    return findings.find(({ check }) => check === 'data directory')
  }
  const { result, reason = '' } = (await asked()) ?? {}
  assert.equal(result, 'ok')
  assert.match(reason.replace(dataDir, ''), /^: new, \d+ MB free$/)
  assert.ok(!existsSync(dataDir))
  const file = openDataFile({ dataDir })
  t.after(() => file.release())
  assert.equal((await asked())?.result, 'ok')
})

test('a data file is inspected while it is open, and one that no fleet could use is reported', (t) => {
  const dataDir = temporary(t)
  assert.equal(inspectDataFile(join(dataDir, 'not', 'yet')), 'new')
  writeFileSync(join(dataDir, 'flotilla.db'), 'no database at all, but long enough to be looked at')
  assert.throws(() => inspectDataFile(dataDir), {
    code: 'LOG_UNAVAILABLE',
    message: /flotilla\.db: .*go back to a backup/,
  })
  const isNoDirectory = {
    code: 'LOG_UNAVAILABLE',
    message: /not a directory; .*set FLOTILLA_DATA to a directory/,
  }
  for (const path of [[], ['below']])
    assert.throws(() => inspectDataFile(join(dataDir, 'flotilla.db', ...path)), isNoDirectory)
})

test('a data directory whose topics have another number of partitions is reported, as a start would refuse it', async (t) => {
  const dataDir = temporary(t)
  const opened = (partitions: number) => openEmbeddedLog({ dataDir, partitions })
  const log = opened(4)
  await log.ensureTopics([])
  await log.close()
  const inspect = (partitions: number) => () =>
    inspectDataFile(dataDir, (db) => requirePartitions(db, 'flotilla', partitions))
  assert.doesNotThrow(inspect(4))
  const mismatch = { code: 'TOPICS_MISMATCH', message: /set FLOTILLA_PARTITIONS=4/ }
  assert.throws(inspect(6), mismatch)
  await using cleanup = new AsyncDisposableStack()
  const other = opened(6)
  cleanup.defer(() => other.close())
  await assert.rejects(async () => other.ensureTopics([]), mismatch)
})

const reportOf = async (
  options: TestFleetOptions,
): Promise<Map<string, DoctorReport['findings'][number]>> => {
  await using fleet = await startTestFleet({ http: true, ...options })
  const response = await fetch(`${fleet.process.url}/v1/doctor`)
  assert.equal(response.status, 200)
  const { findings } = (await response.json()) as DoctorReport
  return new Map(findings.map((finding) => [finding.check, finding]))
}

test('the gateway of a whole fleet reports every check, with what it has open', async () => {
  const found = await reportOf({ env: { SLACK_WEBHOOK_URL: 'http://127.0.0.1:9/services/canary-slack-1' } })
  const named = ['configuration', 'agents', 'transport', 'model API', 'data directory', 'log']
  const more = ['schema registry', 'cache and journal', 'database', 'sandbox', 'alerts']
  assert.deepEqual([...found.keys()], [...named, ...more])
  for (const check of ['log', 'schema registry', 'database', 'cache and journal', 'sandbox'])
    assert.equal(found.get(check)?.result, 'ok', JSON.stringify(found.get(check)))
  assert.deepEqual(
    [found.get('model API')?.result, found.get('model API')?.reason],
    ['warn', 'answers are scripted: no language model is asked'],
  )
  assert.match(found.get('model API')?.remedy ?? '', /Set the key of a provider/)
  assert.ok(!JSON.stringify([...found]).includes('canary'))
})

test('a gateway alone does not try what other processes do', async () => {
  const found = await reportOf({ services: await loadServices(['gateway']) })
  for (const [check, service] of [
    ['model API', 'planner'],
    ['sandbox', 'code-sandbox'],
    ['alerts', 'alerting'],
  ] as const) {
    const { result, reason, remedy } = found.get(check) ?? {}
    assert.equal(result, 'skipped', check)
    assert.match(reason ?? '', new RegExp(`^${service} runs in another process`))
    assert.match(remedy ?? '', /flotilla doctor/)
  }
  assert.equal(found.get('log')?.result, 'ok')
})

test('a model that refuses the key is found, with the remedy', async () => {
  const env = { OPENAI_API_KEY: 'sk-canary-wrong-1', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' }
  const found = await reportOf({ env: { ...env, FLOTILLA_MODEL: 'openai/gpt-5-mini' } })
  const { result, code, remedy } = found.get('model API') ?? {}
  assert.deepEqual([result, code], ['failed', 'MODEL_UNAVAILABLE'])
  assert.match(remedy ?? '', /base URL/)
})
