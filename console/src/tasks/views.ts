// Saved views of the list: filters as a URL has them. Some come along; others the viewer saved, in this browser.
import { signal } from '@preact/signals'

export interface View {
  readonly name: string
  /** Parameters of GET /v1/tasks, but `limit` and `after`. */
  readonly query: string
  readonly isOwn?: boolean
}

export const builtIn: readonly View[] = [
  { name: 'All', query: '' },
  { name: 'In flight', query: 'status=open' },
  { name: 'Waiting for a person', query: 'waiting=true' },
  { name: 'Failed', query: 'status=failed' },
  { name: 'In doubt', query: 'doubt=true' },
  { name: 'Expensive', query: 'minCost=0.1' },
  { name: 'Slow', query: 'minMs=60000' },
]

const STORED = 'flotilla.views'
const MAX_OWN = 20

export const ownViews = signal<readonly View[]>(stored())

function stored(): View[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(STORED) ?? '[]')
    const isView = (each: unknown): each is View =>
      typeof each === 'object' &&
      each !== null &&
      typeof (each as View).name === 'string' &&
      typeof (each as View).query === 'string'
    return Array.isArray(found) ? found.filter(isView).slice(0, MAX_OWN) : []
  } catch {
    return []
  }
}

function keep(views: readonly View[]): void {
  ownViews.value = views
  localStorage.setItem(STORED, JSON.stringify(views))
}

export const saveView = (name: string, query: string): void =>
  keep([...ownViews.value.filter((each) => each.name !== name), { name, query, isOwn: true }].slice(-MAX_OWN))

export const dropView = (name: string): void => keep(ownViews.value.filter((each) => each.name !== name))

/** Filters that the list takes. */
export const filterNames = [
  'status',
  'search',
  'agent',
  'user',
  'model',
  'profile',
  'error',
  'session',
  'parent',
  'waiting',
  'doubt',
  'minCost',
  'minMs',
  'since',
  'to',
] as const
export type FilterName = (typeof filterNames)[number]
export type Filters = Readonly<Partial<Record<FilterName, string>>>

export function filtersIn(query: URLSearchParams): Filters {
  return Object.fromEntries(filterNames.flatMap((name) => (query.get(name) ? [[name, query.get(name)]] : [])))
}

/** The same whatever the order of the parameters. */
export const queryOf = (filters: Filters): string =>
  new URLSearchParams(
    filterNames.flatMap((name) => (filters[name] ? [[name, filters[name]]] : [])),
  ).toString()
