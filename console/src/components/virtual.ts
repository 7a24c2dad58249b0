// Which rows of a long list are in view. The scroller may be the list's own or that of the page around it.
import {
  Virtualizer,
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
} from '@tanstack/virtual-core'
import { useEffect, useLayoutEffect, useReducer, useRef } from 'preact/hooks'
import type { RefObject } from 'preact'
import { isPrinting, MOST_PRINTED } from '../print.ts'

export interface VirtualOptions {
  readonly count: number
  readonly rowHeight: (index: number) => number
  /** The same function as long as the rows are the same: another one has all of them measured again. */
  readonly keyOf: (index: number) => string
  readonly scroller: RefObject<HTMLElement | null>
  /** Where the list begins in its scroller, in pixels. */
  readonly margin?: number
}

/** A row that is in the page: where it stands among all, and in pixels. */
export type VirtualRow = Pick<VirtualItem, 'index' | 'start' | 'key'>

export interface VirtualRows {
  readonly items: readonly VirtualRow[]
  readonly total: number
  readonly margin: number
  readonly measure: (element: HTMLElement | null) => void
  readonly show: (index: number) => void
}

const OVERSCAN = 8

export function useVirtualRows({
  count,
  rowHeight,
  keyOf,
  scroller,
  margin = 0,
}: VirtualOptions): VirtualRows {
  const [, render] = useReducer((n: number) => n + 1, 0)
  const held = useRef<Virtualizer<HTMLElement, HTMLElement> | null>(null)
  const options = {
    count,
    overscan: OVERSCAN,
    scrollMargin: margin,
    estimateSize: rowHeight,
    getItemKey: keyOf,
    getScrollElement: () => scroller.current,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => render(0),
  }
  held.current ??= new Virtualizer<HTMLElement, HTMLElement>(options)
  const virtual = held.current
  virtual.setOptions({ ...virtual.options, ...options })
  useEffect(() => virtual._didMount(), [virtual])
  useLayoutEffect(() => virtual._willUpdate())
  return {
    items: isPrinting.value ? printedRows(count, keyOf) : virtual.getVirtualItems(),
    total: virtual.getTotalSize(),
    margin,
    measure: virtual.measureElement,
    show: (index) => virtual.scrollToIndex(index, { align: 'auto' }),
  }
}

/** The style puts them one below the other. */
const printedRows = (count: number, keyOf: (index: number) => string): VirtualRow[] =>
  Array.from({ length: Math.min(count, MOST_PRINTED) }, (_, index) => ({
    index,
    start: 0,
    key: keyOf(index),
  }))
