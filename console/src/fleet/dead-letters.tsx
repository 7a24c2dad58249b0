// Records that no stage could process: looked at, replayed or purged, one by one or many.
import { useMemo, useRef, useState } from 'preact/hooks'
import { get } from '../api/client.ts'
import { may } from '../api/session.ts'
import { Part } from '../components/part.tsx'
import { Empty } from '../components/states.tsx'
import { Table, type Column } from '../components/table.tsx'
import { bytes, count, exactTime, moment } from '../format.ts'
import { useLoaded } from '../load.ts'
import { navigate, place, withQuery } from '../router.ts'
import { line } from '../text.ts'
import { BulkLetters, type BulkAction, type LetterFilters } from './bulk-letters.tsx'
import { Letter } from './letter.tsx'
import { AGAIN_MS, type DeadLetter } from './loading.ts'

const MOST = 1_000
const TYPED_MS = 300

const filterNames = ['code', 'stage', 'reason'] as const

function filtersIn(query: URLSearchParams): LetterFilters {
  return Object.fromEntries(
    filterNames.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])),
  )
}

export function DeadLetters() {
  const { query } = place.value
  const filters = filtersIn(query)
  const isFiltered = Object.keys(filters).length > 0
  const loaded = useLoaded(
    JSON.stringify(filters),
    (signal) => get('/v1/dead-letters', { query: { ...filters, limit: MOST }, signal }),
    AGAIN_MS,
  )
  const [bulk, setBulk] = useState<BulkAction | null>(null)
  const letters = loaded.value ?? []
  const shownId = query.get('id')
  return (
    <>
      <div class="filter-bar letters-bar">
        <div class="chips">
          {filterNames.map((name) => (
            <Filter key={name} name={name} value={filters[name] ?? ''} />
          ))}
        </div>
        <div class="chips">
          <span class="muted">
            {count(letters.length)}
            {letters.length === MOST ? '+' : ''} listed
          </span>
          {may('ops:write') && (
            <>
              <button disabled={letters.length === 0} onClick={() => setBulk('replay')}>
                Replay many…
              </button>
              <button disabled={letters.length === 0} onClick={() => setBulk('purge')}>
                Purge many…
              </button>
            </>
          )}
        </div>
      </div>
      <Part loaded={loaded} what="dead letters">
        {(found) =>
          found.length === 0 ? (
            <Empty title={isFiltered ? 'No dead letter matches' : 'No dead letters'}>
              {isFiltered ? (
                <a href="/fleet/dead-letters">Show all</a>
              ) : (
                <p>A record that a stage can’t process comes here, with its bytes and the reason.</p>
              )}
            </Empty>
          ) : (
            <Table
              label="Dead letters"
              kind="letters-table"
              columns={columns}
              rows={found}
              keyOf={({ id }) => id}
              narrowHeight={82}
            />
          )
        }
      </Part>
      {shownId !== null && (
        <Letter
          key={shownId}
          id={shownId}
          onClose={() => navigate(withQuery({ id: null }))}
          onChanged={loaded.again}
        />
      )}
      {bulk !== null && (
        <BulkLetters
          action={bulk}
          filters={filters}
          letters={letters}
          onClose={() => setBulk(null)}
          onDone={loaded.again}
        />
      )}
    </>
  )
}

const labels = { code: 'Error code', stage: 'Stage', reason: 'Text of the message' }

function Filter({ name, value }: { readonly name: keyof typeof labels; readonly value: string }) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const first = useMemo(() => value, [])
  return (
    <input
      class="letters-filter"
      aria-label={labels[name]}
      placeholder={labels[name]}
      spellcheck={false}
      defaultValue={first}
      onInput={({ currentTarget: { value: typed } }) => {
        clearTimeout(timer.current)
        timer.current = setTimeout(
          () => navigate(withQuery({ [name]: typed.trim() }), { replace: true }),
          TYPED_MS,
        )
      }}
    />
  )
}

const columns: readonly Column<DeadLetter>[] = [
  {
    name: 'letter',
    title: 'Reason',
    cell: ({ id, code, message }) => (
      <a href={withQuery({ id })} title={line(message, 400)}>
        <code class="bad">{line(code, 40)}</code> <bdi>{line(message, 300)}</bdi>
      </a>
    ),
  },
  { name: 'stage', title: 'Stage', cell: ({ stage }) => line(stage, 40) },
  {
    name: 'source',
    title: 'Record',
    cell: ({ sourceTopic, sourcePartition, sourceOffset }) => (
      <code class="muted">{`${sourceTopic}[${sourcePartition}]@${sourceOffset}`}</code>
    ),
  },
  { name: 'key', title: 'Key', cell: ({ key }) => <bdi>{line(key ?? '–', 60)}</bdi> },
  { name: 'bytes', title: 'Size', isNumber: true, cell: (letter) => bytes(letter.bytes) },
  {
    name: 'state',
    title: 'Replayed',
    cell: ({ replayedAtMs }) =>
      replayedAtMs === null ? (
        <span class="muted">no</span>
      ) : (
        <time title={exactTime(replayedAtMs)}>{moment(replayedAtMs)}</time>
      ),
  },
  {
    name: 'when',
    title: 'Failed',
    isNumber: true,
    cell: ({ failedAtMs }) => <time title={exactTime(failedAtMs)}>{moment(failedAtMs)}</time>,
  },
]
