// Runs of evaluations to W&B Weave: what the real SDK (npm) sends to a server on loopback.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { exportToWeave } from '../../evaluation/exports/weave.ts'
import { cached } from '../infra/cache.ts'
import { runTool } from '../infra/tool.ts'
import { cases, run } from './evaluation-exports/run.ts'

const sdk = 'weave@0.11.1'
const directory = await cached('npm', [sdk], async (draft) => {
  writeFileSync(join(draft, 'package.json'), '{"private":true}')
  await runTool('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', sdk], { cwd: draft })
})

interface Started {
  readonly id: string
  readonly parent_id?: string
  readonly project_id: string
  readonly op_name: string
  readonly inputs: Record<string, unknown>
  readonly attributes: Record<string, unknown>
}
interface Ended {
  readonly id: string
  readonly output: unknown
}
interface Received {
  readonly started: Started[]
  readonly ended: Map<string, Ended>
  readonly authorizations: Set<string>
}

let received: Received
/** Status of every answer to a batch. */
let status = 200

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const path = request.url ?? ''
  received.authorizations.add(request.headers.authorization ?? '')
  if (path.endsWith('upsert_batch')) {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as {
      batch: { req: { start?: Started; end?: Ended } }[]
    }
    for (const { req } of status === 200 ? body.batch : []) {
      if (req.start) received.started.push(req.start)
      if (req.end) received.ended.set(req.end.id, req.end)
    }
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"res":[]}')
    return
  }
  const digest = 'a'.repeat(43)
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ digest, row_digests: [] }))
})
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
after(() => {
  // The SDK asks again, without end, for what was refused: it is answered, and nothing else keeps the process.
  status = 200
  server.unref()
})

process.env['WF_TRACE_SERVER_URL'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
process.env['WANDB_API_KEY'] = 'k'.repeat(40)
const target = { project: 'team/project', directory }

beforeEach(() => {
  received = { started: [], ended: new Map(), authorizations: new Set() }
  status = 200
})

const nameOf = ({ op_name }: Started): string => /op\/([^:]+)/.exec(op_name)?.[1] ?? op_name

test('each model is an evaluation: predictions with their scores below it, and a summary', async () => {
  await exportToWeave(run, cases, target)
  const basic = `Basic ${Buffer.from(`api:${'k'.repeat(40)}`).toString('base64')}`
  assert.deepEqual([...received.authorizations], [basic])
  assert.ok(received.started.every(({ project_id }) => project_id === 'team/project'))
  assert.ok(
    received.started.every(({ id }) => received.ended.has(id)),
    'every call has ended',
  )
  const roots = received.started.filter(({ parent_id }) => !parent_id)
  assert.deepEqual(roots.map(nameOf), ['Evaluation.evaluate', 'Evaluation.evaluate'])
  const [root] = roots
  const attributes = root?.attributes['flotilla'] as Record<string, unknown>
  assert.equal(attributes['run'], run.id)
  const below = (id: string | undefined) => received.started.filter(({ parent_id }) => parent_id === id)
  const predictions = below(root?.id).filter((call) => nameOf(call) === 'Evaluation.predict_and_score')
  assert.equal(predictions.length, 4)
  const examples = predictions.map(({ inputs }) => inputs['example'] as Record<string, unknown>)
  assert.deepEqual(
    examples.map(({ caseId, epoch, input }) => [caseId, epoch, input]),
    cases.slice(0, 4).map(({ caseId, epoch, input }) => [caseId, epoch, input]),
  )
  const [first] = predictions
  assert.ok(below(first?.id).length >= 3, 'the answer and its scores are calls below it')
  const output = received.ended.get(first?.id ?? '')?.output as { output: unknown; scores: unknown }
  assert.equal(output.output, 'Paris')
  assert.deepEqual(output.scores, { exact: 1, judge: 1, flotilla: 1 })
  const unscored = received.ended.get(predictions[3]?.id ?? '')?.output as { scores: unknown }
  assert.deepEqual(unscored.scores, {}, 'what could not be scored has no score')
  const summary = received.ended.get(root?.id ?? '')?.output as Record<string, unknown>
  assert.deepEqual(summary['flotilla'], { mean: 0.75 })
  assert.equal(summary['unscored'], 1)
  assert.equal(summary['total_tokens'], 440)
})

test('a refusal is an error, and the process goes on', async () => {
  status = 403
  await assert.rejects(exportToWeave(run, cases, target), /Weave did not take the run.*WANDB_API_KEY/)
})

test('without SDK or project the error says what to do', async () => {
  await assert.rejects(
    exportToWeave(run, cases, { ...target, directory: '/nowhere' }),
    /weave can't be loaded from \/nowhere: run npm install weave there/,
  )
  await assert.rejects(exportToWeave(run, cases, { ...target, project: 'project' }), /give team\/project/)
})
