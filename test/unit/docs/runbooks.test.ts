// Every alert has a page that says what to do, and the list of them is complete.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { completeAlerts } from '../../../runtime/config/alerts.ts'
import { root } from '../house/tree.ts'

interface Rule {
  readonly name: string
  readonly severity: string
  readonly runbook: string | null
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

interface PrometheusRule {
  /** Absent: a figure that alerts use. */
  readonly alert?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly runbook?: string }
}

function prometheusRules(): Rule[] {
  const { groups } = parse(read('deploy/prometheus/rules.yml')) as { groups: { rules: PrometheusRule[] }[] }
  return groups
    .flatMap(({ rules }) => rules)
    .flatMap(({ alert, labels, annotations }) =>
      alert === undefined ? [] : [{ name: alert, severity: labels.severity, runbook: annotations.runbook ?? null }],
    )
}

const ownRules = (): Rule[] => completeAlerts({}).rules.map(({ name, severity, runbook }) => ({ name, severity, runbook }))

const folder = 'docs/runbooks'
const list = read(`${folder}/README.md`)

test('each rule is in the list, with its severity and the page that its notification names', () => {
  const rows = new Map(
    [...list.matchAll(/^\| \[(\w+)\]\(([\w.]+)\) \| (\w+) \| ([^|]+) \|/gm)].map(
      ([, name = '', page = '', severity = '', by = '']) => [name, { page, severity, by }],
    ),
  )
  const all = { Prometheus: prometheusRules(), Flotilla: ownRules() }
  for (const [sender, rules] of Object.entries(all)) {
    assert.ok(rules.length >= 5)
    for (const { name, severity, runbook } of rules) {
      const row = rows.get(name)
      assert.ok(row, `${name} has no row`)
      assert.deepEqual([posix.join(folder, row.page), row.severity], [runbook, severity], name)
      assert.ok(row.by.includes(sender), `${name} is sent by ${sender}`)
    }
  }
  const known = Object.values(all).flatMap((rules) => rules.map(({ name }) => name))
  assert.deepEqual([...rows.keys()].filter((name) => !known.includes(name)), [])
})

test('the title of a page names its alerts and their severity', () => {
  const rules = [...prometheusRules(), ...ownRules()]
  for (const page of readdirSync(join(root, folder)).filter((name) => name !== 'README.md')) {
    const its = rules.filter(({ runbook }) => runbook === `${folder}/${page}`)
    const names = [...new Set(its.map(({ name }) => name))].sort()
    const [, title = '', severity] = /^# (.+) \((\w+)\)$/m.exec(read(`${folder}/${page}`)) ?? []
    assert.deepEqual([title.split(', ').sort(), severity], [names, its[0]?.severity], page)
  }
})

test('each page says what it means, what to look at, what to do, and when it is over', () => {
  const pages = readdirSync(join(root, folder)).filter((name) => name !== 'README.md')
  for (const page of pages) {
    const text = read(`${folder}/${page}`)
    const parts = [...text.matchAll(/^\*\*([^*]+)\.\*\*/gm)].map(([, title]) => title)
    assert.deepEqual(parts, ['What it means', 'What to look at', 'What to do', 'When it is over'], page)
    assert.match(text, /`npx flotilla /, `${page} names no command`)
    assert.ok(list.includes(`](${page})`), `${page} is not in the list`)
  }
})
