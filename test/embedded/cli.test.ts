// The `flotilla` command as users run it: real processes, an embedded fleet, a real gateway.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exitCodeOf, exitCodes } from '../../cli/program/exit-codes.ts'
import type { TaskResult, TaskUpdate } from '../../client/types.ts'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { flotilla, type Ended } from '../support/command.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'
import { completion, json, startProvider } from '../unit/planner/model/provider-server.ts'

const directories: string[] = []
function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'flotilla-cli-'))
  directories.push(made)
  return made
}
after(() => {
  for (const made of directories) rmSync(made, { recursive: true, force: true })
})

const resultOf = ({ out }: Ended) => JSON.parse(out) as TaskResult
/** What goes wrong before a task exists: the error's exit code, on stdout its JSON at most, words that name the remedy. */
function assertRefused({ code, out, err }: Ended, ...words: readonly RegExp[]): void {
  const [, error] = /^([A-Z_]+): /m.exec(err) ?? []
  const expected = error ? exitCodeOf(new FlotillaError(error as ErrorCode, '')) : exitCodes.usage.code
  assert.equal(code, expected, err)
  if (out !== '') assert.equal((JSON.parse(out) as { error: { code: string } }).error.code, error, err)
  for (const word of words) assert.match(err, word)
  assert.doesNotMatch(err, /\n\s+at /, 'no stack: it is no bug')
}

