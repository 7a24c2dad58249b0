// A table of few rows, all of them in the page; of many, the first, and more on demand. On a narrow screen a row is a
// card: the first cell is its heading, each other one stands below its title.
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
      {/* As cards they are laid out as no table is; the roles keep them one to a screen reader. */}
      <table role="table">
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ title, isNumber }) => (
              <th key={title} role="columnheader" scope="col" class={isNumber ? 'number' : ''}>
                {title === '' ? <span class="unseen">Actions</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.slice(0, shown).map((row) => (
            <tr key={keyOf(row)} role="row">
              {columns.map(({ title, cell, isNumber, isWide }) => (
                <td
                  key={title}
                  role="cell"
                  class={isNumber ? 'number' : isWide ? 'wide' : ''}
                  data-title={title}
                >
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
