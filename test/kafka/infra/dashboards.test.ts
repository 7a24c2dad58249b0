// Every query of every dashboard, by a real Prometheus that scrapes a running fleet.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { dashboards, type Panel, type Query } from '../../../deploy/grafana/panels.ts'
import { demoTasks } from '../../../examples/demo-tasks.ts'
import { startPrometheus, type Prometheus } from '../../infra/prometheus.ts'
import { startServices, type ServiceProcess } from '../../support/service-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-dashboards-'))
const config = join(import.meta.dirname, '../../../examples/flotilla.config.ts')
let fleet: ServiceProcess
let prometheus: Prometheus

before(async () => {
  fleet = await startServices([], { env: { FLOTILLA_CONFIG: config, FLOTILLA_DATA: directory } })
  await fleet.ready()
  prometheus = await startPrometheus([new URL(fleet.url).host])
})
after(async () => {
  await prometheus?.stop()
  await fleet?.drain()
  rmSync(directory, { recursive: true, force: true })
})

/** As Grafana sends it, with every job and process shown. */
const asSent = (expr: string): string =>
  expr
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$__range', '5m')
    .replaceAll(/\$(job|instance)/g, '.+')

const isNumber = ({ value: [, text] }: { readonly value: readonly [number, string] }): boolean =>
  Number.isFinite(Number(text))

const json = { 'content-type': 'application/json' }
const post = async (path: string, body: object): Promise<void> => {
  const { status } = await fetch(`${fleet.url}${path}`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify(body),
  })
  assert.ok(status < 300, `${path}: ${status}`)
}

/** The bundled tasks: Python, tools, a tool that fails. */
const work = (user: { userId?: string } = {}) =>
  Promise.all(
    demoTasks.map(({ text, agent, mode }) => post('/v1/tasks?wait=30', { text, agent, mode, ...user })),
  )

interface Open {
  readonly place: string
  readonly panel: Panel
  readonly query: Query
}

async function without(open: readonly Open[]): Promise<Open[]> {
  const answers = await Promise.all(open.map(({ query }) => prometheus.query(asSent(query.expr))))
  return open.filter((_, index) => !answers[index]?.some(isNumber))
}

test(
  'each query has data, or is empty until an event that the panel names',
  { timeout: 600_000 },
  async () => {
    const all: Open[] = dashboards.flatMap(({ name, panels }) =>
      panels.flatMap((panel) =>
        panel.queries.map((query) => ({ place: `${name}: ${panel.title}`, panel, query })),
      ),
    )
    const deadline = Date.now() + 300_000
    let open = all
    do {
      await work()
      open = (await without(open)).filter(({ panel }) => panel.emptyUntil === undefined)
    } while (open.length > 0 && Date.now() < deadline)
    assert.deepEqual(
      open.map(({ place, query }) => `${place}: ${query.expr}`),
      [],
    )
    // Of what may be empty, this fleet has shown a part: a tool that failed.
    const maybe = all.filter(({ panel }) => panel.emptyUntil !== undefined)
    const empty = (await without(maybe)).map(({ place }) => place)
    assert.ok(!empty.includes('tools: Failures'), empty.join(', '))
  },
)