describe('run', () => {
  const env = { FLOTILLA_DATA: directory() }

  test('through npx and whatever Node the machine has: one JSON object with the promised fields', async () => {
    const ended = await flotilla(['run', '--json', '--model', 'scripted', 'What can you do without a key?'], {
      env: { ...env, FLOTILLA_MODEL: '' },
      by: 'npx',
    })
    assert.equal(ended.code, 0, ended.err)
    assert.equal(ended.out.trim().split('\n').length, 1)
    const result = resultOf(ended)
    for (const field of ['taskId', 'status', 'output', 'steps', 'usage', 'executionTime', 'model', 'traceId'])
      assert.ok(field in result, field)
    assert.equal(result.status, 'succeeded')
    assert.match(String(result.output), /scripted model.*OPENAI_API_KEY/s)
    // A trace id that leads to no trace would only mislead.
    assert.equal(result.traceId, null)
  })

  test('without a model: rejected with the remedy, and never a success', async () => {
    const none = { ...env, FLOTILLA_MODEL: '' }
    const ended = await flotilla(['run', '--json', 'hello'], { env: none })
    const { status, output, error } = resultOf(ended)
    assert.deepEqual([ended.code, status, output, error?.code], [2, 'rejected', null, 'MODEL_NOT_CONFIGURED'])
    const shown = await flotilla(['run', 'hello'], { env: none })
    assert.match(shown.err, /No model is connected\. Set OPENAI_API_KEY/)
    const lost = { ...env, FLOTILLA_MODEL: 'groq/llama-3.3-70b-versatile' }
    assert.match((await flotilla(['run', 'hello'], { env: lost })).err, /Set GROQ_API_KEY to a key/)
  })

  test('on Kafka, router and planner refuse to start without a model, unless they are told to', async () => {
    const kafka = { ...env, KAFKA_BROKERS: '127.0.0.1:1', FLOTILLA_MODEL: '' }
    for (const service of ['router', 'planner'])
      assertRefused(
        await flotilla(['start', service], { env: kafka }),
        /MODEL_NOT_CONFIGURED: (router|planner) can't start without a model/,
        /OPENAI_API_KEY/,
        /FLOTILLA_ALLOW_NO_MODEL=1/,
      )
    // What refuses these is the next check: the stores.
    const others = [
      flotilla(['start', 'metering'], { env: kafka }),
      flotilla(['start', 'router'], { env: { ...kafka, FLOTILLA_ALLOW_NO_MODEL: '1' } }),
    ]
    for (const ended of await Promise.all(others)) assert.doesNotMatch(ended.err, /MODEL_NOT_CONFIGURED/)
  })

  test('what a task used is in the books when the command ends', async () => {
    const own = { FLOTILLA_DATA: directory() }
    for (const executions of [1, 2]) {
      await flotilla(['run', '--json', 'task=books say hi'], { env: own })
      const [total] = JSON.parse((await flotilla(['usage', '--json'], { env: own })).out) as Record<
        string,
        unknown
      >[]
      assert.equal(total?.['executions'], executions)
    }
  })

  test('for people: the steps, the result, that it is scripted; and no colours in a pipe', async () => {
    const { code, out, err } = await flotilla(['run', '--mode', 'tools', '-'], {
      env,
      stdin: 'task=one say hi',
    })
    assert.equal(code, 0)
    assert.match(err, /step 1 tools/)
    assert.match(out, /^succeeded done one\n {2}2 steps · \d+ \+ \d+ tokens · \$0\.0000/)
    assert.match(out, /This answer is scripted/)
    assert.doesNotMatch(out + err, /\u001b/)
  })

  test('an unknown profile is rejected: exit code 2, the name, those that exist, the remedy', async () => {
    const { code, err } = await flotilla(['run', '--profile', 'nope', 'hello'], { env })
    assert.equal(code, 2)
    assert.match(err, /PROFILE_UNKNOWN: There is no profile "nope"\. Known profiles: accurate, economy, fast/)
    assert.match(err, /models\.profiles in flotilla\.config\.ts/)
  })

  test('an oversized task is rejected as a result like any other', async () => {
    const ended = await flotilla(['run', '--json', 'x'.repeat(10_001)], { env })
    assert.equal(ended.code, 2)
    const { status, error } = resultOf(ended)
    assert.equal(status, 'rejected')
    assert.match(
      error?.message ?? '',
      /text has 10001 characters, at most 10000 are allowed \(limits\.input\.maxChars\)/,
    )
  })

  test('a profile whose model is not connected is rejected with the variable to set, never downgraded', async () => {
    const ended = await flotilla(['run', '--json', '--profile', 'fast', 'hello'], { env })
    assert.equal(ended.code, 2)
    assert.match(resultOf(ended).error?.message ?? '', /GROQ_API_KEY/)
  })

  test('a task that fails, and one that runs out of time: exit codes 1 and 4', async () => {
    const failed = await flotilla(['run', '--json', '--mode', 'tools', 'task=e fault=empty'], { env })
    assert.deepEqual([failed.code, resultOf(failed).error?.code], [1, 'OUTPUT_EMPTY'])
    const late = await flotilla(['run', '--json', '--timeout', '1500', 'task=h fault=hang'], { env })
    assert.deepEqual([late.code, resultOf(late).status], [4, 'timed_out'])
  })

  test('mistakes in the command line say what is wrong', async () => {
    assertRefused(await flotilla(['run'], { env }), /missing required argument 'task'/)
    assertRefused(await flotilla(['rnu', 'x'], { env }), /unknown command 'rnu'[^]*Did you mean run\?/)
    assertRefused(
      await flotilla(['run', '--max-steps', 'many', 'x'], { env }),
      /'many' is invalid\. It must be a number/,
    )
    assertRefused(
      await flotilla(['run', '--output-schema', '/none.json', 'x'], { env }),
      /\/none\.json can't be read: ENOENT/,
    )
  })

  test('mistakes in the environment and in the configuration, all at once, before anything starts', async () => {
    const wrong = { ...env, PORT: 'http', LOG_LEVEL: 'loud' }
    assertRefused(
      await flotilla(['run', 'x'], { env: wrong }),
      /CONFIG_INVALID.*2 mistakes/,
      /PORT: must be/,
      /LOG_LEVEL: must be/,
    )
    const file = join(directory(), 'flotilla.config.ts')
    writeFileSync(
      file,
      `export default { agents: { a: { mode: 'x' }, b: { profile: 'p' }, c: { tools: ['t'] } }, limits: { concurrency: -1 }, oops: 1 }`,
    )
    const five = { ...env, FLOTILLA_CONFIG: file }
    const refused = await flotilla(['run', 'x'], { env: five })
    assertRefused(refused, /5 mistakes/, /agents\.a\.mode/, /agents\.b\.profile/, /agents\.c\.tools/)
    assertRefused(refused, /limits\.concurrency/, /oops/)
    const ends: [string, RegExp][] = [
      ['await new Promise(() => {})\nexport default {}', /its import waits for something that never happens/],
      ['process.exit(0)', /it ends the process while it is imported/],
    ]
    for (const [text, why] of ends) {
      writeFileSync(file, text)
      assertRefused(await flotilla(['agents'], { env: five }), /CONFIG_INVALID/, why)
    }
  })
})

