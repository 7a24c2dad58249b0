// What a part of the page has asked for: loading, there, or failed; asked again on demand, by an interval, and after a
// failure that may pass by itself.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { asApiError, mayPass, type ApiError } from './api/client.ts'

export interface Loaded<T> {
  /** The last answer; kept while it is asked for again. Null: none yet. */
  readonly value: T | null
  /** How the last question failed; null while the answer to the one before is all that there is. */
  readonly error: ApiError | null
  /** An answer is under way. */
  readonly isAsking: boolean
  readonly again: () => void
}

interface State<T> {
  readonly key: string
  readonly value: T | null
  readonly error: ApiError | null
  readonly isAsking: boolean
}

const RETRY_MS = 5_000

/**
 * `asked` again whenever `key` changes, and `everyMs` after each answer while the tab is looked at: a slow API is asked
 * less often, and never while it still answers.
 */
export function useLoaded<T>(
  key: string,
  asked: (signal: AbortSignal) => Promise<T>,
  everyMs?: number,
): Loaded<T> {
  const [state, setState] = useState<State<T>>({ key, value: null, error: null, isAsking: true })
  const [turn, setTurn] = useState(0)
  const ask = useRef(asked)
  ask.current = asked
  const again = useCallback(() => setTurn((n) => n + 1), [])
  useEffect(() => {
    const leaving = new AbortController()
    let leaveTimer = (): void => {}
    const settle = (part: { value: T } | { error: ApiError }, nextMs: number | undefined): void => {
      if (leaving.signal.aborted) return
      setState((before) => ({
        key,
        value: before.key === key ? before.value : null,
        error: null,
        isAsking: false,
        ...part,
      }))
      if (nextMs !== undefined) leaveTimer = whenLookedAt(nextMs, again)
    }
    setState((before) => {
      if (before.key !== key) return { key, value: null, error: null, isAsking: true }
      return before.isAsking ? before : { ...before, isAsking: true }
    })
    ask.current(leaving.signal).then(
      (value) => settle({ value }, everyMs),
      (cause: unknown) => {
        const error = asApiError(cause)
        settle({ error }, mayPass(error) ? Math.max(RETRY_MS, everyMs ?? 0) : everyMs)
      },
    )
    return () => {
      leaving.abort()
      leaveTimer()
    }
  }, [key, turn, everyMs, again])
  const isOfKey = state.key === key
  return {
    value: isOfKey ? state.value : null,
    error: isOfKey ? state.error : null,
    isAsking: !isOfKey || state.isAsking,
    again,
  }
}

/** Calls after this time; in a tab that nobody looks at, as soon as somebody does. Until the returned function is called. */
function whenLookedAt(ms: number, call: () => void): () => void {
  const look = (): void => {
    if (document.hidden) return
    leave()
    call()
  }
  const leave = (): void => {
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', look)
  }
  const timer = setTimeout(() => {
    document.addEventListener('visibilitychange', look)
    look()
  }, ms)
  return leave
}
