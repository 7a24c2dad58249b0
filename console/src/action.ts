// What a button does: one at a time, however often it is clicked.
import { useRef, useState } from 'preact/hooks'
import { toastError } from './toast.ts'

/** `run` does nothing while it runs. A failure is shown, and it may be tried again. */
export function useAction<A extends readonly unknown[]>(
  work: (...given: A) => Promise<void>,
): { readonly run: (...given: A) => void; readonly isBusy: boolean } {
  const [isBusy, setBusy] = useState(false)
  const busy = useRef(false)
  const set = (value: boolean): void => {
    busy.current = value
    setBusy(value)
  }
  const run = (...given: A): void => {
    if (busy.current) return
    set(true)
    work(...given)
      .catch(toastError)
      .finally(() => set(false))
  }
  return { run, isBusy }
}
