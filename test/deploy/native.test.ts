// The target `native` of deploy/Dockerfile: a task whose steps run in CPython, in a container confined as the chart's pods.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { demoTasks } from '../../examples/demo-tasks.ts'
import { runTool } from '../infra/tool.ts'
import { buildImage } from './image.ts'

assert.ok(process.env['DOCKER_HOST'], 'DOCKER_HOST is not set: run this by npm run test:deploy -- native')

const configuration = `
import fleet from '/app/examples/flotilla.config.ts'
const of = { models: ['scripted/any'], temperature: 0, maxSteps: 10, timeoutMs: 60_000 }
const profiles = { cpython: { ...of, executor: 'native' }, docker: { ...of, executor: 'docker' } }
const agents = { default: { mode: 'code', overrides: { profile: true } } }
export default { ...fleet, models: { profiles }, agents }
`

test('a task in code mode runs in CPython; an executor that the image has not is refused', async (t) => {
  const { name } = await buildImage('native')
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-native-'))
  t.after(() => rmSync(folder, { recursive: true }))
  // The container's user reads it.
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'flotilla.config.ts'), configuration)
  const confined = '--rm --network=none --read-only --tmpfs=/tmp:exec,mode=1777 --cap-drop=ALL'.split(' ')
  const settings = ['FLOTILLA_CONFIG=/config/flotilla.config.ts', 'FLOTILLA_MODEL=scripted']
  const given = ['-v', `${folder}:/config:ro`, ...settings.flatMap((setting) => ['-e', setting])]
  const run = async (profile: string): Promise<{ status: string; error: { code: string } | null }> => {
    const task = ['run', '--json', '--profile', profile, demoTasks[0]?.text ?? '']
    const docker = ['run', ...confined, '--security-opt=no-new-privileges', ...given, name, ...task]
    // A task that was rejected ends the command with another code than 0.
    const said = await runTool('sh', ['-c', '"$@" 2>/dev/null || true', 'sh', 'docker', ...docker])
    return JSON.parse(said) as { status: string; error: { code: string } | null }
  }
  const { status, error } = await run('cpython')
  assert.deepEqual([status, error], ['succeeded', null])
  assert.equal((await run('docker')).error?.code, 'EXECUTOR_NOT_CONFIGURED')
})
