// Saved views as tabs, and the filters in force as chips.
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { Choice, Field } from '../components/fields.tsx'
import { duration } from '../format.ts'
import { navigate, withQuery } from '../router.ts'
import { line } from '../text.ts'
import {
  builtIn,
  dropView,
  filterNames,
  ownViews,
  queryOf,
  saveView,
  type FilterName,
  type Filters,
} from './views.ts'

const labels: Readonly<Record<FilterName, string>> = {
  status: 'status',
  search: 'text',
  agent: 'agent',
  user: 'user',
  model: 'model',
  profile: 'profile',
  error: 'error',
  session: 'session',
  parent: 'children of',
  waiting: 'waits for a person',
  doubt: 'in doubt',
  minCost: 'cost at least $',
  minMs: 'took at least',
  since: 'since',
  to: 'before',
}

const urlOf = (query: string): string => (query === '' ? '/tasks' : `/tasks?${query}`)

export function FilterBar({ filters }: { readonly filters: Filters }) {
  const [dialog, setDialog] = useState<'filter' | 'save' | null>(null)
  const query = queryOf(filters)
  const views = [...builtIn, ...ownViews.value]
  const isView = views.some((view) => view.query === query)
  const own = ownViews.value.find((view) => view.query === query)
  return (
    <div class="filter-bar">
      <ul class="tabs" aria-label="Saved views">
        {views.map((view) => (
          <li key={view.name}>
            <a href={urlOf(view.query)} aria-current={view.query === query ? 'true' : undefined}>
              {line(view.name, 40)}
            </a>
          </li>
        ))}
      </ul>
      <div class="chips">
        {!isView &&
          filterNames.flatMap((name) =>
            filters[name] === undefined ? [] : [<Chip key={name} name={name} value={filters[name]} />],
          )}
        <button class="quiet" onClick={() => setDialog('filter')}>
          Filter…
        </button>
        {!isView && (
          <button class="quiet" onClick={() => setDialog('save')}>
            Save view…
          </button>
        )}
        {own && (
          <button class="quiet" onClick={() => dropView(own.name)}>
            Drop view
          </button>
        )}
      </div>
      {dialog === 'filter' && <FilterDialog filters={filters} onClose={() => setDialog(null)} />}
      {dialog === 'save' && <SaveDialog query={query} onClose={() => setDialog(null)} />}
    </div>
  )
}

function Chip({ name, value }: { readonly name: FilterName; readonly value: string }) {
  const isFlag = value === 'true'
  const said = isFlag
    ? labels[name]
    : `${labels[name]} ${name === 'minMs' ? duration(Number(value)) : line(value, 40)}`
  return (
    <button
      class="chip"
      aria-label={`Remove filter: ${said}`}
      onClick={() => navigate(withQuery({ [name]: null }))}
    >
      <bdi>{said}</bdi> ✕
    </button>
  )
}

const states = [
  'open',
  'queued',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'rejected',
  'cancelled',
  'timed_out',
]
const texts = ['agent', 'user', 'model', 'error', 'session', 'since', 'to'] as const

function FilterDialog({ filters, onClose }: { readonly filters: Filters; readonly onClose: () => void }) {
  const [draft, setDraft] = useState<Filters>(filters)
  const set = (name: FilterName) => (value: string) => setDraft({ ...draft, [name]: value.trim() })
  const apply = (event: Event): void => {
    event.preventDefault()
    navigate(urlOf(queryOf(draft)))
    onClose()
  }
  const actions = (
    <>
      <button onClick={() => setDraft({})}>Clear</button>
      <button class="primary" onClick={apply}>
        Apply
      </button>
    </>
  )
  const options = [
    { value: '', label: 'any' },
    ...states.map((value) => ({ value, label: value.replace('_', ' ') })),
  ]
  return (
    <Dialog title="Filter tasks" onClose={onClose} actions={actions}>
      <form class="grid" onSubmit={apply}>
        <Choice label="Status" value={draft.status ?? ''} options={options} onChange={set('status')} />
        {texts.map((name) => (
          <Field
            key={name}
            label={labels[name].replace(/^./, (first) => first.toUpperCase())}
            value={draft[name] ?? ''}
            onInput={set(name)}
            hint={name === 'since' || name === 'to' ? '30m, 2h, 1d, or a day' : undefined}
          />
        ))}
        <Field label="Cost at least, $" type="number" value={draft.minCost ?? ''} onInput={set('minCost')} />
        <Field label="Took at least, ms" type="number" value={draft.minMs ?? ''} onInput={set('minMs')} />
        <button class="hidden-submit" tabIndex={-1} aria-hidden="true" />
      </form>
    </Dialog>
  )
}

function SaveDialog({ query, onClose }: { readonly query: string; readonly onClose: () => void }) {
  const [name, setName] = useState('')
  const save = (event: Event): void => {
    event.preventDefault()
    if (name.trim() === '') return
    saveView(name.trim().slice(0, 40), query)
    onClose()
  }
  return (
    <Dialog
      title="Save view"
      onClose={onClose}
      actions={
        <button class="primary" disabled={name.trim() === ''} onClick={save}>
          Save
        </button>
      }
    >
      <form onSubmit={save}>
        <Field label="Name" value={name} onInput={setName} hint="Kept in this browser" />
      </form>
    </Dialog>
  )
}
