// Server-sent events of the gateway, by fetch: EventSource can't send a key.
//
// 1. A durable event reaches the reader exactly once, in order: each connection goes on behind the last id.
// 2. A lost connection is opened again until the stream is over, left, or refused for good.
// 3. Every stream says whether it is live, so that the page never shows old data as new.
import { createParser } from 'eventsource-parser'
import type { TaskEvent } from '../../../api/task-events.ts'
import { ApiError, ask, asApiError, mayPass, notOurs } from './client.ts'
import { linkOf } from './link.ts'
import type { StreamEvent } from './stream-event.ts'

export interface StreamOptions {
  readonly path: string
  readonly onEvent: (event: StreamEvent) => void
  /** The stream is over for good: a refusal, or null after its end. */
  readonly onEnd?: (error: ApiError | null) => void
  readonly isLast?: (event: StreamEvent) => boolean
  /** It is over only when it is left: a refusal may be taken back. */
  readonly isEndless?: boolean
}

/** Three heartbeats of a gateway. */
const QUIET_MS = 45_000
/** Comes also in the middle, once no event of the task was found; nothing brings them back. */
const GONE = 'EVENTS_GONE'
const FIRST_PAUSE_MS = 400
const MOST_PAUSE_MS = 5_000

/** Follows the stream until the returned function is called. */
export function follow(options: StreamOptions): () => void {
  const { path, onEvent, onEnd, isLast = () => false, isEndless = false } = options
  const stop = new AbortController()
  const link = linkOf()
  let last: string | null = null
  let isOver = false

  const take = (id: string | undefined, data: string): void => {
    const event = { ...(JSON.parse(data) as TaskEvent), id: id ?? null } as StreamEvent
    if (event.type === 'stream.failed') throw new ApiError(event.code === GONE ? 410 : 503, event)
    onEvent(event)
    last = id ?? last
    isOver ||= isLast(event)
  }

  const connect = async (connected: () => void): Promise<void> => {
    const connection = new AbortController()
    const quiet = quietTimer(() => connection.abort())
    const signal = AbortSignal.any([stop.signal, connection.signal])
    try {
      const headers = { accept: 'text/event-stream', ...(last === null ? {} : { 'last-event-id': last }) }
      const response = await ask(path, { headers, signal })
      if (response.status === 204 && !isEndless) return void (isOver = true)
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
      if (!isStream || response.body === null) throw notOurs(response)
      connected()
      const parser = createParser({ onEvent: ({ id, data }) => take(id, data) })
      for await (const text of response.body.pipeThrough(
        new TextDecoderStream(),
      ) as unknown as AsyncIterable<string>) {
        quiet.again()
        parser.feed(text)
        if (isOver) return
      }
    } finally {
      quiet.stop()
      connection.abort()
    }
  }

  const run = async (): Promise<ApiError | null> => {
    let pauseMs = FIRST_PAUSE_MS
    while (!stop.signal.aborted && !isOver) {
      try {
        await connect(() => {
          pauseMs = FIRST_PAUSE_MS
          link.live()
        })
      } catch (cause) {
        const error = asApiError(cause)
        if (stop.signal.aborted) return null
        if (!mayPass(error) && !isEndless) return error
      }
      if (isOver || stop.signal.aborted) return null
      link.lost()
      await untilWorthIt(pauseMs, stop.signal)
      pauseMs = Math.min(MOST_PAUSE_MS, pauseMs * 2)
    }
    return null
  }

  void run().then((error) => {
    link.close()
    if (!stop.signal.aborted) onEnd?.(error)
  })
  return () => {
    stop.abort()
    link.close()
  }
}

function quietTimer(call: () => void) {
  let timer = setTimeout(call, QUIET_MS)
  return {
    again: () => {
      clearTimeout(timer)
      timer = setTimeout(call, QUIET_MS)
    },
    stop: () => clearTimeout(timer),
  }
}

/** Ends early when the machine is online again or the tab is looked at. */
function untilWorthIt(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      removeEventListener('online', end)
      document.removeEventListener('visibilitychange', end)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    addEventListener('online', end)
    document.addEventListener('visibilitychange', end)
    signal.addEventListener('abort', end)
  })
}
