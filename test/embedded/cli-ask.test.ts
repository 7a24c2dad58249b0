// What `flotilla` says of a running fleet: its tasks, configuration, lanes and pauses; and that there is no such task.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { flotilla } from '../support/command.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-ask-'))
let fleet: ServiceProcess
let env: Record<string, string>

before(async () => {
  const port = await freePort()
  env = { FLOTILLA_DATA: join(directory, 'fleet'), PORT: String(port), FLOTILLA_PARTITIONS: '3' }
  fleet = await startServices([], { port, env })
  await fleet.ready()
})
after(async () => {
  await fleet.kill9()
  rmSync(directory, { recursive: true, force: true })
})

for (const command of [
  'result nobody',
  'result --wait nobody',
  'watch nobody',
  'logs nobody',
  'approvals approve nobody',
  'status nobody',
  'cancel nobody',
  'feedback nobody --score 3',
])
  test(`flotilla ${command}: there is no such task, exit code 66`, async () => {
    const { code, err } = await flotilla(command.split(' '), { env })
    assert.equal(code, 66)
    assert.match(err, /TASK_UNKNOWN: there is no task nobody\n.*flotilla ps --all/)
  })

test('ps and status show what runs; agents, tools, models, config and lanes what there is', async () => {
  await flotilla(['submit', '--id', 'done', '--mode', 'tools', 'task=done'], { env })
  // It runs for as long as the commands of these tests take, on a busy machine too.
  const hour = ['--timeout', '3600000']
  await flotilla(['submit', '--id', 'seen', ...hour, '--mode', 'tools', 'task=seen latency=3600000'], { env })
  const list = async (command: string) =>
    JSON.parse((await flotilla(command.split(' '), { env })).out) as unknown
  await eventually('it is listed', async () => {
    const { tasks } = (await list('ps --json')) as { tasks: { taskId: string; phase: string }[] }
    return tasks.some(({ taskId, phase }) => taskId === 'seen' && phase === 'model')
  })
  assert.match((await flotilla(['ps'], { env })).out, /^id +status.*\nseen +running +thinks /m)
  assert.match(
    (await flotilla(['status', 'seen'], { env })).out,
    /state +running: thinks\n.*asked +task=seen latency=3600000\n/s,
  )
  assert.equal((await flotilla(['result', '--wait', 'done'], { env })).code, 0)
  await eventually('it has ended in the ledger', async () =>
    /^done +succeeded/m.test((await flotilla(['ps', '--status', 'succeeded'], { env })).out),
  )
  assert.match(
    (await flotilla(['logs', 'done'], { env })).out,
    /^\S+ \S+Z  router +task\.admitted .*\n.* planner +step 1 model\.answered .* tokens .* planner +task\.completed  succeeded/s,
  )
  const events = (await flotilla(['logs', '--json', 'done', '--type', 'task.completed'], { env })).out
  assert.deepEqual(Object.keys(JSON.parse(events) as object).slice(0, 2), ['type', 'taskId'])
  assert.match((await flotilla(['agents'], { env })).out, /\(default\)/)
  for (const command of ['tools --json', 'models --json', 'lanes --json', 'config show --json'])
    assert.ok(((await list(command)) as unknown[]).length > 0, command)
  assert.match((await flotilla(['config', '--changed'], { env })).out, /FLOTILLA_DATA +\S+ +environment/)
  assert.equal((await flotilla(['ps', '--since', 'soon'], { env })).code, 64)
})

test('another directory of this machine: commands for operators find the gateway at PORT, as the others do', async () => {
  const elsewhere = { ...env, FLOTILLA_DATA: join(directory, 'elsewhere') }
  assert.match((await flotilla(['ps', '--all'], { env: elsewhere })).out, /^seen +running/m)
  assert.ok(!existsSync(elsewhere.FLOTILLA_DATA))
})

test('pause and resume: ps, lanes and the command itself say so', async () => {
  assert.match(
    (await flotilla(['pause', 'alerting', '--reason', 'noise'], { env })).out,
    /^alerting is paused since .*: noise/,
  )
  assert.match((await flotilla(['ps'], { env })).err, /alerting is paused since/)
  assert.match((await flotilla(['lanes'], { env })).out, /^alerting +\S+ +paused/m)
  assert.equal((await flotilla(['pause', 'alerting'], { env })).code, 64)
  assert.equal((await flotilla(['pause', 'nosuch'], { env })).code, 66)
  assert.equal((await flotilla(['resume', 'alerting'], { env })).out, 'Nothing is paused.\n')
})

test('where no fleet has run, agents, tools, models and config show what is configured', async () => {
  const own = { FLOTILLA_DATA: join(directory, 'none'), PORT: String(await freePort()) }
  for (const command of ['agents', 'tools', 'models', 'config']) {
    const { code, out, err } = await flotilla([command, '--json'], { env: own })
    assert.ok(code === 0 && (JSON.parse(out) as unknown[]).length > 0, err)
    assert.match(err, /^This is the configuration here: no fleet has run in/)
  }
  assert.ok(!existsSync(own.FLOTILLA_DATA))
})
