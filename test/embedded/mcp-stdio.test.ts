// `flotilla mcp` as a real process at the other end of two pipes, driven by the protocol's own client.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { flotilla } from '../support/command.ts'
import definition from '../support/mcp-stdio.config.ts'
import { startTestFleet } from '../support/fleet.ts'

const repository = join(import.meta.dirname, '../..')
const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-mcp-'))
after(() => rmSync(dataDir, { recursive: true, force: true }))

const ADMIN = 'an-admin-key-of-this-test'.padEnd(40, 'x')

interface Connected {
  readonly client: Client
  readonly asked: string[]
}

/** A client whose person approves everything; or nothing can be asked there. */
async function connect(
  args: string[],
  env: Record<string, string>,
  isLegacy: boolean,
  isAlone = false,
): Promise<Connected> {
  const asked: string[] = []
  const client = new Client(
    { name: 'test', version: '1' },
    {
      capabilities: { elicitation: { form: {} } },
      ...(isLegacy ? {} : { versionNegotiation: { mode: { pin: '2026-07-28' } } }),
    },
  )
  client.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params.message)
    if (isAlone) throw new Error('nobody is here')
    return { action: 'accept', content: { confirm: true } }
  })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', join(repository, 'cli/main.ts'), 'mcp', ...args],
    env: {
      PATH: process.env['PATH'] ?? '',
      FLOTILLA_CONFIG: join(repository, 'test/support/mcp-stdio.config.ts'),
      FLOTILLA_MODEL: 'scripted',
      FLOTILLA_PARTITIONS: '3',
      LOG_LEVEL: 'error',
      ...env,
    },
    stderr: 'inherit',
  })
  await client.connect(transport)
  return { client, asked }
}

async function drive({ client, asked }: Connected): Promise<void> {
  const { tools } = await client.listTools()
  assert.deepEqual(
    tools.map(({ name, description }) => [name, description]),
    [['default', 'Echoes.']],
  )
  const lines: (string | undefined)[] = []
  const call = { name: 'default', arguments: { text: 'task=one' } }
  const answer = await client.callTool(call, { onprogress: ({ message }) => lines.push(message) })
  assert.deepEqual(answer.content, [{ type: 'text', text: 'done one' }])
  assert.ok(lines.includes('step 1: echo succeeded'), lines.join('\n'))
  assert.equal(asked.length, 1)
  await client.close()
}

test('a fleet inside the command; a client of 2025-11-25 is asked for an approval', async () => {
  await drive(await connect([], { FLOTILLA_DATA: dataDir }, true))
})

test('a running fleet behind its gateway; a client of 2026-07-28', async () => {
  const { tools = [], agents = {} } = definition
  await using fleet = await startTestFleet({
    http: true,
    env: { FLOTILLA_ADMIN_KEY: ADMIN },
    definition: { tools, agents },
  })
  const url = fleet.process.url ?? ''
  await drive(await connect(['--url', url], { FLOTILLA_API_KEY: ADMIN }, false))
  const { client } = await connect(['--url', url], { FLOTILLA_API_KEY: ADMIN }, true, true)
  const _meta = { 'flotilla/idempotencyKey': 'in-vain' }
  const inVain = await client.callTool({ name: 'default', arguments: { text: 'task=three' }, _meta })
  assert.equal(inVain.isError, true)
  // The call has ended: its task does not go on waiting for a person.
  assert.equal((await fleet.client.result('in-vain', { timeoutMs: 120_000 })).status, 'cancelled')
  await client.close()
  const refused = await flotilla(['mcp', '--url', url])
  assert.deepEqual([refused.code, /UNAUTHENTICATED/.test(refused.err)], [77, true])
  const stdin = `no JSON\n{"jsonrpc":"2.0"}\n{"a":"${'x'.repeat(10_000_000)}`
  const long = await flotilla(['mcp', '--url', url], { env: { FLOTILLA_API_KEY: ADMIN }, stdin })
  assert.deepEqual([long.code, long.out], [64, ''], long.err)
  assert.match(long.err, /REQUEST_INVALID: closed the connection of the client: .*10000000 bytes\n/)
  assert.ok(
    long.err.split('\n').every((line) => line.length < 500 && !line.startsWith('   ')),
    long.err,
  )
})

test('a client that no longer reads ends the command in good order; a full disk ends it with its reason', async () => {
  const main = join(repository, 'cli/main.ts')
  const env = {
    PATH: process.env['PATH'],
    FLOTILLA_DATA: dataDir,
    FLOTILLA_CONFIG: join(repository, 'test/support/mcp-stdio.config.ts'),
    FLOTILLA_MODEL: 'scripted',
    FLOTILLA_PARTITIONS: '3',
    LOG_LEVEL: 'error',
  }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  const initialize = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  const full = openSync('/dev/full', 'w')
  for (const [stdout, code, says] of [
    ['pipe', 0, /^ready: [^\n]*\n$/],
    [full, 69, /^ready: [^\n]*\nfailed to write the output: ENOSPC: [^\n]*\n$/],
  ] as const) {
    const child = spawn(process.execPath, [main, 'mcp'], { env, stdio: ['pipe', stdout, 'pipe'] })
    const ended = once(child, 'close')
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (!said.startsWith('ready') || said.includes('failed')) return
      child.stdout?.destroy()
      child.stdin?.write(`${initialize}\n`)
    })
    assert.deepEqual(await ended, [code, null], said)
    assert.match(said, says)
  }
  closeSync(full)
})

test('a fleet that is not there is an error before any message', async () => {
  const nobody = await flotilla(['mcp', '--url', 'http://127.0.0.1:9'])
  assert.deepEqual([nobody.code, nobody.out, /no gateway answers/.test(nobody.err)], [69, '', true])
  const kafka = await flotilla(['mcp'], { env: { KAFKA_BROKERS: '127.0.0.1:9' } })
  assert.deepEqual([kafka.code, /--url/.test(kafka.err)], [78, true])
})

test('the command ends with its client: the task of a call that nobody can answer is cancelled', async () => {
  const message = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'default', arguments: { text: 'task=two' } },
  }
  const stdin = [
    {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
    },
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    message,
  ]
    .map((each) => `${JSON.stringify(each)}\n`)
    .join('')
  const env = {
    FLOTILLA_DATA: dataDir,
    FLOTILLA_CONFIG: join(repository, 'test/support/mcp-stdio.config.ts'),
  }
  const ended = await flotilla(['mcp'], { env, stdin })
  assert.equal(ended.code, 0, ended.err)
  const listed = await flotilla(['ps', '--all', '--json'], { env })
  const tasks = JSON.parse(listed.out) as { tasks?: { text: string; status: string }[] }
  const rows = Array.isArray(tasks) ? (tasks as { text: string; status: string }[]) : (tasks.tasks ?? [])
  const open = rows.filter(({ status }) => ['queued', 'running', 'waiting'].includes(status))
  assert.deepEqual(open, [], listed.out)
})
