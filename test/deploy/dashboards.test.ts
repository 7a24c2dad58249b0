// The dashboards by Grafana's own model: what its import would read.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { grafanaModel } from '../infra/grafana-model.ts'
import { runTool } from '../infra/tool.ts'
import { root } from './chart.ts'

const folder = join(root, 'deploy/grafana/dashboards')
const paths = readdirSync(folder).map((name) => join(folder, name))

test('every field of a dashboard is one of Grafana’s, and none is missing', async (t) => {
  const model = await grafanaModel()
  assert.ok(paths.length > 4)
  await runTool(model, paths)
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-dashboards-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const wrong = join(directory, 'wrong.json')
  const dashboard = JSON.parse(readFileSync(paths[0] ?? '', 'utf8')) as object
  writeFileSync(wrong, JSON.stringify({ ...dashboard, tittle: 'x' }))
  await assert.rejects(runTool(model, [wrong]), /tittle/)
})
