import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'

const linesOf = (text: string, name: string): string[] =>
  text.split('\n').filter((line) => line.startsWith(`flotilla_${name}`))

test('a scrape changes nothing: counts go on from where they were', async () => {
  const metrics = createMetrics({ oldNames: false })
  const labels = { stage: 'router', result: 'committed' }
  metrics.count('commits', 2, labels)
  await metrics.text()
  metrics.count('commits', 3, labels)
  metrics.count('commits', 1, { ...labels, stage: 'planner' })
  await metrics.text()
  assert.deepEqual(linesOf(await metrics.text(), 'commits_total'), [
    'flotilla_commits_total{stage="router",result="committed"} 5',
    'flotilla_commits_total{stage="planner",result="committed"} 1',
  ])
})

test('a label that is absent makes a series of its own', async () => {
  const metrics = createMetrics({ oldNames: false })
  metrics.count('alerts', 1, { rule: 'cost', severity: 'page', change: 'raised' })
  metrics.count('alerts', 1, { rule: 'cost', severity: undefined, change: 'resolved' })
  metrics.count('alerts', 1, { rule: 'cost', severity: undefined, change: 'resolved' })
  metrics.count('task_ids_reused')
  const text = await metrics.text()
  assert.deepEqual(linesOf(text, 'alerts_total'), [
    'flotilla_alerts_total{rule="cost",severity="page",change="raised"} 1',
    'flotilla_alerts_total{rule="cost",change="resolved"} 2',
  ])
  assert.deepEqual(linesOf(text, 'task_ids_reused_total'), ['flotilla_task_ids_reused_total 1'])
})

test('a label that a metric does not have is left out', async () => {
  const metrics = createMetrics({ oldNames: false })
  const labels = { rule: 'cost', change: 'raised', surprise: 'x', severity: undefined }
  metrics.count('alerts', 1, labels)
  assert.deepEqual(linesOf(await metrics.text(), 'alerts_total'), [
    'flotilla_alerts_total{rule="cost",change="raised"} 1',
  ])
})

test('a bucket counts what is at most its bound, and the last one everything', async () => {
  const metrics = createMetrics({ oldNames: false })
  for (const seconds of [0.001, 0.0011, 5, 301]) metrics.observe('commit', seconds, { stage: 'planner' })
  const lines = linesOf(await metrics.text(), 'commit_seconds')
  const valueOf = (le: string): string | undefined =>
    lines.find((line) => line.startsWith(`flotilla_commit_seconds_bucket{le="${le}",stage="planner"}`))
  assert.equal(lines.length, 20)
  assert.match(valueOf('0.001') ?? '', / 1$/)
  assert.match(valueOf('0.0025') ?? '', / 2$/)
  assert.match(valueOf('2.5') ?? '', / 2$/)
  assert.match(valueOf('5') ?? '', / 3$/)
  assert.match(valueOf('300') ?? '', / 3$/)
  assert.match(valueOf('+Inf') ?? '', / 4$/)
  assert.ok(lines.includes('flotilla_commit_seconds_count{stage="planner"} 4'))
  assert.ok(lines.some((line) => line.startsWith('flotilla_commit_seconds_sum{stage="planner"} 306.00')))
})

test('a histogram without labels is there before anything is measured', async () => {
  const lines = linesOf(await createMetrics({ oldNames: false }).text(), 'task_quality')
  assert.ok(lines.includes('flotilla_task_quality_count 0'))
})

test('series of a gauge that are replaced are gone', async () => {
  const metrics = createMetrics({ oldNames: false })
  metrics.gauge('lag', 7, { stage: 'planner', topic: 'a', lane: '0' })
  metrics.gauges('lag', [{ labels: { stage: 'planner', topic: 'a', lane: '1' }, value: 3 }])
  await metrics.text()
  metrics.gauges('lag', [{ labels: { stage: 'planner', topic: 'a', lane: '2' }, value: 0 }])
  assert.deepEqual(linesOf(await metrics.text(), 'lag{'), [
    'flotilla_lag{stage="planner",topic="a",lane="2"} 0',
  ])
})