describe('a running fleet', () => {
  const dataDir = directory()
  let fleet: ServiceProcess
  let env: Record<string, string>

  before(async () => {
    const port = await freePort()
    env = { FLOTILLA_DATA: dataDir, PORT: String(port), FLOTILLA_PARTITIONS: '3' }
    fleet = await startServices([], { port, env })
    await fleet.ready()
  })
  after(() => fleet.kill9())

  test('submit prints an id, result --wait its result; the same id again runs once', async () => {
    const submitted = await flotilla(['submit', '--json', '--id', 'twice', '--mode', 'tools', 'task=two'], {
      env,
    })
    assert.deepEqual(JSON.parse(submitted.out), { taskId: 'twice' })
    const first = await flotilla(['result', '--wait', '--json', 'twice'], { env })
    assert.equal(first.code, 0, first.err)
    assert.equal(
      (await flotilla(['submit', '--id', 'twice', '--mode', 'tools', 'task=two'], { env })).out,
      'twice\n',
    )
    const reused = await flotilla(['submit', '--id', 'twice', 'another text'], { env })
    assert.deepEqual([reused.code, reused.out], [2, ''])
    assert.match(reused.err, /TASK_ID_REUSED: task twice was submitted before, with another text/)
    assert.deepEqual(resultOf(await flotilla(['result', '--json', 'twice'], { env })), resultOf(first))
  })

  test('no result yet: exit code 5, and how to wait', async () => {
    await flotilla(['submit', '--id', 'slow', '--mode', 'tools', 'task=slow latency=60000'], { env })
    const now = await flotilla(['result', 'slow'], { env })
    assert.deepEqual([now.code, now.out], [5, ''])
    assert.match(now.err, /flotilla result --wait slow/)
    const waited = await flotilla(['result', '--wait', '--timeout', '300', 'slow'], { env })
    assert.equal(waited.code, 5)
  })

  test('cancel ends a task that hangs; watch shows it; the result says why', async () => {
    await flotilla(['submit', '--id', 'hung', '--mode', 'tools', 'task=hung fault=hang'], { env })
    const watching = flotilla(['watch', '--json', 'hung'], { env })
    const cancelled = await flotilla(['cancel', 'hung', '--reason', 'no longer needed'], { env })
    assert.equal(cancelled.code, 0)
    const ended = await flotilla(['result', '--wait', 'hung'], { env })
    assert.equal(ended.code, 3)
    assert.match(ended.out, /^cancelled\n {2}TASK_CANCELLED: .*no longer needed/)
    const again = async (...options: string[]) =>
      (await flotilla(['cancel', 'hung', ...options], { env })).out
    // The ledger may be a moment behind the log.
    await eventually('a second cancel finds nothing to do', async () =>
      /^task hung has ended already \(cancelled, TASK_CANCELLED\)/.test(await again()),
    )
    assert.deepEqual(JSON.parse(await again('--json')), { matched: [], more: false })
    const updates = (await watching).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as TaskUpdate)
    assert.equal(updates.at(-1)?.kind, 'result')
  })

  test('a task that can’t be one is refused with every mistake', async () => {
    assertRefused(
      await flotilla(['submit', '--id', 'not an id', 'x'], { env }),
      /TASK_INVALID: taskId may hold/,
    )
    assertRefused(
      await flotilla(['submit', '--max-steps', '1.5', 'x'], { env }),
      /'1.5' is invalid. It must be a whole number/,
    )
  })

  test('a stream without an end is no task', async () => {
    const ended = await flotilla(['submit', '-'], { env, stdin: 'y\n'.repeat(6_000_000) })
    assertRefused(ended, /REQUEST_INVALID: stdin has more than 10 MB/)
  })

  test('operators’ commands and doctor work beside it, even with another PORT', async () => {
    const elsewhere = { ...env, PORT: '1' }
    const topics = await flotilla(['topics', '--json'], { env: elsewhere })
    const rows = JSON.parse(topics.out) as { name: string; records: number }[]
    assert.ok((rows.find(({ name }) => name === 'tasks.completed')?.records ?? 0) > 0)
    assert.match((await flotilla(['dead-letters'], { env })).out, /No dead letters\./)
    assertRefused(await flotilla(['dead-letters', 'show', '0:0'], { env }), /NOT_FOUND: no dead letter 0:0/)
    const doctor = await flotilla(['doctor', '--json'], { env: elsewhere })
    assert.equal(doctor.code, 0, doctor.out)
    const findings = JSON.parse(doctor.out) as { check: string; result: string }[]
    assert.ok(findings.length >= 7 && findings.every(({ result }) => result !== 'failed'))
  })

  test('run uses the fleet that is there', async () => {
    const { code, out, err } = await flotilla(['run', '--mode', 'tools', 'task=beside'], {
      env: { ...env, PORT: '1' },
    })
    assert.equal(code, 0, err)
    assert.match(err, /A fleet is running on .*: using its gateway, http:\/\/127\.0\.0\.1:\d+/)
    assert.match(out, /done beside/)
  })

  test('a second fleet on the same directory, and on the same port, is refused with the remedy', async () => {
    assertRefused(
      await flotilla(['start'], { env }),
      /DATA_LOCKED: .* in use by process \d+, gateway http/,
      /FLOTILLA_DATA/,
    )
    assertRefused(
      await flotilla(['start'], { env: { ...env, FLOTILLA_DATA: directory() } }),
      /PORT_IN_USE: port \d+/,
      /Set PORT/,
    )
    assertRefused(
      await flotilla(['start', 'nosuch'], { env }),
      /no service named nosuch; there are: router, sessions, planner/,
    )
    assertRefused(
      await flotilla(['start', 'router'], { env }),
      /single services need Kafka: set KAFKA_BROKERS/,
    )
  })

  test('kill -9 and start again: what was under way goes on; SIGTERM then drains and exits 0', async () => {
    await flotilla(['submit', '--id', 'survivor', '--mode', 'tools', 'task=survivor latency=1500'], { env })
    await fleet.kill9()
    assertRefused(
      await flotilla(['submit', 'x'], { env }),
      /GATEWAY_UNAVAILABLE: no gateway answers at/,
      /flotilla start/,
    )
    fleet = await startServices([], { port: Number(env['PORT']), env })
    await fleet.ready()
    const result = await flotilla(['result', '--wait', '--json', 'survivor'], { env })
    assert.equal(resultOf(result).output, 'done survivor')
    assert.equal(await fleet.drain(), 0)
    const rows = JSON.parse((await flotilla(['topics', '--json'], { env })).out) as {
      name: string
      records: number
    }[]
    assert.ok(rows.length > 10, 'with no fleet the command opens the file itself')
  })
})

