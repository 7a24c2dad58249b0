// What a part of the page has asked for: loading, there, or failed; asked again on demand and by an interval.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { asApiError, type ApiError } from './api/client.ts'

export interface Loaded<T> {
  /** The last answer; kept while it is asked for again. Null: none yet. */
  readonly value: T | null
  readonly error: ApiError | null
  readonly again: () => void
}

/** `asked` again whenever `key` changes, and each `everyMs` while the tab is looked at. */
export function useLoaded<T>(
  key: string,
  asked: (signal: AbortSignal) => Promise<T>,
  everyMs?: number,
): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; error: ApiError | null }>({
    key,
    value: null,
    error: null,
  })
  const [turn, setTurn] = useState(0)
  const ask = useRef(asked)
  ask.current = asked
  useEffect(() => {
    const leaving = new AbortController()
    ask.current(leaving.signal).then(
      (value) => !leaving.signal.aborted && setState({ key, value, error: null }),
      (error: unknown) =>
        !leaving.signal.aborted &&
        setState((before) => ({
          key,
          value: before.key === key ? before.value : null,
          error: asApiError(error),
        })),
    )
    return () => leaving.abort()
  }, [key, turn])
  const again = useCallback(() => setTurn((n) => n + 1), [])
  useEffect(() => {
    if (everyMs === undefined) return
    const timer = setInterval(() => !document.hidden && again(), everyMs)
    return () => clearInterval(timer)
  }, [everyMs, again])
  return { value: state.key === key ? state.value : null, error: state.error, again }
}
