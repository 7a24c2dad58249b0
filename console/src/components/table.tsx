// A table of any number of rows of one height, of which only those in view are in the page. On a narrow screen a row is
// a card: columns say with `narrow` where they stand in it.
import type { ComponentChildren } from 'preact'
import { memo } from 'preact/compat'
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import { onKeys } from '../keys.ts'
import { isFocusFree } from './focus.ts'
import { isNarrow, isWide } from './narrow.ts'
import { useVirtualRows } from './virtual.ts'

export interface Column<Row> {
  readonly name: string
  readonly title: string
  readonly cell: (row: Row) => ComponentChildren
  /** Numbers stand at the right. */
  readonly isNumber?: boolean
  /** The style shows it only in a table, not on a card; or only on a wide screen: elsewhere it is not made. */
  readonly needs?: 'table' | 'wide'
}

export interface TableProps<Row> {
  /** Says what the table is, to a screen reader. */
  readonly label: string
  /** Class of the table: its style gives the columns their widths. */
  readonly kind: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  /** The row that the page shows beside the table. */
  readonly isCurrent?: (row: Row) => boolean
  /** Where a row leads; its first link gets the focus by j and k. */
  readonly onEnd?: () => void
  readonly isMore?: boolean
  readonly rowHeight?: number
  readonly narrowHeight?: number
  /** Where the viewer is in it, kept up to date here; a table that begins with one goes on there. */
  readonly at?: TablePlace
}

export interface TablePlace {
  topPx: number
  /** The row that had the focus last; -1: none. */
  index: number
}

export const atTop = (): TablePlace => ({ topPx: 0, index: -1 })

const ROW_PX = 36
const NARROW_PX = 76
/** Rows below the view at which the next page is asked for. */
const AHEAD = 30

const never = (): boolean => false

export function Table<Row>(props: TableProps<Row>) {
  const {
    label,
    kind,
    columns: all,
    rows,
    keyOf,
    isCurrent = never,
    onEnd,
    isMore = false,
    rowHeight = ROW_PX,
    narrowHeight = NARROW_PX,
    at: given,
  } = props
  const scroller = useRef<HTMLDivElement>(null)
  const at = useMemo(() => given ?? atTop(), [given])
  const height = isNarrow.value ? narrowHeight : rowHeight
  const columns = useShown(all)
  const latestKeyOf = useRef(keyOf)
  latestKeyOf.current = keyOf
  const keyAt = useCallback(
    (index: number) => (rows[index] === undefined ? String(index) : latestKeyOf.current(rows[index])),
    // Rows of another height are measured again.
    [rows, height],
  )
  const virtual = useVirtualRows({ count: rows.length, rowHeight: () => height, keyOf: keyAt, scroller })
  const last = virtual.items.at(-1)?.index ?? 0
  useEffect(() => {
    if (isMore && last >= rows.length - AHEAD) onEnd?.()
  }, [isMore, last, rows.length, onEnd])
  useAnchor(rows, keyOf, height, scroller)
  const focus = useRowFocus(rows.length, virtual.show, scroller, at)
  useReturn(at, scroller)

  return (
    <div
      class={`table ${kind}`}
      role="table"
      aria-label={label}
      aria-rowcount={isMore ? -1 : rows.length + 1}
    >
      <div class="table-head" role="rowgroup">
        <div class="table-row" role="row">
          {columns.map(({ name, title, isNumber }) => (
            <div key={name} class={`cell c-${name}${isNumber ? ' number' : ''}`} role="columnheader">
              {title}
            </div>
          ))}
        </div>
      </div>
      <div
        class="table-body"
        ref={scroller}
        tabIndex={0}
        role="rowgroup"
        aria-label={`${label}: rows`}
        onScroll={(event) => void (at.topPx = event.currentTarget.scrollTop)}
      >
        <div class="table-space" role="presentation" style={{ height: `${virtual.total}px` }}>
          {virtual.items.map(({ index, start, key }) => {
            const row = rows[index]
            return (
              row !== undefined && (
                <TableRow
                  key={key}
                  row={row}
                  columns={columns as readonly Column<unknown>[]}
                  index={index}
                  isCurrent={isCurrent(row)}
                  startPx={start}
                  heightPx={height}
                  onFocus={focus}
                />
              )
            )
          })}
        </div>
      </div>
    </div>
  )
}

