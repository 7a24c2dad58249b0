// The image of deploy/sandbox-http, built and run as its header says, but on the network of this machine.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { after, test } from 'node:test'
import { HttpExecutor } from '../../services/code-sandbox/executors/http/http-executor.ts'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { runTool } from '../infra/tool.ts'
import { TOKEN } from './http-server.ts'
import { TestSession } from './suite/session.ts'

assert.ok(
  process.env['DOCKER_HOST'],
  'DOCKER_HOST is not set: run this by node test/run.ts sandbox http-image',
)

const root = fileURLToPath(new URL('../..', import.meta.url))
const IMAGE = 'flotilla-sandbox-http'
const confinement = ['--read-only', '--tmpfs=/tmp', '--cap-drop=ALL', '--security-opt=no-new-privileges']

test('a container of the image runs a step, without privileges and on a read-only file system', async () => {
  const env = { ...process.env, DOCKER_BUILDKIT: '0' }
  const build = ['build', '--network=none', '-q', '-f', 'deploy/sandbox-http/Dockerfile', '-t', IMAGE, '.']
  await runTool('docker', build, { env, cwd: root })
  const port = await freePort()
  const settings = ['HOST=127.0.0.1', `PORT=${port}`, `FLOTILLA_SANDBOX_TOKEN=${TOKEN}`].flatMap((set) => [
    '-e',
    set,
  ])
  const run = ['run', '-d', '--rm', '--network=host', ...confinement, ...settings, IMAGE]
  const id = (await runTool('docker', run)).trim()
  after(() => runTool('docker', ['kill', id]))
  const url = `http://127.0.0.1:${port}`
  await eventually('it listens', () =>
    fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  const executor = new HttpExecutor({ memoryMb: 512, maxChildren: 2, url, token: TOKEN })
  after(() => executor.close())
  await executor.check()
  const session = new TestSession(executor)
  const outcome = await session.step('x = search("a")\nx', () => 'found')
  assert.deepEqual([outcome.error, outcome.value], [null, 'found'])
  const hungry = await session.step('y = bytearray(600_000_000)')
  assert.equal(hungry.error?.code, 'CODE_MEMORY')
  assert.equal((await session.step('open("/etc/passwd")')).error?.code, 'CODE_PERMISSION')
})
