// The command on a data directory whose fleet has ended, and on one that is paused.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from '../infra/port.ts'
import { flotilla } from '../support/command.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-offline-'))
let env: Record<string, string>

before(async () => {
  env = { FLOTILLA_DATA: join(directory, 'fleet'), PORT: String(await freePort()) }
})
after(() => rmSync(directory, { recursive: true, force: true }))

test('after a run its result is there without a gateway, and the file takes feedback', async () => {
  const ran = await flotilla(['run', '--json', '--id', 'ran', 'hello'], { env })
  assert.equal(ran.code, 0, ran.err)
  const found = await flotilla(['result', '--json', 'ran'], { env })
  assert.deepEqual(JSON.parse(found.out), JSON.parse(ran.out))
  assert.equal((await flotilla(['result', '--wait', 'ran'], { env })).code, 0)
  assert.match((await flotilla(['logs', 'ran'], { env })).out, /task\.admitted.*task\.completed  succeeded/s)
  const rated = await flotilla(['feedback', 'ran', '--score', '4'], { env })
  assert.match(rated.out, /sent for task ran; no fleet is running/)
  const late = await flotilla(['cancel', 'ran'], { env })
  assert.deepEqual(
    [late.code, late.out],
    [0, 'task ran has ended already (succeeded): there is nothing to cancel\n'],
  )
  for (const args of [
    ['result', 'nobody'],
    ['cancel', 'nobody'],
  ])
    assert.equal((await flotilla(args, { env })).code, 66)
  const { code, err } = await flotilla(['submit', 'hello'], { env })
  assert.deepEqual([code, /no gateway answers at .*, and no fleet runs on/.test(err)], [69, true])
})

test('a reader that goes away, and a full disk behind the output, are no bugs', async () => {
  const main = `${process.execPath} ${join(import.meta.dirname, '../../cli/main.ts')}`
  const command = `${process.execPath} ${join(import.meta.dirname, '../../cli/bin.js')}`
  const shell = async (line: string) => {
    const child = spawn('sh', ['-c', line], { env: { ...env, PATH: process.env['PATH'] } })
    let err = ''
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, err }
  }
  // The reader is gone before anything is written.
  assert.deepEqual(await shell(`{ ${main} usage export --table tasks; echo "code $?" >&2; } | true`), {
    code: 0,
    err: 'code 0\n',
  })
  for (const line of [`${main} ps --all`, `${main} --help`, `${command} --version`]) {
    const { code, err } = await shell(`${line} > /dev/full`)
    assert.deepEqual(
      [line, code, err.split('\n')[0]],
      [line, 69, 'failed to write the output: ENOSPC: no space left on device, write'],
    )
  }
  assert.deepEqual(await shell(`${command} --version | true`), { code: 0, err: '' })
})

test('with --json a failure is a document on stdout too, with the code of the error', async () => {
  const nowhere = { ...env, FLOTILLA_DATA: join(directory, 'nowhere') }
  for (const [args, code, error, where] of [
    [['status', '--json', 'nobody'], 69, 'NO_FLEET', nowhere],
    [['status', '--json', 'nobody'], 66, 'TASK_UNKNOWN', env],
    [['run', '--json'], 64, 'REQUEST_INVALID', nowhere],
    [['nonsense', '--json'], 64, 'REQUEST_INVALID', nowhere],
    [['run', '--json', 'x'], 78, 'CONFIG_INVALID', { ...nowhere, FLOTILLA_CONFIG: 'none.ts' }],
  ] as const) {
    const ended = await flotilla(args, { env: where })
    const said = JSON.parse(ended.out) as { error: Record<string, string> }
    assert.deepEqual([ended.code, said.error['code']], [code, error], ended.err)
    assert.ok(said.error['message'] && said.error['remedy'], ended.out)
    assert.ok(ended.err.includes(said.error['message']), ended.err)
  }
})

/** Throws once the import is over, which nothing else listens for. */
const AFTER_IMPORT = `export default {}
const looking = setInterval(() => {
  if (process.listenerCount('beforeExit') > 0) return
  clearInterval(looking)
  throw new Error('late')
})`