/** The same list as long as the screen has the same room. */
function useShown<Row>(all: readonly Column<Row>[]): readonly Column<Row>[] {
  const [narrow, wide] = [isNarrow.value, isWide.value]
  return useMemo(
    () => all.filter(({ needs }) => needs === undefined || (needs === 'wide' ? wide : !narrow)),
    [all, narrow, wide],
  )
}

interface TableRowProps {
  readonly row: unknown
  readonly columns: readonly Column<unknown>[]
  readonly index: number
  readonly isCurrent: boolean
  readonly startPx: number
  readonly heightPx: number
  readonly onFocus: (index: number) => void
}

/** Rows that stay in view while it scrolls are not made again. */
const TableRow = memo(function TableRow(props: TableRowProps) {
  const { row, columns, index, isCurrent, startPx, heightPx, onFocus } = props
  return (
    <div
      class={isCurrent ? 'table-row current' : 'table-row'}
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      style={{ top: `${startPx}px`, height: `${heightPx}px` }}
      onClick={openRow}
      onFocusIn={() => onFocus(index)}
    >
      {columns.map(({ name, cell, isNumber }) => (
        <div key={name} class={`cell c-${name}${isNumber ? ' number' : ''}`} role="cell">
          {cell(row)}
        </div>
      ))}
    </div>
  )
})

/** A click anywhere in a row follows its first link, unless text is being selected or another control was meant. */
function openRow(event: MouseEvent): void {
  const target = event.target as Element
  if (target.closest('a, button, input, select') || getSelection()?.type === 'Range') return
  ;(event.currentTarget as Element).querySelector('a')?.click()
}

/** Rows that come in above the view don't move what is being read. */
function useAnchor<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  height: number,
  scroller: Scroller,
): void {
  const before = useRef<string | null>(null)
  useEffect(() => {
    const element = scroller.current
    const first = rows[0] === undefined ? null : keyOf(rows[0])
    const previous = before.current
    before.current = first
    if (element === null || previous === null || previous === first || element.scrollTop < height) return
    const moved = rows.findIndex((row) => keyOf(row) === previous)
    if (moved > 0) element.scrollTop += moved * height
  })
}

interface Scroller {
  readonly current: HTMLElement | null
}

const focusRow = (scroller: Scroller, index: number): void =>
  scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"] a`)?.focus({ preventScroll: true })

/** Goes back to the place, with the focus on the row that had it. */
function useReturn(at: TablePlace, scroller: Scroller): void {
  useLayoutEffect(() => {
    if (scroller.current !== null && at.topPx > 0) scroller.current.scrollTop = at.topPx
    const { index } = at
    if (index >= 0) requestAnimationFrame(() => isFocusFree() && focusRow(scroller, index))
  }, [at])
}

/** j and k move the focus from row to row, also to rows that are not in the page yet. */
function useRowFocus(
  count: number,
  show: (index: number) => void,
  scroller: Scroller,
  at: TablePlace,
): (index: number) => void {
  const latest = useRef({ count, show })
  latest.current = { count, show }
  useEffect(() => {
    const move = (by: number) => (): void => {
      const next = Math.max(0, Math.min(latest.current.count - 1, at.index + by))
      at.index = next
      latest.current.show(next)
      // Another key may have come before the frame.
      requestAnimationFrame(() => focusRow(scroller, at.index))
    }
    return onKeys({ j: move(1), k: move(-1) })
  }, [scroller, at])
  return useCallback((index: number) => void (at.index = index), [at])
}
