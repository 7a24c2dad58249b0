// The tools of examples/http-tool: served by Python, called by a fleet.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { freePort } from '../infra/port.ts'
import { boundToUs } from '../infra/server.ts'
import { installedProgram } from '../infra/tool.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const example = join(import.meta.dirname, '../../examples/http-tool')
const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-http-tool-'))
const key = 'key-of-the-tools'
let tools: ChildProcess
let model: ScriptedModel
let fleet: ServiceProcess
let toolsUrl = ''

/** The task is `<tool> <country>`; the answer is what the tool said. */
function script({ task, turn, observations }: { task: string; turn: number; observations: string }) {
  const [name = '', country = ''] = task.split(' ')
  if (turn === 0) return { toolCalls: [{ name, arguments: { country, kilos: 3 } }] }
  return { text: observations }
}

before(async () => {
  await installedProgram('python3', 'python3')
  const port = await freePort()
  toolsUrl = `http://127.0.0.1:${port}`
  const [command, ...args] = boundToUs(['python3', join(example, 'server.py'), String(port)])
  tools = spawn(command, args, {
    env: { PATH: process.env['PATH'], TOOLS_KEY: key },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(tools.stdout as NodeJS.ReadableStream, 'data')
  model = await startScriptedModel({ script })
  fleet = await startServices([], {
    env: {
      FLOTILLA_CONFIG: join(example, 'flotilla.config.ts'),
      FLOTILLA_DATA: dataDir,
      FLOTILLA_SCRIPTED_URL: model.url,
      TOOLS_URL: toolsUrl,
      TOOLS_KEY: key,
    },
  })
  await fleet.ready()
})
after(async () => {
  await fleet?.drain()
  await model?.stop()
  tools?.kill('SIGKILL')
  rmSync(dataDir, { recursive: true, force: true })
})

async function ask(text: string): Promise<string> {
  const answer = await fetch(`${fleet.url}/v1/tasks?wait=30`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text, agent: 'clerk' }),
  })
  const { status, output } = (await answer.json()) as { status: string; output: string }
  assert.equal(status, 'succeeded')
  return output
}

const call = (name: string, headers: Record<string, string>) =>
  fetch(`${toolsUrl}/${name}`, { method: 'POST', headers, body: '{"country":"Norway","kilos":1}' })

test('a result in Python is the result of the call; a refusal is told to the model', async () => {
  assert.match(await ask('shipping_cost Norway'), /12\.6/)
  assert.match(await ask('book_parcel Portugal'), /P-1.*9\.3/)
  assert.match(await ask('shipping_cost Atlantis'), /no price for Atlantis; there are: Norway, Portugal/)
})

test('the server books once under one key, and answers nobody without the key', async () => {
  const authorization = `Bearer ${key}`
  const booked = await (await call('book_parcel', { authorization, 'idempotency-key': 'k' })).text()
  assert.equal(await (await call('book_parcel', { authorization, 'idempotency-key': 'k' })).text(), booked)
  assert.notEqual(
    await (await call('book_parcel', { authorization, 'idempotency-key': 'other' })).text(),
    booked,
  )
  assert.equal((await call('book_parcel', {})).status, 401)
})
