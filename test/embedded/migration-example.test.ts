// The program of docs/migration.md that takes an agent's place, as it stands, and its fleet.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FIRST_TASK } from '../../cli/actions/init.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { runTool } from '../infra/tool.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const example = join(import.meta.dirname, '../../examples/migration/flotilla')
const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-migration-'))
const LATE = 'What does it cost to send 3 kg to Norway, when the model is slow?'
const late = Promise.withResolvers<void>()
const asked: string[] = []
let model: ScriptedModel
let fleet: ServiceProcess
let impatient: Server

/** The fleet's gateway, where no request waits for longer than a moment. */
const startImpatient = (): Server =>
  createServer((request, response) => {
    void (async () => {
      let body = ''
      for await (const piece of request) body += String(piece)
      const { method = '', url = '' } = request
      asked.push(`${method} ${url.replace(/\/[^/]+\/result/, '/ID/result')}`)
      if (asked.length > 2) late.resolve()
      const wait = method === 'POST' ? 'wait=0' : 'wait=1'
      const answer = await fetch(fleet.url + url.replace('wait=30', wait), {
        method,
        headers: { 'content-type': 'application/json' },
        ...(method === 'POST' && { body }),
      })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
    })()
  }).listen(0, '127.0.0.1')

before(async () => {
  model = await startScriptedModel({
    until: async ({ task }) => (task.includes('slow') ? late.promise : undefined),
    script: ({ turn, observations }) =>
      turn === 0
        ? { toolCalls: [{ name: 'shipping_cost', arguments: { country: 'Norway', kilos: 3 } }] }
        : {
            text: observations.includes('12.6') ? 'Sending 3 kg to Norway costs 12.60 euros.' : observations,
          },
  })
  const env = {
    FLOTILLA_CONFIG: join(example, 'flotilla.config.ts'),
    FLOTILLA_DATA: dataDir,
    FLOTILLA_MODEL: '',
    OPENAI_BASE_URL: model.url,
    OPENAI_API_KEY: 'none',
    OPENAI_MODEL: 'slow',
  }
  fleet = await startServices([], { env })
  await fleet.ready()
  impatient = startImpatient()
})
after(async () => {
  late.resolve()
  impatient?.close()
  await fleet?.drain()
  await model?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

const ask = (text: string, url: string): Promise<string> =>
  runTool('python3', [join(example, 'ask.py'), text], { env: { ...process.env, FLOTILLA_URL: url } })

test('the fleet is asked by a program without a package', async () => {
  assert.match(await ask(FIRST_TASK, fleet.url), /^Sending 3 kg to Norway costs 12\.60 euros\./)
})

test('a task that takes longer than a request may wait is waited for', { timeout: 60_000 }, async () => {
  const { port } = impatient.address() as AddressInfo
  assert.match(await ask(LATE, `http://127.0.0.1:${port}`), /^Sending 3 kg to Norway costs 12\.60 euros\./)
  assert.deepEqual(asked.slice(0, 3), [
    'POST /v1/tasks?wait=30',
    'GET /v1/tasks/ID/result?wait=30',
    'GET /v1/tasks/ID/result?wait=30',
  ])
})

test('a task that is rejected, and a request that is refused, end the program with the reason', async () => {
  await assert.rejects(ask('', fleet.url), /rejected: .*text is empty/)
  await assert.rejects(ask(FIRST_TASK, `${fleet.url}/elsewhere`), /no route POST \/elsewhere/)
})