const looking = [
  'topics',
  'ps',
  'lanes',
  'status t',
  'pause',
  'breakers --json',
  'dead-letters',
  'dead-letters show 0:0',
  'dead-letters replay 0:0',
  'usage',
  'usage export',
  'limits',
  'limits rebuild',
  'alerts silence high_latency',
]
for (const command of looking)
  test(`flotilla ${command} where no fleet has run: it says so and how to start one, and leaves no files`, async () => {
    const dataDir = join(directory(), 'data')
    const ended = await flotilla(command.split(' '), { env: { FLOTILLA_DATA: dataDir } })
    assertRefused(ended, /NO_FLEET: no fleet has run in .*data yet/, /flotilla start, .*flotilla run "/)
    assert.ok(!existsSync(dataDir))
  })

test('where no fleet has run, alerts lists its rules; after doctor and limits there is still no fleet', async () => {
  const env = { FLOTILLA_DATA: join(directory(), 'data') }
  const { code, out, err } = await flotilla(['alerts', '--json'], { env })
  assert.deepEqual([code, (JSON.parse(out) as unknown[]).length], [0, 6])
  assert.match(err, /^These are the rules as configured: no fleet has run in .*flotilla start/)
  assert.ok(!existsSync(env.FLOTILLA_DATA))
  assert.equal((await flotilla(['doctor'], { env })).code, 0)
  assertRefused(await flotilla(['breakers'], { env }), /NO_FLEET/, /flotilla start/)
  assert.match((await flotilla(['topics', '--create'], { env })).out, /tasks\.submitted +3 /)
  assert.match((await flotilla(['breakers'], { env })).out, /No breaker has opened/)
})

test('every command looks through the gateway at FLOTILLA_URL, whatever the data directory holds', async () => {
  const env = { FLOTILLA_URL: 'http://127.0.0.1:9', FLOTILLA_DATA: directory() }
  for (const command of [
    'topics',
    'breakers',
    'dead-letters',
    'usage',
    'limits',
    'alerts',
    'ps',
    'lanes',
    'agents',
  ])
    assertRefused(
      await flotilla([command], { env }),
      /GATEWAY_UNAVAILABLE: .*127\.0\.0\.1:9/,
      /flotilla start/,
    )
})

test('a directory held by a command without a gateway: DATA_LOCKED, not advice about a gateway', async (t) => {
  // It holds the directory until its model answers.
  const refused = Promise.withResolvers<void>()
  const model = await startProvider(t, async (_, response) => {
    await refused.promise
    json(response, 200, completion({ content: 'done' }))
  })
  const env = { FLOTILLA_DATA: directory() }
  const run = ['run', '--json', '--mode', 'tools', 'hold it']
  const holder = flotilla(run, { env: { ...env, FLOTILLA_SCRIPTED_URL: model.url } })
  await eventually('the first command holds the directory', () =>
    existsSync(join(env.FLOTILLA_DATA, 'owner.json')),
  )
  assertRefused(
    await flotilla(['topics'], { env }),
    /DATA_LOCKED: .*in use by process \d+\n/,
    /FLOTILLA_DATA/,
  )
  refused.resolve()
  assert.equal((await holder).code, 0)
})
