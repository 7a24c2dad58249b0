// The dashboards against the metrics table, and against the rules that Grafana's own linter has for dashboards.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { dashboardJson } from '../../../deploy/grafana/dashboard-json.ts'
import { dashboards } from '../../../deploy/grafana/panels.ts'
import { counters, distributions, gauges, histograms } from '../../../runtime/telemetry/metrics-table.ts'

const folder = join(import.meta.dirname, '../../../deploy/grafana')
const panels = dashboards.flatMap(({ panels }) => panels)
const queries = panels.flatMap(({ queries }) => queries)

test('every metric is on a dashboard', () => {
  const names = [counters, gauges, histograms, distributions].flatMap((table) => Object.keys(table))
  const shown = queries.map(({ expr }) => expr).join('\n')
  assert.deepEqual(
    names.filter(
      (name) => !new RegExp(`flotilla_${name}(_total|_seconds_bucket|_seconds_sum|_sum|\\{)`).test(shown),
    ),
    [],
  )
})

test('each series of a query keeps to the jobs and processes shown', () => {
  for (const { expr } of queries) {
    const series = expr.match(/(flotilla|process|nodejs)_\w+(?=\{|\[|\s|$)/g)?.length
    assert.equal(expr.match(/\{job=~"\$job", instance=~"\$instance"/g)?.length, series, expr)
    assert.doesNotMatch(expr, /rate\([^[]*\[(?!\$__rate_interval)/, expr)
  }
})

test('legends name labels that the query keeps', () => {
  for (const { expr, legend } of queries)
    for (const [, label = ''] of legend.matchAll(/\{\{(\w+)\}\}/g))
      if (label !== 'instance')
        assert.match(expr, new RegExp(`by \\([^)]*\\b${label}\\b`), `${legend} of ${expr}`)
})

interface Written {
  uid: string
  editable: boolean
  panels: { id: number; title: string; description: string; datasource: { uid: string }; gridPos: Place }[]
  templating: { list: { name: string }[] }
}
interface Place {
  x: number
  y: number
  w: number
  h: number
}

test('what Grafana reads: ids, sources, titles, places that do not overlap', () => {
  const written = dashboards.map((dashboard) => dashboardJson(dashboard) as Written)
  assert.equal(new Set(written.map(({ uid }) => uid)).size, dashboards.length)
  for (const { panels, templating, editable } of written) {
    assert.equal(editable, false)
    assert.deepEqual(
      templating.list.map(({ name }) => name),
      ['datasource', 'job', 'instance'],
    )
    assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    )
    assert.equal(new Set(cells).size, cells.length)
    for (const { description, datasource, gridPos } of panels) {
      assert.match(description, /^.{7,}\.$/)
      assert.equal(datasource.uid, '${datasource}')
      assert.ok(gridPos.x + gridPos.w <= 24)
    }
  }
})

test('the provisioned source and folder are those of the dashboards', () => {
  const read = (name: string): unknown => parse(readFileSync(join(folder, 'provisioning', name), 'utf8'))
  const { datasources } = read('datasources/prometheus.yml') as { datasources: { type: string }[] }
  assert.deepEqual(
    datasources.map(({ type }) => type),
    ['prometheus'],
  )
  const { providers } = read('dashboards/flotilla.yml') as { providers: { type: string }[] }
  assert.equal(providers[0]?.type, 'file')
  assert.deepEqual(
    readdirSync(join(folder, 'dashboards')).sort(),
    dashboards.map(({ name }) => `${name}.json`).sort(),
  )
})
