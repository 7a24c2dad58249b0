// A dashboard in Grafana's format (schema version 39, Grafana 10.2 and later).
import type { Dashboard, Panel } from './panels.ts'

const datasource = { type: 'prometheus', uid: '${datasource}' }
const COLUMNS = 24
const SIZES = { stat: { w: 6, h: 4 }, timeseries: { w: 8, h: 8 } } as const

/** Grafana's own model requires all of them. */
const options = {
  stat: {
    reduceOptions: { calcs: ['lastNotNull'] },
    graphMode: 'none',
    colorMode: 'value',
    justifyMode: 'auto',
    textMode: 'auto',
    wideLayout: true,
    showPercentChange: false,
    percentChangeColorMode: 'standard',
    orientation: 'auto',
  },
  timeseries: {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
    tooltip: { mode: 'multi', sort: 'none' },
  },
} as const

/** Left to right, row by row; figures come first. */
function placesOf(panels: readonly Panel[]): { x: number; y: number; w: number; h: number }[] {
  let [x, y, height] = [0, 0, 0]
  return panels.map(({ kind }) => {
    const { w, h } = SIZES[kind]
    if (x + w > COLUMNS || (x > 0 && h !== height)) [x, y] = [0, y + height]
    const place = { x, y, w, h }
    x += w
    height = h
    return place
  })
}

function panelJson(panel: Panel, id: number, gridPos: object): object {
  const empty = panel.emptyUntil ? ` Empty until ${panel.emptyUntil}.` : ''
  return {
    id,
    type: panel.kind,
    title: panel.title,
    description: panel.description + empty,
    datasource,
    gridPos,
    fieldConfig: {
      defaults: { unit: panel.unit, min: 0, ...(panel.emptyUntil && { noValue: 'none' }) },
      overrides: [],
    },
    options: options[panel.kind],
    targets: panel.queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr,
      legendFormat: legend,
    })),
  }
}

const variable = (name: string, label: string, query: string): object => ({
  name,
  label,
  type: 'query',
  datasource,
  query,
  refresh: 2,
  multi: true,
  includeAll: true,
  allValue: '.+',
  current: { text: 'All', value: '$__all' },
})

const link = {
  type: 'dashboards',
  tags: ['flotilla'],
  title: 'Flotilla',
  icon: 'external link',
  tooltip: '',
  asDropdown: false,
  targetBlank: false,
  includeVars: false,
  keepTime: true,
}

export function dashboardJson({ name, title, description, panels }: Dashboard): object {
  const places = placesOf(panels)
  return {
    uid: `flotilla-${name}`,
    title,
    description,
    tags: ['flotilla'],
    schemaVersion: 39,
    editable: false,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'utc',
    links: [link],
    annotations: { list: [] },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        variable('job', 'Job', 'label_values(flotilla_lanes, job)'),
        variable('instance', 'Process', 'label_values(flotilla_lanes{job=~"$job"}, instance)'),
      ],
    },
    panels: panels.map((panel, index) => panelJson(panel, index + 1, places[index] ?? {})),
  }
}