test('with --json a configuration that ends the process, or throws where nothing catches it, is a document too', async () => {
  const config = join(directory, 'ends.config.ts')
  const own = { ...env, FLOTILLA_DATA: join(directory, 'ends'), FLOTILLA_CONFIG: config }
  for (const [text, code, error, message] of [
    ['process.exit(0)', 78, 'CONFIG_INVALID', /it ends the process while it is imported/],
    ['process.exit(3)', 3, 'CONFIG_INVALID', /it ends the process while it is imported/],
    [
      'setTimeout(() => { throw new Error("boom") }); await new Promise(() => {})',
      1,
      'CONFIG_INVALID',
      /^boom$/,
    ],
    [AFTER_IMPORT, 1, 'INTERNAL', /^late$/],
  ] as const) {
    writeFileSync(config, text)
    const ended = await flotilla(['run', '--json', 'hello'], { env: own })
    const said = JSON.parse(ended.out) as { error: Record<string, string> }
    assert.deepEqual([ended.code, said.error['code']], [code, error], ended.err)
    assert.match(said.error['message'] ?? '', message)
  }
})

test('what a configuration prints is on stderr, so that stdout has the result alone', async () => {
  const config = join(directory, 'prints.config.ts')
  writeFileSync(config, 'console.log("I print"); export default {}')
  const own = { ...env, FLOTILLA_DATA: join(directory, 'prints'), FLOTILLA_CONFIG: config }
  const { code, out, err } = await flotilla(['run', '--json', '--model', 'scripted', 'hello'], { env: own })
  assert.equal(code, 0, err)
  assert.equal((JSON.parse(out) as { status: string }).status, 'succeeded')
  assert.match(err, /^I print$/m)
})

test('in a directory that was removed there is help, and no bug', async () => {
  const line = (args: string) =>
    `cd "$(mktemp -d)" && rmdir "$PWD" && exec ${process.execPath} ${join(import.meta.dirname, '../../cli/bin.js')} ${args}`
  const shell = (args: string) => promisify(execFile)('sh', ['-c', line(args)])
  await assert.rejects(shell('run --json x'), ({ code, stdout }: { code: number; stdout: string }) => {
    const { error } = JSON.parse(stdout) as { error: { message: string } }
    assert.match(error.message, /^the working directory was removed/)
    return code === 66
  })
  assert.match((await shell('run --help')).stdout, /^Usage: flotilla run/)
})

test('a run on a paused stage says why it waits; the second Ctrl-C leaves the task', async () => {
  assert.equal((await flotilla(['pause', 'planner', '--reason', 'tea'], { env })).code, 0)
  const main = join(import.meta.dirname, '../../cli/main.ts')
  const child = spawn(process.execPath, [main, 'run', '--id', 'left', 'hello'], {
    env: { ...env, PATH: process.env['PATH'], FLOTILLA_PARTITIONS: '3', FLOTILLA_MODEL: 'scripted' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'close')
  let said = ''
  const { promise: isCancelling, resolve } = Promise.withResolvers<void>()
  let isInterrupted = false
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (!isInterrupted && said.includes('step 1 thinking')) isInterrupted = child.kill('SIGINT')
    if (said.includes('Ctrl-C again')) resolve()
  })
  await isCancelling
  child.kill('SIGINT')
  assert.deepEqual(await ended, [130, null])
  assert.match(said, /planner is paused since .*: tea; the task waits until: flotilla resume planner\n/)
  assert.match(said, /Left task left: flotilla status left shows it/)
  for (const command of ['result left', 'status left'])
    assert.match(
      (await flotilla(command.split(' '), { env })).err,
      /No fleet is running here: flotilla start/,
    )
  const cancelled = await flotilla(['cancel', 'left'], { env })
  assert.equal(cancelled.out, 'cancel sent for task left; no fleet is running, the next start takes it\n')
  const logs = await flotilla(['logs', 'left'], { env })
  assert.deepEqual(
    [logs.code, /no fleet is running here, and task left has no result/.test(logs.err)],
    [69, true],
  )
  assert.equal((await flotilla(['resume', 'planner'], { env })).code, 0)
})

test('topics --acls names a principal that no broker would match, before anything is created', async () => {
  // Nothing listens at these; a process that tried to connect would say LOG_UNAVAILABLE.
  const servers = {
    KAFKA_BROKERS: '127.0.0.1:1',
    REDIS_URL: 'redis://127.0.0.1:1',
    DATABASE_URL: 'postgres://flotilla@127.0.0.1:1/flotilla',
  }
  for (const [form, message] of [
    ['user:{service}', /brokers know the type "User", not "user": give User:\{service\}/],
    ['{service}:x', /must be a principal with \{service\} in it, such as User:\{service\}/],
    ['User:fleet', /must be a principal with \{service\} in it/],
  ] as const) {
    const { code, err } = await flotilla(['topics', '--create', '--acls', form], { env: servers })
    assert.match(err, message)
    assert.notEqual(code, 0)
  }
  const { err } = await flotilla(['topics', '--create', '--schemas'], { env: servers })
  assert.match(err, /SCHEMA_REGISTRY_URL is not set/)
})
