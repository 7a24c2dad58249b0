// A button that copies a text.
import { useEffect, useRef, useState } from 'preact/hooks'
import { toast } from '../toast.ts'

const COPIED_MS = 1_500

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [isCopied, setCopied] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = async (button: HTMLElement): Promise<void> => {
    if (!(await copied(text, button)))
      return toast(`The browser did not let the ${what} be copied: select it, and copy it by hand`, {
        isError: true,
      })
    setCopied(true)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => setCopied(false), COPIED_MS)
  }
  return (
    <button class="copy" onClick={(event) => void copy(event.currentTarget)} aria-label={`Copy ${what}`}>
      {isCopied ? 'Copied' : 'Copy'}
    </button>
  )
}

/** Whether it was. Over http browsers have a clipboard on this machine alone; elsewhere they copy what is selected. */
async function copied(text: string, beside: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copiedBySelection(text, beside)
  }
}

function copiedBySelection(text: string, beside: HTMLElement): boolean {
  const field = document.createElement('textarea')
  field.className = 'unseen'
  field.value = text
  // Within a dialog nothing outside of it can be selected.
  beside.parentElement?.append(field)
  field.select()
  const isDone = document.execCommand('copy')
  field.remove()
  beside.focus()
  return isDone
}
