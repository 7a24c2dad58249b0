// A table of few rows, all of them in the page; of many, the first, and more on demand. On a narrow screen it scrolls sideways.
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { count } from '../format.ts'

export interface SheetColumn<Row> {
  readonly title: string
  readonly cell: (row: Row) => ComponentChildren
  /** Numbers stand at the right. */
  readonly isNumber?: boolean
  /** Takes what room there is, and wraps. */
  readonly isWide?: boolean
}

interface SheetProps<Row> {
  /** Says what the table is, to a screen reader. */
  readonly label: string
  readonly columns: readonly SheetColumn<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
}

/** Rows that come at once. */
const PAGE = 300

export function Sheet<Row>({ label, columns, rows, keyOf }: SheetProps<Row>) {
  const [shown, setShown] = useState(PAGE)
  const left = rows.length - shown
  return (
    <div class="sheet" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ title, isNumber }) => (
              <th key={title} scope="col" class={isNumber ? 'number' : ''}>
                {title === '' ? <span class="unseen">Actions</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ title, cell, isNumber, isWide }) => (
                <td key={title} class={isNumber ? 'number' : isWide ? 'wide' : ''}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {left > 0 && (
        <p class="muted">
          {count(shown)} of {count(rows.length)} rows.{' '}
          <button class="link" onClick={() => setShown(shown + PAGE)}>
            Show {count(Math.min(PAGE, left))} more
          </button>
        </p>
      )}
    </div>
  )
}
