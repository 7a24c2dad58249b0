// The events of a task as the API gives them, with where in the log each stands.
import { memo } from 'preact/compat'
import { useCallback, useRef, useState } from 'preact/hooks'
import type { StreamEvent } from '../api/stream-event.ts'
import { Empty } from '../components/states.tsx'
import { LongText } from '../components/long-text.tsx'
import { useVirtualRows } from '../components/virtual.ts'
import { exactTime, time } from '../format.ts'
import { line } from '../text.ts'

const ROW_PX = 34

export function RawEvents({
  events,
  version,
}: {
  readonly events: readonly StreamEvent[]
  readonly version: number
}) {
  const scroller = useRef<HTMLDivElement>(null)
  const [open, setOpen] = useState<number | null>(null)
  const toggle = useCallback((index: number) => setOpen((now) => (now === index ? null : index)), [])
  void version
  const { items, total, measure } = useVirtualRows({
    count: events.length,
    rowHeight: () => ROW_PX,
    keyOf: String,
    scroller,
  })
  if (events.length === 0) return <Empty title="No events yet" />
  return (
    <div class="raw" ref={scroller} tabIndex={0} role="region" aria-label="Events">
      <div class="table-space" style={{ height: `${total}px` }}>
        {items.map(({ index, start }) => {
          const event = events[index]
          return (
            event && (
              <div
                key={index}
                class="raw-event"
                data-index={index}
                ref={measure}
                style={{ top: `${start}px` }}
              >
                <RawLine event={event} index={index} isOpen={open === index} onToggle={toggle} />
                {open === index && (
                  <LongText text={JSON.stringify(event, null, 2)} label={`Event ${index + 1}`} />
                )}
              </div>
            )
          )
        })}
      </div>
    </div>
  )
}

interface RawLineProps {
  readonly event: StreamEvent
  readonly index: number
  readonly isOpen: boolean
  readonly onToggle: (index: number) => void
}

/** Lines that stay in view while it scrolls are not made again. */
const RawLine = memo(function RawLine({ event, index, isOpen, onToggle }: RawLineProps) {
  return (
    <button class="raw-line" aria-expanded={isOpen} onClick={() => onToggle(index)}>
      <span class="raw-time" title={'atMs' in event ? exactTime(event.atMs) : undefined}>
        {'atMs' in event ? time(event.atMs) : ''}
      </span>
      <code class="raw-type">{event.type}</code>
      <span class="raw-stage">{'stage' in event ? line(event.stage, 40) : ''}</span>
      <span class="raw-place">{placeOf(event)}</span>
      <span class="raw-text">{line(JSON.stringify(event), 300)}</span>
    </button>
  )
})

/** Lane and offset in tasks.history, as the id of the event has them. */
export function placeOf({ id }: StreamEvent): string {
  const [lane, offset] = (id ?? '').split(':')
  return offset === undefined ? 'not in the log' : `lane ${lane} · ${offset}`
}
