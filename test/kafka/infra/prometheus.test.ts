// The rules and the configuration for Prometheus and Alertmanager, by their own tools.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { counters, distributions, gauges, histograms } from '../../../runtime/telemetry/metrics-table.ts'
import { installedProgram, runTool } from '../../infra/tool.ts'

const deploy = join(import.meta.dirname, '../../../deploy/prometheus')
const rules = join(deploy, 'rules.yml')

test('promtool takes the rules, and each fires on what it should', async (t) => {
  const promtool = await installedProgram('promtool', 'prometheus')
  assert.match(await runTool(promtool, ['check', 'rules', rules]), /SUCCESS: 16 rules/)
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-rules-'))
  t.after(() => rmSync(directory, { recursive: true }))
  copyFileSync(rules, join(directory, 'rules.yml'))
  copyFileSync(join(import.meta.dirname, 'rules-test.yml'), join(directory, 'rules-test.yml'))
  assert.match(await runTool(promtool, ['test', 'rules', join(directory, 'rules-test.yml')]), /SUCCESS/)
})

test('amtool takes the configuration', async () => {
  const amtool = await installedProgram('amtool', 'prometheus-alertmanager')
  assert.match(
    await runTool(amtool, ['check-config', join(deploy, 'alertmanager.yml')]),
    /SUCCESS[^]*3 receivers/,
  )
})

test('every metric in the rules is one of ours, with its labels', () => {
  const known = new Map<string, readonly string[]>([
    ...Object.entries(counters).map(([name, { labels }]) => [`flotilla_${name}_total`, labels] as const),
    ...Object.entries(gauges).map(([name, { labels }]) => [`flotilla_${name}`, labels] as const),
    ...Object.entries(histograms).map(
      ([name, { labels }]) => [`flotilla_${name}_seconds_bucket`, labels] as const,
    ),
    ...Object.entries(distributions).map(
      ([name, { labels }]) => [`flotilla_${name}_bucket`, labels] as const,
    ),
  ])
  const used = [...readFileSync(rules, 'utf8').matchAll(/(flotilla_\w+)(?:\{(\w+)[=!]~?)?/g)]
  assert.ok(used.length >= 11)
  for (const [, name = '', label] of used) {
    const labels = known.get(name)
    assert.ok(labels, `${name} is in metrics-table.ts`)
    if (label) assert.ok(labels.includes(label), `${name} has the label ${label}`)
  }
})
