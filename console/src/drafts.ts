// What the viewer has typed and not sent.
//
// 1. It outlives a page that is left, a key that is refused and the way to an OpenID provider and back; it ends when it
//    is sent, when the viewer signs out, and with the tab.
// 2. It is one viewer's: somebody else who signs in does not find it.
import { signal } from '@preact/signals'
import { useState } from 'preact/hooks'

const STORED = 'flotilla.drafts'

interface Kept {
  readonly owner: string
  readonly drafts: Readonly<Record<string, unknown>>
}

const kept = signal<Kept>({ owner: '', drafts: {} })

/** Names of the forms with something unsent in them. */
export const unsent = (): string[] => Object.keys(kept.value.drafts)

/** Finds the drafts of this viewer; those of another one are dropped. */
export function openDrafts(owner: string): void {
  if (kept.value.owner === owner) return
  const found = stored()
  keep(found?.owner === owner ? found : { owner, drafts: {} })
}

export const dropDrafts = (): void => keep({ owner: '', drafts: {} })

export interface Draft<T> {
  readonly value: T
  /** As the viewer has changed it; changed back, nothing is unsent. */
  readonly set: (value: T) => void
  /** Shown unless the viewer has typed something. */
  readonly offer: (value: T) => void
  /** It was sent, or is not wanted: as at first. */
  readonly clear: () => void
}

/** The content of a form, under a name that no other form has and that a person understands. */
export function useDraft<T>(name: string, initial: T): Draft<T> {
  const [value, setValue] = useState<T>(() => (kept.peek().drafts[name] as T | undefined) ?? initial)
  const set = (next: T): void => {
    setValue(next)
    change(name, JSON.stringify(next) === JSON.stringify(initial) ? undefined : next)
  }
  return {
    value,
    set,
    offer: (next) => void (Object.hasOwn(kept.peek().drafts, name) || setValue(next)),
    clear: () => set(initial),
  }
}

function change(name: string, value: unknown): void {
  const { owner, drafts } = kept.peek()
  const { [name]: _, ...others } = drafts
  keep({ owner, drafts: value === undefined ? others : { ...others, [name]: value } })
}

function keep(next: Kept): void {
  kept.value = next
  try {
    if (Object.keys(next.drafts).length === 0) sessionStorage.removeItem(STORED)
    else sessionStorage.setItem(STORED, JSON.stringify(next))
  } catch {
    // A browser that has no room, or stores nothing, keeps it in memory alone.
  }
}

function stored(): Kept | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(STORED) ?? 'null') as Partial<Kept> | null
    const isWhole =
      typeof found?.owner === 'string' && typeof found.drafts === 'object' && found.drafts !== null
    return isWhole ? (found as Kept) : null
  } catch {
    return null
  }
}
